"""The contrastive family: losses, mixing, kNN and rates; its steps are in contrastive_steps."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from parity.shapes import classic
from skeljax import metrics
from skeljax.data import skelemix
from skeljax.losses import contrastive as losses
from skeljax.optim import learning_rate


def of_loss(loss):
    """A kind that gives a loss of logits and a mask, and its gradient."""

    def handler(given):
        value, gradient = jax.value_and_grad(loss)(
            jnp.asarray(given["logits"]), jnp.asarray(given["mask"], jnp.float32)
        )
        return {"loss": value, "grad_logits": gradient}

    return handler


def knn(given, *, k: int, t: float, num_classes: int):
    votes = metrics.knn_votes(
        given["feature"], given["bank"], given["bank_label"], num_classes, k, t
    )
    return {"pred": votes.argmax(axis=1)[:, None]}


def lr(
    given,
    *,
    recipe: Literal["pretrain", "linear", "finetune"],
    base_lr: float,
    step: list[int],
    num_epoch: int,
    cos: int = 0,
    warm_up_epoch: int = 0,
):
    # Their epoch e is 1-based and moves the rate with its own number, which ours never counts:
    # cosine and warm-up are ours an epoch later, the steps the same.
    schedule = learning_rate(
        base_lr,
        batch=1,
        base_batch=0,
        epochs=num_epoch,
        steps_per_epoch=1,
        name="cosine" if cos else "step",
        milestones=tuple(step),
        warmup_epochs=warm_up_epoch,
    )
    epochs = np.arange(num_epoch) + (1 if cos else 0)
    return {"lr": np.array([schedule(epoch) for epoch in epochs])}


def mixes(given, spatial_mode: str = "semantic", slots: int = 0) -> skelemix.Mix:
    """The draws of a case, stacked on the first axis."""
    if spatial_mode == "random":
        joints = given["joint_mask"]
    else:
        joints = given["part_mask"] @ skelemix.body_parts(classic("nturgb+d"))
    slot = np.arange(slots)
    start, length = given["seg_start"][:, None], given["seg_len"][:, None]
    inside = (slot >= start) & (slot < start + length)
    return skelemix.Mix(*map(jnp.asarray, (given["shift"], joints, inside)))


def nmtvc(x):
    """NCTVM, and back."""
    return np.transpose(x, (0, 4, 2, 3, 1))


def skelemix_kind(
    given,
    *,
    swap_mode: Literal["swap", "zeros", "Gaussian"],
    spatial_mode: Literal["semantic", "random"],
):
    x, found = nmtvc(given["x"]), {}
    drawn = mixes(given, spatial_mode, x.shape[2] // 4)
    for i in range(len(given["shift"])):
        mix = jax.tree.map(lambda leaf, i=i: leaf[i], drawn)
        source = skelemix.partner(x, mix.shift) if swap_mode == "swap" else np.zeros_like(x)
        if swap_mode == "Gaussian":  # values of the region alone, spread over a whole clip
            region = np.asarray(jnp.repeat(mix.region, 4, axis=0))
            noise = nmtvc(given[f"noise/{i}"])
            frames, joints = region.any(1), region.any(0)
            source[:, :, np.ix_(frames, joints)[0], np.ix_(frames, joints)[1]] = noise
        rows = jnp.arange(len(x))
        found[f"partner/{i}"] = skelemix.partner(rows, mix.shift)
        found[f"x/{i}"] = nmtvc(np.asarray(skelemix.paste(jnp.asarray(x), mix, source)))
        found[f"mask/{i}"] = mix.region
    return found


KINDS = {
    "loss/multi_nce": of_loss(losses.multi_nce),
    "loss/dcl": of_loss(losses.decoupled),
    "metric/knn": knn,
    "schedule/lr": lr,
    "mix/skelemix": skelemix_kind,
}
