"""mix/partial and method/brl_step: BRL's mixed batch, and a whole training step."""

import dataclasses
import types
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from parity.kinds.loss import long_lived, make
from parity.kinds.model import Graph, load
from parity.shapes import Kinect, pyskl
from skeljax.interop.pytorch import state_dict
from skeljax.methods.brl import BRL, partial_mix
from skeljax.models import BACKBONES
from skeljax.models.heads import Classifier, Linear


def facts_of(given, layout):
    counts = given["num_class_list"]
    return types.SimpleNamespace(
        class_counts=counts,
        classes=range(len(counts)),
        layout=pyskl(layout),
        steps_per_epoch=1,
        epochs=24,
    )


def mixed_pairs(given):
    """(R,) clips that are mixed, and (R,) their partners.

    The public code takes each chosen clip out of the list that it walks over, and so never comes to
    the one behind it.
    """
    order, own = list(range(len(given["label"]))), []
    for clip in order:
        if clip in given["chosen"]:
            order.remove(clip)
            own.append(clip)
    assert len(own) == len(given["partner"])
    return np.array(own, int), given["partner"].astype(int)


def pair_labels(method, given, own, partner):
    """Second label (N,) of each clip, and the weight () of the first."""
    label = given["label"]
    other = label.copy()
    other[own] = label[partner]
    with jax.enable_x64(True):
        share = np.asarray(method.label_weight(label, other))
    if own.size:
        return other, share[own[-1]]
    return other, 0.0 if method.rebalanced else method.alpha


def partial_mixup(
    given,
    *,
    mode: Literal["base", "rebalance"],
    layout: Kinect,
    ratio: float,
    alpha: float,
    im_k: int,
):
    facts, rebalanced = facts_of(given, layout), mode == "rebalance"
    method = BRL(None, facts, alpha=alpha, kappa=im_k, rebalanced=rebalanced)
    assert len(given["chosen"]) == int(ratio * len(given["label"]))
    own, partner = mixed_pairs(given)
    other, share = pair_labels(method, given, own, partner)
    x = partial_mix(jnp.asarray(given["keypoint"]), own, partner, facts.layout, aligned=False)
    return {"keypoint": x, "label_a": given["label"], "label_b": other, "mix_alpha": share}


@dataclasses.dataclass(frozen=True)
class Pinned(BRL):
    """BRL with its draws given, that shows its logits."""

    pairs: tuple = ()

    def draw(self, rng, batch):
        return self.pairs

    def forward(self, params, extra, x, rng):
        logits, extra = super().forward(params, extra, x, rng)
        return logits, {**extra, "logits": logits}


@dataclasses.dataclass(frozen=True)
class Model:
    """The object ``model``: ST-GCN++."""

    graph: Graph
    num_classes: int
    head_channels: Literal[256]
    gcn_adaptive: Literal["init"]
    gcn_with_res: Literal[True]
    tcn_type: Literal["mstcn"]
    gcn_conv_pos: Literal["pre"] = "pre"
    data_bn_type: Literal["VC"] = "VC"
    in_channels: Literal[3] = 3
    num_person: int = 2  # of no consequence with data_bn_type VC
    num_stages: Literal[10] = 10
    inflate_stages: list[int] = (5, 8)
    down_stages: list[int] = (5, 8)


def brl_step(
    given,
    *,
    model: Model,
    layout: Kinect,
    loss: Literal["action_aware", "cb"],
    ratio: float,
    alpha: float,
    im_k: int,
    epochs: list[int],
):
    facts, x, family = facts_of(given, layout), given["keypoint"], "stgcnpp"
    assert model.graph.layout == layout and len(facts.classes) == model.num_classes
    assert model.graph.mode == "spatial"
    assert [*model.inflate_stages, *model.down_stages] == [5, 8, 5, 8]
    net = Classifier(BACKBONES["stgcnpp"](facts.layout, x.shape[1]), Linear(model.num_classes))
    variables = load(given, net, family, x)
    slip = {"published": True} if loss == "action_aware" else {}
    method = Pinned(
        net.backbone.clone(dtype=jnp.float64),
        facts,
        make({"cb": "class_balanced"}.get(loss, loss), given, model.num_classes, **slip),
        ratio=ratio,
        alpha=alpha,
        kappa=im_k,
        aligned=False,
        shared=True,
        pairs=tuple(map(jnp.asarray, mixed_pairs(given))),
    )
    other, share = pair_labels(method, given, *mixed_pairs(given))
    found = {"out/mix_alpha": share, "out/label_b": other}
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        batch = {"x": x.astype(np.float64), "label": given["label"]}
        extra = {"batch_stats": wide["batch_stats"]["backbone"]}
        step = jax.jit(
            jax.value_and_grad(partial(method.loss_fn, rng=jax.random.key(0)), has_aux=True),
            compiler_options={"xla_backend_optimization_level": 0},
        )
        for epoch, believed in zip(epochs, long_lived(method.loss, epochs)):
            (value, (after, _)), gradient = step(wide["params"], extra, batch, step=believed)
            found |= {f"out/loss/e{epoch}": value, "out/logits": np.asarray(after["logits"])}
            for name, leaf in state_dict({"params": jax.device_get(gradient)}, family).items():
                found[f"grad_norm/e{epoch}/{name}"] = np.linalg.norm(leaf.ravel())
    return found


KINDS = {"mix/partial": partial_mixup, "method/brl_step": brl_step}
