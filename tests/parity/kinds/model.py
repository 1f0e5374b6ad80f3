"""model/*: forward in both modes, loss, gradients and running statistics of a network."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from parity.shapes import Kinect, Name, classic, pyskl
from skeljax.interop.pytorch import load_state_dict, state_dict
from skeljax.models import BACKBONES
from skeljax.models.heads import Classifier, Linear


@dataclasses.dataclass(frozen=True)
class Graph:
    """The object ``graph`` of the PYSKL kinds."""

    layout: Name
    mode: Literal["spatial"]


# Each net is two programs, compiled once for all cases of its shapes; the inputs are so small that
# compiling them well takes longer than running them.
quickly = partial(jax.jit, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})


@quickly
def eval_pass(net, variables, x):
    """Logits, pooled features, and what is compared of every block."""
    out, features = net.apply(variables, x, train=False)
    pooled = features.map.mean(axis=(1, 2, 3))
    return out, pooled, [tap.mean(axis=(2, 3)).reshape(-1, tap.shape[-1]) for tap in features.taps]


@quickly
def train_pass(net, variables, x, y):
    """Logits, loss, its gradient, and the batch statistics after one pass."""

    def loss(params):
        (logits, _), updated = net.apply(
            variables | {"params": params}, x, train=True, mutable=["batch_stats"]
        )
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -chosen.mean(), (logits, updated["batch_stats"])

    (value, (logits, after)), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    return logits, value, gradient, after


def run(given, net: Classifier, family: str, x, tap: Callable[[int], str]) -> dict:
    """Every result of a model kind; `tap` names the output of the block at a position.

    The evaluation runs in float32, as users run it. The training pass runs in float64: at random
    weights some ReLU is within a float32 rounding of its kink, and a small gradient norm (such as
    that of CTR-GCN's alpha) moves by percents with the side it falls on, in the reference as here.
    """
    shapes = jax.eval_shape(partial(net.init, train=False), jax.random.key(0), jnp.asarray(x))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    variables, report = load_state_dict(given.case.state_dict(), zeros, family)
    assert all(not np.prod(shape) or name.endswith(".A") for name, shape in report.unused), report
    out, pooled, taps = eval_pass(net, variables, jnp.asarray(x))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        exact = net.clone(backbone=net.backbone.clone(dtype=jnp.float64))
        results = train_pass(exact, wide, np.asarray(x, np.float64), np.asarray(given["y"]))
        logits, loss, gradient, after = jax.device_get(results)
    norms = state_dict({"params": gradient}, family)
    stats = state_dict({"batch_stats": after}, family)
    return (
        {"eval/out": out, "eval/prob": jax.nn.softmax(out), "eval/feat": pooled}
        | {tap(i): value for i, value in enumerate(taps)}
        | {"train/out": logits, "train/loss": loss}
        | {f"train/grad_norm/{name}": np.linalg.norm(g.ravel()) for name, g in norms.items()}
        | {f"train/after/{name}": value for name, value in stats.items()}
    )


def ctrgcn(
    given,
    *,
    num_classes: int,
    layout: Kinect,
    num_person: int,
    graph_mode: Literal["spatial"] = "spatial",
):
    net = Classifier(BACKBONES["ctrgcn"](classic(layout), num_person), Linear(num_classes))
    x = given["x"].transpose(0, 4, 2, 3, 1)  # NCTVM
    return run(given, net, "ctrgcn", x, lambda i: f"eval/feat/l{i + 1}_mean_tv")


def ctrgcn_pyskl(
    given,
    *,
    graph: Graph,
    num_classes: int,
    head_channels: int,
    in_channels: int = 3,
    num_person: int = 2,
):
    backbone = BACKBONES["ctrgcn_pyskl"](layout=pyskl(graph.layout), num_person=num_person)
    net = Classifier(backbone, Linear(num_classes))
    found = run(given, net, "ctrgcn_pyskl", given["x"], lambda i: f"eval/feat/stage{i}")
    assert given["x"].shape[-1] == in_channels and found["eval/feat"].shape[-1] == head_channels
    return found


KINDS = {
    "model/ctrgcn": ctrgcn,
    "model/ctrgcn_pyskl": ctrgcn_pyskl,
}
