"""model/* and loss/* of the networks that have an objective of their own, and of their family."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from parity.cases import NOISE
from parity.kinds.model import load, quickly
from parity.shapes import Kinect, chain, classic, pyskl
from skeljax.data.streams import infogcn_matrix
from skeljax.interop.pytorch import state_dict
from skeljax.layouts import Layout
from skeljax.losses.infogcn import class_means, infogcn_loss, spread
from skeljax.losses.protogcn import class_contrast
from skeljax.models import BACKBONES, graphs
from skeljax.models.heads import Classifier, Linear

# (child, parent), joint 19 is the root
COCO_NEW = [
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 17), (12, 17), (9, 7), (7, 5), (10, 8), (8, 6),
    (5, 19), (6, 19), (1, 0), (3, 1), (2, 0), (4, 2), (0, 19), (17, 18), (18, 19),
]  # fmt: skip
SIX_BRANCHES = [[3, 1], [3, 2], [3, 3], [3, 4], ["max", 3], "1x1"]


@dataclasses.dataclass(frozen=True)
class RandomGraph:
    """The object ``graph`` of the kinds without a skeleton."""

    layout: Literal["nturgb+d", "coco", "openpose", "coco_new", "nw_ucla"]
    mode: Literal["random"]
    num_filter: int = 3
    init_off: float = 0.04
    init_std: float = 0.02

    def build(self) -> Layout:
        return chain(20, COCO_NEW, 19) if self.layout == "coco_new" else pyskl(self.layout)


@quickly
def eval_pass(net, variables, x):
    """Logits, pooled feature, rebuilt graph, and the mean over T and V of every block."""
    out, features = net.apply(variables, x, train=False)
    return out, features.pooled, features.graph, [tap.mean((2, 3)) for tap in features.taps]


@quickly
def linearise(net, variables, x, arguments):
    """Outputs of a training pass, its pull back to the parameters, and what else is compared."""

    def forward(params):
        features, moved = net.backbone.apply(
            {"params": params["backbone"], "batch_stats": variables["batch_stats"]["backbone"]},
            x, train=True, mutable=["batch_stats"], **arguments,
        )  # fmt: skip
        logits = net.head.apply({"params": params["head"]}, features.pooled)
        graph = jnp.zeros(()) if features.graph is None else features.graph
        outputs = {"logits": logits, "pooled": features.pooled, "graph": graph}
        return outputs, (features.map.mean((2, 3)), {"backbone": moved["batch_stats"]})

    params = {name: variables["params"][name] for name in ("backbone", "head")}
    return jax.vjp(forward, params, has_aux=True)


pull_back = jax.jit(
    lambda pull, cotangent: pull(cotangent)[0],
    compiler_options={"xla_backend_optimization_level": 0},
)


def run(
    given,
    net: Classifier,
    family: str,
    x,
    objective: Callable | None = None,
    extra: dict | None = None,
    wide_eval: bool = False,
    **arguments,
) -> dict:
    """Every result of a model kind, evaluation in float32 and training in float64; see `model.run`.

    Args:
      objective: (outputs, extra parameters) -> (total, results) of the published objective.
      extra: shapes of parameters outside backbone and head, by our names.
      wide_eval: evaluate in float64 too, where a rounding decides between two neighbours.
      arguments: of the backbone in the training pass.
    """
    variables = load(given, net, family, x, extra=extra)
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    exact = net.clone(backbone=net.backbone.clone(dtype=jnp.float64))
    with jax.enable_x64(wide_eval):
        args = (exact, wide, x.astype(np.float64)) if wide_eval else (net, variables, x)
        passed = eval_pass(args[0], _without(args[1], extra), args[2])
        out, pooled, graph, taps = jax.device_get(passed)
    by_axes = partial(_persons, given.case.spec["axes"])
    results = {"eval/out": out, "eval/prob": jax.nn.softmax(out), "eval/z": pooled}
    results |= {"eval/graph": graph, "eval/feat": by_axes("eval/feat", taps[-1])}
    results |= {f"eval/feat/stage{i}": t.reshape(-1, t.shape[-1]) for i, t in enumerate(taps)}
    labels = np.asarray(given["y"])

    def plain(outputs, _):
        return _cross_entropy(outputs["logits"], labels), {}

    with jax.enable_x64(True):
        doubles = {name: np.asarray(value, np.float64) for name, value in arguments.items()}
        outputs, pull, (feat, after) = linearise(exact, wide, np.asarray(x, np.float64), doubles)
        outside = {name: wide["params"][name] for name in extra or {}}
        for role, loss in (("grad_norm", plain), ("total_grad_norm", objective)):
            if loss is None:
                continue
            derive = jax.value_and_grad(loss, (0, 1), has_aux=True)
            (value, found), (cotangent, of_outside) = derive(outputs, outside)
            gradient = pull_back(pull, cotangent) | of_outside
            results["train/loss" if loss is plain else "train/total"] = value
            results |= {f"train/{name}": np.asarray(v) for name, v in found.items()}
            for name, g in state_dict({"params": jax.device_get(gradient)}, family).items():
                results[f"train/{role}/{name}"] = np.linalg.norm(g.ravel())
        outputs, feat, after = jax.device_get((outputs, feat, after))
    assert all(results[name] < 1e3 * NOISE for name in given.case.rounding_noise)
    results |= {"train/out": outputs["logits"], "train/z": outputs["pooled"]}
    results |= {"train/graph": outputs["graph"], "train/feat": by_axes("train/feat", feat)}
    statistics = state_dict({"batch_stats": after}, family)
    return _flat_graphs(results | {f"train/after/{n}": value for n, value in statistics.items()})


def _without(variables, extra):
    params = {n: p for n, p in variables["params"].items() if n not in (extra or {})}
    return variables | {"params": params}


def _persons(axes, name, of_person):
    """(N, M, D), or its mean over persons where the case has that."""
    return of_person if axes.get(name) == "NMD" else of_person.mean(1)


def _flat_graphs(results):
    graphs = {n: g for n, g in results.items() if n.endswith("/graph") and np.ndim(g) == 3}
    return results | {name: np.reshape(g, (len(g), -1)) for name, g in graphs.items()}


def _cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def dgstgcn(
    given,
    *,
    graph: RandomGraph,
    num_classes: int,
    head_channels: int,
    in_channels: int = 3,
    num_person: int = 2,
    gcn_ratio: float | None = 0.25,
    gcn_ctr: Literal["T", "NA"] | None = "T",
    gcn_ada: Literal["T", "NA"] | None = "T",
    gcn_subset_wise: bool = False,
    gcn_ctr_act: Literal["tanh", "sigmoid", "relu"] = "tanh",
    gcn_ada_act: Literal["softmax", "tanh", "sigmoid", "relu"] = "softmax",
    data_bn_type: Literal["VC", "MVC"] = "VC",
    num_stages: int = 10,
    inflate_stages: list[int] = (5, 8),
    down_stages: list[int] = (5, 8),
    tcn_ms_cfg: list | None = None,
):
    backbone = _dgstgcn(
        "dgstgcn", given, graph, num_person, gcn_ratio, gcn_ctr, gcn_ada, gcn_subset_wise,
        gcn_ctr_act, gcn_ada_act, data_bn_type, num_stages, inflate_stages, down_stages, tcn_ms_cfg,
    )  # fmt: skip
    assert (given["x"].shape[-1], head_channels) == (in_channels, _last_width(backbone))
    net = Classifier(backbone, Linear(num_classes))
    return run(given, net, "dgstgcn", given["x"])


def _dgstgcn(
    name, given, graph, num_person, ratio, ctr, ada, subset_wise, ctr_act, ada_act, data_bn, depth,
    inflate, down, branches, **more,
):  # fmt: skip
    assert list(inflate) == list(down) and branches in (None, SIX_BRANCHES)
    if data_bn == "VC":  # then the network does not know the number of persons
        num_person = given["x"].shape[1]
    return BACKBONES[name](
        layout=graph.build(),
        num_person=num_person,
        depth=depth,
        grow=tuple(down),
        subsets=graph.num_filter,
        ratio=ratio or 0.0,
        channel_act=ctr_act if ctr else "none",
        subset_act=ada_act if ada else "none",
        subset_wise=subset_wise,
        per_frame="NA" in (ctr, ada),
        data_norm=data_bn,
        **more,
    )


def _last_width(backbone):
    return backbone.width * 2 ** sum(block <= backbone.depth for block in backbone.grow)


def protogcn(
    given,
    *,
    graph: RandomGraph,
    num_classes: int,
    head_channels: int,
    num_prototype: int,
    csc_weight: float,
    in_channels: int = 3,
    num_person: int = 2,
    gcn_ratio: float | None = 0.125,  # KINDS.md says 0.25, the tensors of its cases 0.125
    gcn_ctr: Literal["T", "NA"] | None = "T",
    gcn_ada: Literal["T", "NA"] | None = "T",
    gcn_subset_wise: Literal[False] = False,
    gcn_ctr_act: Literal["tanh", "sigmoid", "relu"] = "tanh",
    gcn_ada_act: Literal["softmax", "tanh", "sigmoid", "relu"] = "softmax",
    data_bn_type: Literal["VC", "MVC"] = "VC",
    num_stages: int = 10,
    inflate_stages: list[int] = (5, 8),
    down_stages: list[int] = (5, 8),
    tcn_ms_cfg: list | None = None,
):
    backbone = _dgstgcn(
        "protogcn", given, graph, num_person, gcn_ratio, gcn_ctr, gcn_ada, gcn_subset_wise,
        gcn_ctr_act, gcn_ada_act, data_bn_type, num_stages, inflate_stages, down_stages, tcn_ms_cfg,
        prototypes=num_prototype, prototype_dropout=0.0,
    )  # fmt: skip
    assert (given["x"].shape[-1], head_channels) == (in_channels, _last_width(backbone))
    labels, memory = np.asarray(given["y"]), np.asarray(given["avg_f"], np.float64)

    def objective(outputs, extra):
        logits, rebuilt = outputs["logits"], outputs["graph"].reshape(len(labels), -1)
        feature = rebuilt @ extra["contrast"]["kernel"] + extra["contrast"]["bias"]
        csc, after = class_contrast(feature, logits, labels, memory)
        total = _cross_entropy(logits, labels) + csc_weight * csc
        return total, {"csc": csc, "avg_f_after": after}

    joints, width = backbone.layout.num_joints, len(memory)
    extra = {"contrast": {"kernel": (joints**2, width), "bias": (width,)}}
    net = Classifier(backbone, Linear(num_classes))
    return run(given, net, "protogcn", given["x"], objective, extra)


def infogcn(
    given,
    *,
    num_classes: int,
    layout: Kinect,
    num_person: int,
    noise_ratio: float,
    k: int,
    gain: int,
    num_head: int = 3,
    graph_mode: Literal["spatial"] = "spatial",
    in_channels: int = 3,
    dropout: Literal[0] = 0,
):
    mode = infogcn_matrix(classic(layout), k, published=True)
    np.testing.assert_array_equal(mode, given["A_vector"])
    np.testing.assert_allclose(np.linalg.norm(given["z_prior"], axis=1), gain, rtol=1e-3)
    x = np.einsum("vu,nmtuc->nmtvc", mode, given["x"].transpose(0, 4, 2, 3, 1))  # NCTVM
    assert x.shape[-1] == in_channels
    backbone = BACKBONES["infogcn"](
        layout=classic(layout), num_person=num_person, heads=num_head, noise_ratio=noise_ratio
    )
    labels, prior = np.asarray(given["y"]), np.asarray(given["z_prior"], np.float64)

    def objective(outputs, _):
        z = outputs["pooled"]
        total, terms = infogcn_loss(z, outputs["logits"], labels, prior)
        means, _ = class_means(z, labels, num_classes)
        rows = np.flatnonzero(np.bincount(labels, minlength=num_classes))
        names = {"ce": "ls_ce", "mmd": "mmd", "mean_norm": "l2_z_mean"}
        found = {names[name]: value for name, value in terms.items()}
        return total, found | {"z_mean_present": means[rows]}

    net = Classifier(backbone, Linear(num_classes))
    return run(given, net, "infogcn", x, objective, noise=given["eps"])


def hdgcn(
    given,
    *,
    num_classes: int,
    layout: Kinect,
    num_person: int,
    center_of_mass: int,
    graph_mode: Literal["spatial"] = "spatial",
    in_channels: int = 3,
):
    x = given["x"].transpose(0, 4, 2, 3, 1)  # NCTVM
    assert x.shape[-1] == in_channels
    backbone = BACKBONES["hdgcn"](
        layout=classic(layout), num_person=num_person, centre_of_mass=center_of_mass
    )
    return run(given, Classifier(backbone, Linear(num_classes)), "hdgcn", x, wide_eval=True)


def hdgcn_hierarchy(given, *, layout: Kinect, center_of_mass: int, groups: list[list[int]]):
    of = classic(layout)
    found = graphs.hierarchy(of, center_of_mass - 1)
    assert [set(g) for g in found] == [{v - 1 for v in g} for g in groups]
    return {"A": graphs.hierarchical(found, of.num_joints)}


def loss_infogcn(given, *, num_classes: int, lambda_1: float, lambda_2: float, smoothing: float):
    with jax.enable_x64(True):
        z, prior, logits = (np.asarray(given[n], np.float64) for n in ("z", "z_prior", "logits"))
        labels = np.asarray(given["y"])

        def total(z, logits):
            return infogcn_loss(
                z, logits, labels, prior,
                mmd_weight=lambda_2, mean_weight=lambda_1, label_smoothing=smoothing,
            )  # fmt: skip

        (value, terms), grads = jax.value_and_grad(total, (0, 1), has_aux=True)(z, logits)
        return {
            "out/total": value,
            "out/ls_ce": terms["ce"],
            "out/mmd": terms["mmd"],
            "out/l2_z_mean": terms["mean_norm"],
            "out/vector_property": np.array(spread(z, labels, num_classes)),
            "grad/z": np.asarray(grads[0]),
            "grad/logits": np.asarray(grads[1]),
        }


def loss_protogcn_csc(
    given,
    *,
    n_class: int,
    n_channel: int,
    h_channel: int,
    tmp: float,
    mom: float,
    pred_threshold: float,
):
    assert pred_threshold == 0  # every prediction passes
    state, results = given.case.state_dict(), {}
    assert state["cl_fc.weight"].shape == (h_channel, n_channel)
    with jax.enable_x64(True):
        weight, bias, memory = (
            np.asarray(v, np.float64)
            for v in (state["cl_fc.weight"].T, state["cl_fc.bias"], given["avg_f"])
        )
        for step in range(sum(name.startswith("graph") for name in given)):
            graph, logits = (np.asarray(given[f"{n}{step}"], float) for n in ("graph", "logits"))
            labels = np.asarray(given[f"y{step}"])
            assert logits.shape[1] == n_class

            def loss(graph, weight, logits=logits, labels=labels, memory=memory):
                feature = graph @ weight + bias
                options = {"momentum": mom, "temperature": tmp}
                return class_contrast(feature, logits, labels, memory, **options)

            (value, memory), grads = jax.value_and_grad(loss, (0, 1), has_aux=True)(graph, weight)
            results |= {
                f"out/loss{step}": value,
                f"out/avg_f{step}": memory,
                f"grad/graph{step}": np.asarray(grads[0]),
                f"grad/cl_fc_weight_norm{step}": np.linalg.norm(grads[1]),
            }
    return results


KINDS = {
    "model/dgstgcn": dgstgcn,
    "model/infogcn": infogcn,
    "model/hdgcn": hdgcn,
    "model/protogcn": protogcn,
    "graph/hdgcn_hierarchy": hdgcn_hierarchy,
    "loss/infogcn": loss_infogcn,
    "loss/protogcn_csc": loss_protogcn_csc,
}
