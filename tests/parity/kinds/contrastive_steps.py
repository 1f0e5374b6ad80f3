"""Whole steps of SkeletonCLR and SkeleMixCLR, in float64; weights from and to the public names."""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from parity.kinds.contrastive import mixes, nmtvc
from parity.shapes import classic
from skeljax.interop.pytorch import load_state_dict, state_dict
from skeljax.losses import contrastive as losses
from skeljax.methods import METHODS, Facts
from skeljax.methods.skeletonclr import enqueue
from skeljax.models import BACKBONES
from skeljax.optim import make_optimizer


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The object ``encoder`` (and ``model``)."""

    hidden_channels: int
    hidden_dim: int
    num_classes: int
    layout: Literal["nturgb+d"]
    partition: Literal["direction", "distance"]
    in_channels: int = 3
    dropout: float = 0.0
    edge_importance_weighting: bool = True

    def build(self, num_person: int, dtype=jnp.float64):
        assert self.edge_importance_weighting
        return BACKBONES["stgcn_contrastive"](
            layout=classic(self.layout),
            num_person=num_person,
            dtype=dtype,
            width=self.hidden_channels,
            last_width=self.hidden_dim,
            graph=self.partition,
            dropout=self.dropout,
        )


def facts(x, num_classes: int = 60) -> Facts:
    """Of a batch x (N, M, T, V, C) of NTU."""
    layout = classic("nturgb+d")
    names = tuple(map(str, range(num_classes)))
    return Facts(names, np.ones(num_classes, int), layout, x.shape[1], x.shape[-1], len(x), 1, 1)


def read_encoder(state, method, x, prefix: str, family: str):
    """(params, running statistics) of the encoder whose tensors begin with `prefix`."""
    params, stats = jax.eval_shape(method.init_encoder, jax.random.key(0), x)
    shapes = {"params": params, "batch_stats": nested(stats)}
    own = {
        "encoder_q." + name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }
    variables, report = load_state_dict(own, shapes, family)
    assert {name for name, _ in report.unused} <= {"encoder_q.A"}, report
    found = variables["batch_stats"]
    moved = {"batch_stats": found["backbone"], "projection_stats": found.get("projection", {})}
    return variables["params"], moved


def nested(stats) -> dict:
    """Running statistics by module."""
    return {"backbone": stats["batch_stats"], "projection": stats["projection_stats"]}


def named(params, stats, prefix: str, family: str) -> dict:
    """{tensor of the public code: array} of parameters, or of running statistics."""
    tree = {"batch_stats": nested(stats)} if params is None else {"params": params}
    tensors = state_dict(jax.device_get(tree), family)
    return {prefix + name.removeprefix("encoder_q."): value for name, value in tensors.items()}


def wide(tree):
    """Floats as float64; only under jax.enable_x64."""
    return jax.tree.map(
        lambda x: np.asarray(x, np.float64) if np.issubdtype(x.dtype, np.floating) else x, tree
    )


@dataclasses.dataclass(frozen=True)
class Contrast:
    """The arguments that all steps of SkeletonCLR and SkeleMixCLR share."""

    method: object
    family: str

    @classmethod
    def make(cls, x, variant, encoder, repeat, swap_params, **fields):
        net, of = encoder.build(x.shape[1]), facts(x)
        if variant in ("skeletonclr", "skeletonclr_cont"):
            crops = 2 if variant == "skeletonclr_cont" else 1
            return cls(METHODS["skeletonclr"](net, of, crops=crops, **fields), "skeletonclr")
        swaps = swap_params or [[2, 3, 7, 11, repeat or 1, 1.0]]
        average = variant == "skelemixclr_multi"
        swaps = tuple(map(tuple, swaps))
        made = METHODS["skelemixclr"](net, of, swaps=swaps, average=average, **fields)
        return cls(made, "skelemixclr")

    def start(self, given, x):
        """params and extra, as the case gives them."""
        state = given.case.state_dict()
        params, stats = read_encoder(state, self.method, x, "encoder_q.", self.family)
        key_params, key_stats = read_encoder(state, self.method, x, "encoder_k.", self.family)
        return wide(params), {
            **wide(stats),
            "key": {"params": wide(key_params), "stats": wide(key_stats)},
            "queue": wide(state["queue"].T),
            "pointer": np.int32(state["queue_ptr"][0]),
        }

    def results(self, params, extra, batch, mixes):
        """Gradient, terms, passes and `extra` of one step."""

        @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
        def step(params, extra, batch, mixes):
            def loss(params):
                rng = jax.random.key(0)
                passes, moved = self.method.passes(params, extra, batch, rng, **mixes)
                terms = self.method.terms(passes, extra["queue"])
                return terms["total"], (terms, passes, moved)

            (_, aux), gradient = jax.value_and_grad(loss, has_aux=True)(params)
            terms, passes, moved = aux
            moved = self.method.enqueue(moved, losses.unit(passes.key))
            return gradient, terms, passes, moved

        return jax.device_get(step(params, extra, batch, mixes))


def tell_encoders(extra, params, family: str) -> dict:
    """Norms and sums of the key encoder, running statistics of both."""
    found = {}
    for name, value in named(extra["key"]["params"], None, "encoder_k.", family).items():
        found[f"key_norm/{name}"] = np.linalg.norm(value)
        found[f"key_sum/{name}"] = value.sum()
    if params is not None:
        for name, value in named(params, None, "encoder_q.", family).items():
            found[f"query_norm/{name}"] = np.linalg.norm(value)
            found[f"query_sum/{name}"] = value.sum()
    for prefix, stats in (("encoder_q.", extra), ("encoder_k.", extra["key"]["stats"])):
        for name, value in named(None, stats, prefix, family).items():
            found[f"train/after/{name}"] = value
    return found


def queue_results(extra, ring, pointer, labels) -> dict:
    """Queue and pointer as stored; labels go through a ring of their own, as in the public code."""
    found = {"queue": extra["queue"].T, "queue_ptr": extra["pointer"][None]}
    if ring is not None:
        found["queue_label"] = enqueue(jnp.asarray(ring), pointer, jnp.asarray(labels))[0]
    return found


def step_kind(
    given,
    *,
    variant: Literal[
        "skeletonclr", "skeletonclr_cont", "skelemixclr", "skelemixclr_multi", "skelemixclr_plus"
    ],
    encoder: Encoder,
    feature_dim: int,
    queue_size: int,
    momentum: float,
    temperature: float,
    mlp: bool,
    loss: Literal["ce", "dcl"],
    repeat: int | None = None,
    swap_params: list[list] | None = None,
    swap_mode: Literal["swap"] | None = None,
    spatial_mode: Literal["semantic"] | None = None,
):
    assert mlp and swap_mode in (None, "swap") and spatial_mode in (None, "semantic")
    crops = sorted(role for role in given if role.startswith("im_q"))
    queries = [nmtvc(given[role]) for role in crops]
    queries += [nmtvc(given["im_m"])] if "im_m" in given else []
    batch = {"query": queries[0], "key": nmtvc(given["im_k"])}
    batch |= {f"query{i}": x for i, x in enumerate(queries[1:], 1)}
    with jax.enable_x64(True):
        made = Contrast.make(
            batch["query"], variant, encoder, repeat, swap_params, dim=feature_dim,
            queue=queue_size, momentum=momentum, temperature=temperature, form=loss,
        )  # fmt: skip
        params, extra = made.start(given, batch["query"])
        drawn = mixes_of_crops(given, made, queries)
        gradient, terms, passes, moved = made.results(params, extra, wide(batch), drawn)
        return step_results(given, made, extra, gradient, terms, passes, moved)


def mixes_of_crops(given, made, queries) -> dict:
    """{"mixes": the draws of every crop}: a crop's slots are those of its own length."""
    if "shift" not in given:
        return {}
    ends = np.cumsum([row[4] for row in made.method.swaps])
    found = []
    for x, row, end in zip(queries, made.method.swaps, ends):
        drawn = mixes(given, slots=x.shape[2] // 4)
        found.append(jax.tree.map(lambda leaf, r=slice(end - row[4], end): leaf[r], drawn))
    return {"mixes": found}


def step_results(given, made, extra, gradient, terms, passes, moved) -> dict:
    method, queue, key = made.method, extra["queue"], losses.unit(passes.key)
    found = {"raw/encoder_k/0": passes.key, "labels": np.zeros(len(key), np.int64)}
    instance, mix, calls = [], 0, len(passes.clean)
    for i, vectors in enumerate(passes.clean):
        found[f"raw/encoder_q/{i}"] = vectors
        instance.append(method.logits(losses.unit(vectors), key, queue))
        found[f"logits/{i}"] = instance[-1]
    found |= {"logits": instance[0], "logits_m": instance[-1]}
    loss, weights = losses.FORMS[method.form], []
    for row, mixed in zip(getattr(method, "swaps", ()), passes.mixed):
        pasted, context = method.region_logits(mixed, key, queue)
        for r in range(len(pasted)):
            found |= {f"logits_p/{mix}": pasted[r], f"logits_c/{mix}": context[r]}
            found |= {f"loss_p/{mix}": loss(pasted[r]), f"loss_c/{mix}": loss(context[r])}
            found[f"raw/encoder_q/{calls}p"] = mixed.pasted[r]
            found[f"raw/encoder_q/{calls}c"] = mixed.context[r]
            weights.append(row[5])
            mix, calls = mix + 1, calls + 1
    found["loss"] = terms["total"]
    if passes.mixed:
        found |= {"loss_ins": terms["instance"], "loss_reg": terms["region"]}
        found |= {"weights_ins": [row[5] for row in method.swaps], "weights_reg": weights}
    else:
        each = [loss(logits) for logits in instance]
        found |= {"loss_ins": each[0], "loss_reg": sum(each[1:])}
    ring = given.case.state_dict().get("queue_label")  # in/queue_label is the ring afterwards
    if ring is not None:
        found["target_mask"] = given["label"][:, None] == ring[None]
    found |= queue_results(moved, ring, extra["pointer"], given.get("label"))
    found |= tell_encoders(moved, None, made.family)
    for name, value in named(gradient, None, "encoder_q.", made.family).items():
        found[f"train/grad_norm/{name}"] = np.linalg.norm(value)
    return found


@dataclasses.dataclass(frozen=True)
class SGD:
    """The object ``sgd``."""

    lr: float
    momentum: float
    weight_decay: float
    nesterov: bool

    def build(self, labels):
        fields = {k: v for k, v in dataclasses.asdict(self).items() if k != "lr"}
        return make_optimizer(lambda step: self.lr, labels, **fields)


def train_kind(
    given,
    *,
    variant: Literal["skeletonclr", "skelemixclr"],
    encoder: Encoder,
    feature_dim: int,
    queue_size: int,
    momentum: float,
    temperature: float,
    mlp: bool,
    loss: Literal["ce", "dcl"],
    sgd: SGD,
    repeat: None = None,
    swap_params: None = None,
    swap_mode: None = None,
    spatial_mode: None = None,
):
    assert mlp
    found, steps = {}, sorted(role for role in given if role.startswith("im_q/"))
    with jax.enable_x64(True):
        of_step = [
            {role.rpartition("/")[0]: given[role] for role in given if role.endswith(f"/{s}")}
            for s in (role.rpartition("/")[2] for role in steps)
        ]
        first = nmtvc(of_step[0]["im_q"])
        made = Contrast.make(
            first, variant, encoder, repeat, swap_params, dim=feature_dim, queue=queue_size,
            momentum=momentum, temperature=temperature, form=loss,
        )  # fmt: skip
        params, extra = made.start(given, first)
        labels = given.case.state_dict().get("queue_label")
        optimizer = sgd.build(made.method.groups(params))
        opt = optimizer.init(params)
        for i, one in enumerate(of_step):
            batch = {"query": nmtvc(one["im_q"]), "key": nmtvc(one["im_k"])}
            drawn = mixes_of_crops(one, made, [batch["query"]])
            before = extra
            gradient, terms, passes, extra = made.results(params, extra, wide(batch), drawn)
            moves, opt = optimizer.update(gradient, opt, params)
            params = jax.device_get(optax.apply_updates(params, moves))
            key = losses.unit(passes.key)
            found[f"loss/{i}"] = terms["total"]
            query = losses.unit(passes.clean[0])
            found[f"logits/{i}"] = made.method.logits(query, key, before["queue"])
            rings = queue_results(extra, labels, before["pointer"], one.get("label"))
            labels = rings.get("queue_label")
            found[f"queue_ptr/{i}"] = rings["queue_ptr"]
        return found | rings | tell_encoders(extra, params, made.family)


KINDS = {
    "method/skelemixclr_step": step_kind,
    "method/skelemixclr_train": train_kind,
}
