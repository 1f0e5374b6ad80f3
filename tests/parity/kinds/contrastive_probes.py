"""Steps of CrosSCLR, and what is made of a pre-trained encoder."""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from parity.kinds.contrastive import nmtvc
from parity.kinds.contrastive_steps import Encoder, facts, named, read_encoder, wide
from skeljax.interop.pytorch import load_state_dict, state_dict
from skeljax.losses import contrastive as losses
from skeljax.methods import METHODS, crosclr
from skeljax.optim import make_optimizer

VIEWS = ("joint", "motion", "bone")
TAIL = {"joint": "", "motion": "_motion", "bone": "_bone"}


def crosclr_state(given, method, x):
    """params and extra of CrosSCLR, as the case gives them."""
    state = given.case.state_dict()

    def encoders(side):
        params, stats = {}, {}
        for name in method.streams:
            prefix = f"encoder_{side}{TAIL[name]}."
            tensors = state
            if name != "joint":  # a head of three products, of which the joint head is the end
                entry, own = f"{prefix}fc.0", {}
                for tensor, value in state.items():
                    if tensor.startswith(prefix) and not tensor.startswith(f"{prefix}fc."):
                        own[tensor] = value
                    if tensor.startswith(f"encoder_{side}.fc."):
                        own[prefix + tensor.removeprefix(f"encoder_{side}.")] = value
                tensors = own
            params[name], found = read_encoder(tensors, single(method), x, prefix, "skeletonclr")
            stats[name] = {"batch_stats": found["batch_stats"]}
            if name != "joint":
                hidden = {
                    "kernel": state[f"{entry}.weight"].T,
                    "bias": state[f"{entry}.bias"],
                }
                params[name] = {"backbone": params[name]["backbone"], "entry": {"hidden": hidden}}
        return wide(params), wide(stats)

    (params, stats), (key_params, key_stats) = encoders("q"), encoders("k")
    keys = {n: {"params": key_params[n], "stats": key_stats[n]} for n in method.streams}
    queues = {n: wide(state[f"queue{TAIL[n]}"].T) for n in method.streams}
    pointer = np.int32(state["queue_ptr"][0])
    extra = {"key": keys, "queue": queues, "pointer": pointer}
    return crosclr.flat(params), crosclr.flat(stats) | extra


def single(method):
    """SkeletonCLR with the encoder of one of CrosSCLR's streams."""
    return METHODS["skeletonclr"](method.net, method.facts, dim=method.dim, queue=method.queue)


def crosclr_names(trees, side: str) -> dict:
    """{tensor of the public code: array} of {stream: parameters}."""
    found = {}
    for name, tree in trees.items():
        prefix = f"encoder_{side}{TAIL[name]}."
        entry = tree.get("entry")
        rest = {part: value for part, value in tree.items() if part != "entry"}
        found |= named(rest, None, prefix, "skeletonclr")
        if entry is not None:
            found[f"{prefix}fc.0.weight"] = np.asarray(entry["hidden"]["kernel"]).T
            found[f"{prefix}fc.0.bias"] = np.asarray(entry["hidden"]["bias"])
    return found


def crosclr_kind(
    given,
    *,
    views: int,
    cross: bool,
    topk: int,
    context: bool,
    encoder: Encoder,
    feature_dim: int,
    queue_size: int,
    momentum: float,
    temperature: float,
    mlp: bool,
):
    assert mlp
    batch = {"query": nmtvc(given["im_q"]), "key": nmtvc(given["im_k"])}
    with jax.enable_x64(True):
        method = METHODS["crosclr"](
            encoder.build(batch["query"].shape[1]), facts(batch["query"]), dim=feature_dim,
            queue=queue_size, momentum=momentum, temperature=temperature, streams=VIEWS[:views],
            topk=topk, context=context, shared_head=True, follow_all=False,
        )  # fmt: skip
        params, extra = crosclr_state(given, method, batch["query"])

        @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
        def step(params, extra, batch):
            def loss(params):
                rng = jax.random.key(0)
                query, key, moved = method.stream_passes(params, extra, batch, rng, cross)
                units = [{n: losses.unit(v) for n, v in vs.items()} for vs in (query, key)]
                similar = method.similarities(*units, extra["queue"])
                total = (method.cross_loss if cross else method.own_loss)(*similar)
                return total, (total, query, key, similar, method.enqueue(moved, units[1]))

            (_, aux), gradient = jax.value_and_grad(loss, has_aux=True)(params)
            return gradient, *aux

        results = jax.device_get(step(params, extra, wide(batch)))
        return crosclr_results(method, cross, *results)


def crosclr_results(method, cross, gradient, total, query, key, similar, extra) -> dict:
    found = {"loss_total": total}
    for name in method.streams:
        tail, others = TAIL[name], [n for n in method.streams if n != name]
        found[f"raw/encoder_q{tail}"], found[f"raw/encoder_k{tail}"] = query[name], key[name]
        found[f"queue{tail}"] = extra["queue"][name].T
        found[f"queue_ptr{tail}"] = extra["pointer"][None]
        rows = []
        for other in others:
            logits, mask = method.mined(*similar, name, other)
            pair = tail if len(others) == 1 else f"_{name[0]}{other[0]}"
            rows.append((logits, mask))
            if cross:
                found |= {f"logits{pair}": logits, f"pos_mask{pair}": np.asarray(mask, np.uint8)}
        if cross:
            found[f"loss{tail}"] = sum(losses.mined_nce(*row) for row in rows) / len(rows)
        else:
            positive, negative = (part[name] for part in similar)
            logits = np.concatenate([positive, negative], axis=1) / method.temperature
            found[f"logits{tail}"] = logits
            found[f"pos_mask{tail}"] = np.asarray(losses.first_positive(logits), np.uint8)
            found[f"loss{tail}"] = losses.info_nce(logits)
    for name, value in crosclr_names(
        {n: extra["key"][n]["params"] for n in method.streams}, "k"
    ).items():
        found |= {f"key_norm/{name}": np.linalg.norm(value), f"key_sum/{name}": value.sum()}
    for name, value in crosclr_names(method.nested(gradient), "q").items():
        found[f"train/grad_norm/{name}"] = np.linalg.norm(value)
    return found


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The object ``pretrained``."""

    variant: Literal["skelemixclr_plus"]
    encoder: Encoder
    feature_dim: int
    queue_size: int
    swap_params: list[list] | None = None
    swap_mode: Literal["swap"] | None = None
    spatial_mode: Literal["semantic"] | None = None


def load_encoder(given, *, pretrained: Pretrained, model: Encoder, ignore_prefixes: list[str]):
    """What init_from takes of a pre-training run: the arrays of a probe with the same path there.

    The graph and the counters of batch norms are no arrays of ours; they follow the prefixes.
    """
    x = np.zeros((2, 2, 16, 25, 3), np.float32)
    swaps = tuple(map(tuple, pretrained.swap_params or [[2, 3, 7, 11, 1, 1.0]]))
    run = METHODS["skelemixclr"](
        pretrained.encoder.build(2, jnp.float32), facts(x), dim=pretrained.feature_dim,
        queue=pretrained.queue_size, swaps=swaps,
    )  # fmt: skip
    probe = METHODS["linear"](model.build(2, jnp.float32), facts(x, model.num_classes))
    batch = {"query": x, "key": x, "x": x}
    theirs = flatten_dict(jax.eval_shape(run.init, jax.random.key(0), batch)[0])
    theirs |= flatten_dict(jax.eval_shape(run.init, jax.random.key(0), batch)[1])
    flags = []
    for part in jax.eval_shape(probe.init, jax.random.key(0), batch):
        for path, leaf in flatten_dict(part).items():
            fits = path in theirs and theirs[path].shape == leaf.shape
            flags.append((path, np.full(leaf.shape, fits)))
    params = unflatten_dict({p: flag for p, flag in flags if p[0] != "batch_stats"})
    stats = unflatten_dict({("backbone", *p[1:]): f for p, f in flags if p[0] == "batch_stats"})
    loaded = state_dict({"params": params, "batch_stats": stats}, "stgcn_contrastive")
    found = {"loaded": [], "kept": []}
    for name in given.case.spec["tensors"]:
        taken = (
            loaded[name].all() if name in loaded else not name.startswith(tuple(ignore_prefixes))
        )
        found["loaded" if taken else "kept"].append(name)
    return found


def downstream(
    given,
    *,
    protocol: Literal["linear", "finetune"],
    lr: float,
    nesterov: bool,
    weight_decay: float,
    model: Encoder,
    momentum: float = 0.9,
):
    x, y = nmtvc(given["x"]), given["y"]
    family = "stgcn_contrastive"
    with jax.enable_x64(True):
        probe = METHODS[protocol](model.build(x.shape[1]), facts(x, model.num_classes))
        batch = wide({"x": x, "label": y})
        params, extra = jax.eval_shape(probe.init, jax.random.key(0), batch)
        shapes = {"params": params, "batch_stats": {"backbone": extra["batch_stats"]}}
        variables, report = load_state_dict(given.case.state_dict(), shapes, family)
        assert {name for name, _ in report.unused} <= {"encoder_q.A"}, report
        params = wide(variables["params"])
        extra = {"batch_stats": wide(variables["batch_stats"]["backbone"])}
        labels = probe.groups(params)
        fields = {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
        optimizer = make_optimizer(lambda step: lr, labels, **fields)

        @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
        def step(params, extra, batch):
            def loss(params):
                return probe.loss_fn(params, extra, batch, jax.random.key(0), 0)

            (value, (moved, _)), gradient = jax.value_and_grad(loss, has_aux=True)(params)
            moves = optimizer.update(gradient, optimizer.init(params), params)[0]
            after = optax.apply_updates(params, moves)
            logits = [probe.predict(p, moved, batch)["logits"] for p in (params, after)]
            return value, gradient, after, logits, moved

        value, gradient, after, logits, moved = jax.device_get(step(params, extra, batch))
    for before, now in zip(jax.tree.leaves(extra), jax.tree.leaves(moved)):
        np.testing.assert_array_equal(before, now)

    def norms(tree):
        tensors = state_dict({"params": tree}, family)
        return {name: np.linalg.norm(tensor) for name, tensor in tensors.items()}

    trains = jax.tree.map(
        lambda label, leaf: np.full(leaf.shape, label != "frozen"), labels, params
    )
    trains = state_dict({"params": trains}, family)
    trainable = [n for n in given.case.spec["tensors"] if n in trains and trains[n].all()]
    return {
        "logits": logits[0],
        "loss": value,
        "grad_norm": {n: norm for n, norm in norms(gradient).items() if n in trainable},
        "logits_after": logits[1],
        "after": state_dict({"params": after}, family),
        "after_norm": norms(after),
        "trainable": trainable,
    }


KINDS = {
    "method/crosclr_step": crosclr_kind,
    "method/load_encoder": load_encoder,
    "method/downstream_step": downstream,
}
