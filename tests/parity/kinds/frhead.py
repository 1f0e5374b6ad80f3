"""loss/frhead_* and model/frhead: the contrastive term, one level of the head, and all of it."""

import dataclasses
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from parity.kinds.model import quickly
from parity.shapes import Kinect, classic
from skeljax.interop.pytorch import load_state_dict, state_dict
from skeljax.losses import refinement
from skeljax.methods.frhead import FRHead, Levels
from skeljax.models import BACKBONES

Version = Literal["V0", "V1", "V2", "NO FN", "NO FP", "NO FN & FP"]
BRANCHES = ("spatio", "tempor")
LEVELS = ("low", "mid", "high", "fin")


def term(
    given,
    *,
    n_channel: int,
    n_class: int,
    h_channel: int,
    alp: float,
    tmp: float,
    mom: float,
    version: Version,
    pred_threshold: float,
    use_p_map: bool,
):
    state = given.case.state_dict()
    assert given["avg_f"].shape == (h_channel, n_class)
    assert given["feature"].shape[1] == n_channel
    how = {"version": version, "use_p_map": use_p_map, "alpha": alp}
    of = refinement.outcome(jnp.asarray(given["logit"]), given["label"], pred_threshold)

    def loss(feature, weight, bias):
        x = feature @ weight.T + bias
        value, after = refinement.term(
            x, given["avg_f"].T, of, **how, temperature=tmp, momentum=mom
        )
        return value, (x, after)

    inputs = given["feature"], state["cl_fc.weight"], state["cl_fc.bias"]
    (value, (x, after)), gradient = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(*inputs)
    by_missed, by_captured = refinement.scores(x, after, of, **how)
    (missed, has_missed), (captured, has_captured) = (
        refinement.class_means(x, mask) for mask in (of.missed, of.captured)
    )
    return {
        "loss": value,
        "embedded": x,
        "mask_tp": of.true,
        "mask_fn": of.missed,
        "mask_fp": of.captured,
        "has_fn": has_missed,
        "has_fp": has_captured,
        "f_fn": missed.T,
        "f_fp": captured.T,
        "f_mem": after.T,
        "avg_f_after": after.T,
        "score_fn": by_missed / tmp,
        "score_fp": by_captured / tmp,
        "grad_feature": gradient[0],
        "grad_cl_fc.weight": gradient[1],
        "grad_cl_fc.bias": gradient[2],
    }


class Known(NamedTuple):
    """What the head needs of a method's Facts."""

    classes: tuple
    class_counts: tuple
    steps_per_epoch: int = 1
    epochs: int = 1


def method(num_classes: int, net=None, **arguments) -> FRHead:
    return FRHead(net, Known(tuple(range(num_classes)), (1,) * num_classes), **arguments)


def norms(gradient, family: str) -> dict:
    return {name: np.linalg.norm(g.ravel()) for name, g in state_dict(gradient, family).items()}


def level(
    given,
    *,
    n_channel: int,
    n_frame: int,
    n_joint: int,
    n_person: int,
    h_channel: int,
    n_class: int,
    version: Version,
    pred_threshold: float,
    use_p_map: bool,
):
    how = {"pred_threshold": pred_threshold, "use_p_map": use_p_map}
    head = method(n_class, version=version, embed_dim=h_channel, **how)
    state = {f"ren_low.{name}": value for name, value in given.case.state_dict().items()}

    @jax.jit
    def step(params, extra, tap, logit, label):
        def loss(params, tap):
            terms, moved = head.terms(params, extra, (tap,), logit, label)
            return terms.sum(), (terms[0], moved)

        squeezed = Levels(h_channel).apply(
            {"params": params["levels"], "batch_stats": extra["level_stats"]},
            [tap],
            capture_intermediates=lambda module, _: module.name == "squeeze",
            mutable=["batch_stats", "intermediates"],
        )[1]["intermediates"]["level1"]
        return *jax.value_and_grad(loss, (0, 1), has_aux=True)(params, tap), squeezed

    def taps(i):
        x = given[f"{i}/raw_feat"].astype(np.float64)  # BCTV
        assert x.shape[1:] == (n_channel, n_frame, n_joint)
        return x.reshape(-1, n_person, *x.shape[1:]).transpose(0, 1, 3, 4, 2)

    shapes = jax.eval_shape(Levels(h_channel).init, jax.random.key(0), [jnp.asarray(taps(0))])
    zeros = {kind: {"levels": tree} for kind, tree in shapes.items()}
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), zeros)
    variables, _ = load_state_dict(state, zeros, "frhead")
    found = {}
    with jax.enable_x64(True):
        variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        start = np.stack([given[f"avg_f/{branch}"].T for branch in BRANCHES]).astype(np.float64)
        extra = {"level_stats": variables["batch_stats"]["levels"], "prototypes": start[None]}
        for i in range(sum(name.endswith("/label") for name in given)):
            logit = given[f"{i}/logit"].astype(np.float64)
            (value, (terms, extra)), (gradient, by_tap), squeezed = jax.device_get(
                step(variables["params"], extra, taps(i), logit, given[f"{i}/label"])
            )
            found |= {f"out/{i}/loss": value, f"grad/{i}/norm/raw_feat": np.linalg.norm(by_tap)}
            by_body = by_tap.mean((2, 3)).reshape(-1, n_channel)
            found[f"grad/{i}/raw_feat_mean_tv"] = by_body
            for b, branch in enumerate(BRANCHES):
                y = np.maximum(squeezed[branch]["squeeze"]["__call__"][0], 0).swapaxes(0, 1)
                found |= {
                    f"out/{i}/{branch}/loss": terms[b],
                    f"out/{i}/{branch}/squeezed": y.reshape(len(y), -1),
                    f"out/{i}/{branch}/avg_f_after": extra["prototypes"][0, b].T,
                }
            after = state_dict({"batch_stats": {"levels": extra["level_stats"]}}, "frhead")
            named = norms({"params": gradient}, "frhead")
            found |= {f"grad/{i}/norm/{n.removeprefix('ren_low.')}": v for n, v in named.items()}
            found |= {f"out/{i}/after/{n.removeprefix('ren_low.')}": v for n, v in after.items()}
    return found


@quickly
def train_pass(head, params, extra, batch):
    """Everything of one step: full loss, contrastive loss, and each term by its own inputs."""
    rng = jax.random.key(0)

    def full(params):
        return head.loss_fn(params, extra, batch, rng, 0)

    def contrastive(params):
        metrics = full(params)[1][1]
        return metrics["cl_loss"], metrics["class_loss"]

    (value, (after, _)), by_full = jax.value_and_grad(full, has_aux=True)(params)
    (cl_loss, ce), by_cl = jax.value_and_grad(contrastive, has_aux=True)(params)
    features, _ = head.net.apply(
        {"params": params["backbone"], "batch_stats": extra["batch_stats"]},
        batch["x"],
        train=True,
        mutable=["batch_stats"],
    )
    logits, taps = head.logits(params, features), head.tapped(features.taps)

    def terms(levels, taps):
        inner = dataclasses.replace(head, levels=(1, 2, 3, 4))
        return inner.terms({"levels": levels}, extra, taps, logits, batch["label"])[0]

    by_term = jax.jacrev(terms, (0, 1))(params["levels"], taps)
    terms = terms(params["levels"], taps)
    return value, after, by_full, cl_loss, ce, by_cl, logits, taps, terms, by_term


def full(
    given,
    *,
    backbone: Literal["aagcn", "ctrgcn", "tcagcn"],
    num_classes: int,
    layout: Kinect,
    num_person: int,
    num_frames: int,
    cl_mode: Literal["ST-Multi-Level"],
    multi_cl_weights: list[float],
    graph_mode: Literal["spatial"] = "spatial",
    cl_version: Version = "V0",
    pred_threshold: float = 0.0,
    use_p_map: bool = True,
):
    unused = {"unused": True} if backbone == "tcagcn" else {}
    net = BACKBONES[backbone](layout=classic(layout), num_person=num_person, **unused)
    head = method(
        num_classes,
        net,
        version=cl_version,
        level_weights=tuple(multi_cl_weights),
        pred_threshold=pred_threshold,
        use_p_map=use_p_map,
    )
    x = given["x"].transpose(0, 4, 2, 3, 1)  # NCTVM
    assert x.shape[2] == num_frames
    state = given.case.state_dict()
    shapes = jax.eval_shape(head.init, jax.random.key(0), {"x": jnp.asarray(x, jnp.float32)})
    params, extra = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    levels = {"levels": params.pop("levels")}, {"levels": extra["level_stats"]}
    trees = (params, {"backbone": extra["batch_stats"]}), levels
    (params, stats), (levels, level_stats) = (
        load_state_dict(state, dict(zip(("params", "batch_stats"), tree)), family)[0].values()
        for tree, family in zip(trees, (backbone, "frhead"))
    )
    keys = [[f"{level}.{branch}" for branch in BRANCHES] for level in LEVELS]
    prototypes = np.stack([[given[f"avg_f/{key}"].T for key in row] for row in keys])
    extra = {"batch_stats": stats["backbone"], "level_stats": level_stats["levels"]}
    with jax.enable_x64(True):
        wide = partial(jax.tree.map, lambda leaf: np.asarray(leaf, np.float64))
        head = dataclasses.replace(head, net=net.clone(dtype=jnp.float64))
        params, extra, x = wide((params | levels, extra | {"prototypes": prototypes}, x))
        batch = {"x": x, "label": np.asarray(given["y"])}
        results = jax.device_get(train_pass(head, params, extra, batch))
    value, after, by_full, cl_loss, ce, by_cl, logits, taps, terms, by_term = results

    def both(tree):
        own = {"params": {"levels": tree["levels"]}}
        rest = {"params": {name: tree[name] for name in ("backbone", "head")}}
        return norms(rest, backbone) | norms(own, "frhead")

    by_body = [tap.mean((2, 3)).reshape(-1, tap.shape[-1]) for tap in taps]
    found = {"out/logits": logits, "out/ce": ce, "out/cl_loss": cl_loss, "out/full_loss": value}
    for i, row in enumerate(keys):
        for b, key in enumerate(row):
            own, by_taps = jax.tree.map(lambda g, at=(i, b): g[at], by_term)
            by_tap = by_taps[i]
            by_own = norms({"params": {"levels": own}}, "frhead")
            found |= {
                f"out/term/{key}/loss": terms[i, b],
                f"out/term/{key}/avg_f_after": after["prototypes"][i, b].T,
                f"out/term/{key}/feat_mean_tv": by_body[i],
                f"grad/term/{key}/norm/feat": np.linalg.norm(by_tap),
                f"grad/term/{key}/feat_mean_tv": by_tap.mean((2, 3)).reshape(by_body[i].shape),
            }
            found |= {f"grad/term/{key}/norm/{name}": value for name, value in by_own.items()}
    stats = state_dict({"batch_stats": {"backbone": after["batch_stats"]}}, backbone)
    stats |= state_dict({"batch_stats": {"levels": after["level_stats"]}}, "frhead")
    found |= {f"out/after/{name}": value for name, value in stats.items()}
    found |= {f"grad/cl_norm/{name}": value for name, value in both(by_cl).items()}
    return found | {f"grad/full_norm/{name}": value for name, value in both(by_full).items()}


KINDS = {
    "loss/frhead_term": term,
    "loss/frhead_level": level,
    "model/frhead": full,
}
