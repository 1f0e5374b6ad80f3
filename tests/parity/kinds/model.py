"""model/*: forward in both modes, loss, gradients and running statistics of a network."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from parity import cases
from parity.shapes import Kinect, Name, chain, classic, pyskl
from skeljax.interop import graphs
from skeljax.interop.pytorch import load_state_dict, read_pt, state_dict
from skeljax.layouts import Layout
from skeljax.models import BACKBONES
from skeljax.models.heads import Classifier, Linear, pool_parts


@dataclasses.dataclass(frozen=True)
class Graph:
    """The object ``graph`` of the PYSKL kinds."""

    layout: Name | Literal["handmp"]
    mode: Literal["spatial", "stgcn_spatial", "binary_adj"]
    edges: list[list] | None = None
    center: int | None = None

    def build(self) -> Layout:
        if self.edges is None:
            return pyskl(self.layout)
        return chain(len(self.edges) + 1, self.edges, self.center)


# Each net is two programs, compiled once for all cases of its shapes; the inputs are so small that
# compiling them well takes longer than running them.
quickly = partial(jax.jit, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})


@quickly
def eval_pass(net, variables, x):
    """Logits, pooled features, and what is compared of every block: means and norms."""
    out, features = net.apply(variables, x, train=False)
    pooled = features.map.mean(axis=(1, 2, 3))
    means = [tap.mean(axis=(2, 3)).reshape(-1, tap.shape[-1]) for tap in features.taps]
    return out, pooled, means, jnp.stack([jnp.linalg.norm(tap.ravel()) for tap in features.taps])


@quickly
def train_pass(net, variables, x, y):
    """Logits, loss, its gradient, and the batch statistics after one pass."""

    def loss(params):
        (logits, _), updated = net.apply(
            variables | {"params": params}, x, train=True, mutable=["batch_stats"]
        )
        likelihood = jax.nn.log_softmax(logits)  # (N, K), or (2, N, K) of two parts
        chosen = jnp.take_along_axis(likelihood, y.reshape(*[1] * (logits.ndim - 2), -1, 1), -1)
        return -chosen.mean(-2).sum(), (logits, updated["batch_stats"])

    (value, (logits, after)), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    return logits, value, gradient, after


def run(
    given, net, family: str, x, tap: Callable[[int], str], prefix: str = "", dtype=jnp.float32
) -> dict:
    """Every result of a model kind; `tap` names the output of the block at a position.

    The evaluation runs in float32, as users run it. The training pass runs in float64: at random
    weights some ReLU is within a float32 rounding of its kink, and a small gradient norm (such as
    that of CTR-GCN's alpha) moves by percents with the side it falls on, in the reference as here.

    Args:
      prefix: what the family's names have before those of the case.
      dtype: of the evaluation.
    """
    variables = load(given, net, family, x, prefix)
    results = evaluate(net, variables, x, tap, dtype)
    if "y" not in given:
        return results
    with jax.enable_x64(True):
        passed = train_pass(*widen(net, variables, x), np.asarray(given["y"]))
        logits, loss, gradient, after = jax.device_get(passed)
    norms, stats = ({}, {})
    for name, g in state_dict({"params": gradient}, family).items():
        norms[f"train/grad_norm/{name.removeprefix(prefix)}"] = np.linalg.norm(g.ravel())
    for name, value in state_dict({"batch_stats": after}, family).items():
        stats[f"train/after/{name.removeprefix(prefix)}"] = value
    return results | {"train/out": logits, "train/loss": loss} | norms | stats


def evaluate(net, variables, x, tap: Callable[[int], str], dtype=jnp.float32) -> dict:
    """Results of the evaluation."""
    with jax.enable_x64(dtype == jnp.float64):
        if dtype == jnp.float64:
            net, variables, x = widen(net, variables, x)
        out, pooled, taps, norms = jax.device_get(eval_pass(net, variables, jnp.asarray(x)))
        results = {"eval/out": out, "eval/feat": pooled, "eval/block_norm": norms}
        results["eval/prob"] = np.asarray(jax.nn.softmax(out))
    return results | {tap(i): value for i, value in enumerate(taps)}


def widen(net, variables, x):
    """The three in float64."""
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    exact = net.clone(backbone=net.backbone.clone(dtype=jnp.float64))
    return exact, wide, np.asarray(x, np.float64)


def load(given, net, family: str, x, prefix: str = "", extra: dict | None = None) -> dict:
    """Variables of `net` from the case: its weights file, or its tensors by name.

    Args:
      prefix: what the family's names have before those of the case.
      extra: shapes of parameters outside the net.
    """
    shapes = jax.eval_shape(partial(net.init, train=False), jax.random.key(0), jnp.asarray(x))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    zeros["params"] |= jax.tree.map(jnp.zeros, extra or {}, is_leaf=lambda s: isinstance(s, tuple))
    real = given.case.spec.get("weights")
    state = read_pt(given.case.checkpoint()) if real else given.case.state_dict()
    variables, report = load_state_dict({prefix + n: t for n, t in state.items()}, zeros, family)
    assert all(not np.prod(shape) for name, shape in report.unused), report
    if not real:
        explicit = given.case.spec.get("explicit", ())
        state = {prefix + name: given.case.arrays[f"t/{name}"] for name in explicit}
    graphs.check(state, net.backbone, family)
    return variables


def classic_net(name: str, dtype=jnp.float32, **choices):
    """Handler of a network of CTR-GCN's or FR-Head's code; the family has the backbone's name."""

    def handler(
        given,
        *,
        num_classes: int,
        layout: Kinect,
        num_person: int,
        num_frames: int | None = None,
        graph_mode: Literal["spatial"] = "spatial",
    ):
        x = given["x"].transpose(0, 4, 2, 3, 1)  # NCTVM
        assert num_frames in (None, x.shape[2])
        backbone = BACKBONES[name](classic(layout), num_person, **choices)
        net = Classifier(backbone, Linear(num_classes))
        return run(given, net, name, x, lambda i: f"eval/feat/l{i + 1}_mean_tv", dtype=dtype)

    return handler


def pyskl_net(name: str, dtype=jnp.float32):
    """The same for PYSKL's and BRL's code."""

    def handler(
        given,
        *,
        graph: Graph,
        num_classes: int,
        head_channels: int,
        in_channels: int = 3,
        num_person: int = 2,
    ):
        assert graph.mode == "spatial" and given["x"].shape[-1] == in_channels
        net = Classifier(BACKBONES[name](graph.build(), num_person), Linear(num_classes))
        found = run(given, net, name, given["x"], lambda i: f"eval/feat/stage{i}", dtype=dtype)
        assert found["eval/feat"].shape[-1] == head_channels
        return found

    return handler


def stgcn_pyskl(
    given,
    *,
    graph: Graph,
    num_classes: int,
    head_channels: int,
    in_channels: int = 3,
    num_person: int = 2,
    gcn_adaptive: Literal["importance", "init", "offset"] = "importance",
    gcn_conv_pos: Literal["pre", "post"] = "pre",
    gcn_with_res: bool = False,
    tcn_type: Literal["unit_tcn", "mstcn"] = "unit_tcn",
    data_bn_type: Literal["VC", "MVC"] = "VC",
    num_stages: int = 10,
    inflate_stages: list[int] = (5, 8),
    down_stages: list[int] = (5, 8),
):
    assert list(inflate_stages) == list(down_stages)
    x = given["x"] if given["x"].ndim == 5 else given["x"][None]
    if data_bn_type == "VC":  # then it takes any number of persons
        num_person = x.shape[1]
    backbone = BACKBONES["stgcn"](
        layout=graph.build(),
        num_person=num_person,
        depth=num_stages,
        grow=tuple(down_stages),
        graph={"spatial": "direction", "stgcn_spatial": "distance"}[graph.mode],
        topology={"init": "free"}.get(gcn_adaptive, gcn_adaptive),
        order=gcn_conv_pos,
        residual=gcn_with_res,
        multi_scale=tcn_type == "mstcn",
        data_norm=data_bn_type,
    )
    net = Classifier(backbone, Linear(num_classes))
    found = run(given, net, "stgcn", x, lambda i: f"eval/feat/stage{i}")
    assert x.shape[-1] == in_channels and found["eval/feat"].shape[-1] == head_channels
    return found


def msg3d_pyskl(
    given,
    *,
    graph: Graph,
    num_classes: int,
    head_channels: int,
    in_channels: int = 3,
    num_person: int = 2,
    base_channels: int = 96,
    num_gcn_scales: int = 13,
    num_g3d_scales: int = 6,
):
    assert graph.mode == "binary_adj" and given["x"].shape[-1] == in_channels
    scales = {"scales": num_gcn_scales, "window_scales": num_g3d_scales}
    backbone = BACKBONES["msg3d"](graph.build(), num_person, width=base_channels, **scales)
    net = Classifier(backbone, Linear(num_classes))
    found = run(given, net, "msg3d", given["x"], lambda i: f"eval/feat/stage{i}")
    assert found["eval/feat"].shape[-1] == head_channels
    return found


def forward(given):
    """Evaluation of one clip by the model of the case's first operation."""
    first = given.case.operations[0]
    handler = KINDS[first.kind]
    found = handler(given, **cases.bind(handler, first.args, first.kind))
    return {"logits": found["eval/out"][0], "prob": found["eval/prob"][0]}


class PartsClassifier(nn.Module):
    """Classifies the pasted part of the last map and the rest of it; `mask` (L, V) by rows."""

    backbone: nn.Module
    head: nn.Module
    mask: tuple[tuple[bool, ...], ...]

    def __call__(self, x, *, train: bool):
        """(N, M, T, V, C) -> logits (2, N, K) and the backbone's Features."""
        out = self.backbone(x, train=train)
        parts = pool_parts(out.map, jnp.asarray(self.mask))
        return jnp.stack([self.head(part) for part in parts]), out


def stgcn_contrastive(
    given,
    *,
    hidden_channels: int,
    hidden_dim: int,
    num_classes: int,
    layout: Literal["nturgb+d"],
    partition: Literal["direction", "distance"],
    in_channels: int = 3,
    dropout: float = 0.0,
    edge_importance_weighting: bool = True,
    masked: bool = False,
    fc_type: Literal["linear", "conv"] = "linear",
):
    x = given["x"].transpose(0, 4, 2, 3, 1)  # NCTVM
    assert edge_importance_weighting and x.shape[-1] == in_channels
    backbone = BACKBONES["stgcn_contrastive"](
        layout=classic(layout),
        num_person=x.shape[1],
        width=hidden_channels,
        last_width=hidden_dim,
        graph=partition,
        dropout=dropout,
    )
    whole, family, tap = Classifier(backbone, Linear(num_classes)), "stgcn_contrastive", str
    prefix = "" if "weights" in given.case.spec else "encoder_q."
    results = run(given, whole, family, x, tap, prefix)
    if not masked:
        return results
    mask = tuple(map(tuple, given["mask"].tolist()))
    parts = run(given, PartsClassifier(whole.backbone, whole.head, mask), family, x, tap, prefix)
    variables = load(given, whole, family, x, prefix)
    last = backbone.apply({k: v["backbone"] for k, v in variables.items()}, x, train=False).map
    for mode in ("eval/out", "train/out", "eval/feat"):
        both = pool_parts(last, given["mask"]) if mode == "eval/feat" else parts[mode]
        results |= {f"{mode}_p": both[0], f"{mode}_c": both[1]}
    return results | {name: value for name, value in parts.items() if name.startswith("train/")}


# AAGCN's tanh and sigmoids saturate where random weights make its activations 1e4 and more: then a
# sign that float32 rounds to the other side (one joint pair in 1e4) turns a whole edge around.
KINDS = {
    "model/ctrgcn": classic_net("ctrgcn"),
    "model/ctrgcn_pyskl": pyskl_net("ctrgcn_pyskl"),
    "model/stgcn_pyskl": stgcn_pyskl,
    "model/forward": forward,
    "model/stgcn_contrastive": stgcn_contrastive,
    "model/stgcn_frhead": classic_net("stgcn_frhead"),
    "model/aagcn": classic_net("aagcn", jnp.float64),
    "model/msg3d_pyskl": msg3d_pyskl,
    "model/tcagcn": classic_net("tcagcn", unused=True),
    "model/aagcn_pyskl": pyskl_net("aagcn_pyskl", jnp.float64),
}
