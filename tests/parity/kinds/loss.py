"""loss/* of BRL's repository: values and gradients over the epochs, as its code runs them."""

import functools
import types
from typing import Literal
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.losses import LOSSES


def make(name: str, given, num_classes: int, epochs: int = 24, **arguments):
    """A loss on the case's class counts; one step an epoch."""
    counts = given["num_class_list"]
    assert len(counts) == num_classes
    facts = types.SimpleNamespace(class_counts=counts, steps_per_epoch=1, epochs=epochs)
    return LOSSES[name](facts, **arguments)


def long_lived(loss, epochs) -> list[int]:
    """The epochs that one object of the public code believes in: it counts its second stage by its
    calls, one a new epoch. A training calls it at every epoch, a case leaves some out."""
    first = loss.first_epoch
    seen = [epoch for epoch in epochs if epoch >= first]
    return [first + seen.index(epoch) if epoch >= first else epoch for epoch in epochs]


@functools.partial(jax.jit, static_argnums=0)
def value_and_grad(loss, logits, target, step):
    return jax.value_and_grad(lambda z: loss.loss(z, target, step))(logits)


class ById:
    """Hashable by identity, so that a loss can be a static argument."""

    def __init__(self, loss):
        self.loss = loss


def at(loss, given, epoch, labels):
    target = jax.nn.one_hot(labels, len(given["num_class_list"]))
    value, grad = value_and_grad(ById(loss), given["logits"], target, epoch)
    return np.asarray(value), np.asarray(grad)


def run(given, loss, fresh=None, weights: bool = False, **more) -> dict:
    """The loss called over the epochs; `fresh` is the one of a new object at each."""
    found, epochs = dict(more), given["epochs"].tolist()
    for epoch, believed in zip(epochs, long_lived(loss, epochs)):
        value, grad = at(loss, given, believed, given["target"])
        found |= {f"out/loss/e{epoch}": value, f"grad/logits/e{epoch}": grad}
        if weights:
            value, grad = at(fresh, given, epoch, given["target"])
            found |= {f"out/fresh_loss/e{epoch}": value, f"grad/fresh_logits/e{epoch}": grad}
            found[f"out/weight/e{epoch}"] = loss.weight(jnp.int32(believed))
            found[f"out/fresh_weight/e{epoch}"] = fresh.weight(jnp.int32(epoch))
    return found


def plain(name: str, **arguments):
    def handler(given, *, num_classes: int):
        return run(given, make(name, given, num_classes, **arguments))

    return handler


def weighted(name: str, epochs: int = 24, published: bool = False, **arguments):
    """A loss with class weights; where it has a slip, the long-lived object has it."""

    def handler(given, *, num_classes: int):
        fresh = loss = make(name, given, num_classes, epochs, **arguments)
        if published:
            loss = make(name, given, num_classes, epochs, **arguments, published=True)
        more = {"out/m_list": loss.margins} if name == "ldam" else {}
        return run(given, loss, fresh, weights=True, **more)

    return handler


def equalization(given, *, num_classes: int):
    loss = make("equalization", given, num_classes, published=True)
    with mock.patch.object(jax.random, "uniform", lambda key, shape: given["rand"]):
        return run(given, loss, **{"out/tail_flag": loss.tail})


def kps(given, *, num_classes: int):
    loss = make("kps", given, num_classes)
    return run(given, loss, **{"out/s_list": loss.scales, "out/m_list": loss.margins})


def mixhead(given, *, num_classes: int, loss: Literal["action_aware", "cb"]):
    name, slip = {"action_aware": ("action_aware", {"published": True})}.get(
        loss, ("class_balanced", {})
    )
    made, found = make(name, given, num_classes, **slip), {}
    epochs = given["epochs"].tolist()
    for i, share in enumerate(given["mix_alpha"]):
        for epoch, believed in zip(epochs, long_lived(made, epochs)):
            at_epoch = f"a{i}_e{epoch}"
            a, b = (at(made, given, believed, given[f"label_{x}"]) for x in "ab")
            for role, of_a, of_b in zip(("out/loss", "grad/logits"), a, b):
                found[f"{role}/{at_epoch}"] = share * of_a + (1 - share) * of_b
            rank = np.argsort(-given["logits"], axis=1)
            for k in (1, 5):
                right = [(rank[:, :k] == given[f"label_{x}"][:, None]).any(1).mean() for x in "ab"]
                found[f"out/top{k}/{at_epoch}"] = share * right[0] + (1 - share) * right[1]
    return found


KINDS = {
    "loss/ce": plain("ce"),
    "loss/focal": plain("focal"),
    "loss/twostage_focal": plain("focal", switch=19 / 24),
    "loss/weighted": weighted("inverse_frequency", published=True),
    "loss/cb": weighted("class_balanced"),
    "loss/action_aware": weighted("action_aware", published=True),
    "loss/kaa": weighted("action_aware", epochs=150, published=True, switch=129 / 150),
    "loss/ldam": weighted("ldam"),
    "loss/balanced_softmax": plain("balanced_softmax"),
    "loss/eql": equalization,
    "loss/kps": kps,
    "loss/gumbel": plain("gumbel"),
    "loss/mixhead": mixhead,
}
