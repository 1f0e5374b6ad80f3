"""The contrastive family: losses, mixing, kNN, rates, and whole steps of its methods."""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from parity.shapes import classic
from skeljax import metrics
from skeljax.data import skelemix
from skeljax.interop.pytorch import load_state_dict, state_dict
from skeljax.losses import contrastive as losses
from skeljax.methods import METHODS, Facts, crosclr
from skeljax.methods.skeletonclr import enqueue
from skeljax.models import BACKBONES
from skeljax.optim import learning_rate, make_optimizer

NTU = "ntu25"


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


# ------------------------------------------------------------------------------- steps of a method


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


# -------------------------------------------------------------------------------------- downstream


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
    swaps = tuple(map(tuple, pretrained.swap_params))
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
    "loss/multi_nce": of_loss(losses.multi_nce),
    "loss/dcl": of_loss(losses.decoupled),
    "metric/knn": knn,
    "schedule/lr": lr,
    "mix/skelemix": skelemix_kind,
    "method/skelemixclr_step": step_kind,
    "method/skelemixclr_train": train_kind,
    "method/crosclr_step": crosclr_kind,
    "method/load_encoder": load_encoder,
    "method/downstream_step": downstream,
}
