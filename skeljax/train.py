"""One training run, read top to bottom: State, the jitted steps, the loop."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from skeljax import evaluate, files, rundir
from skeljax.checkpoint import Checkpoints
from skeljax.data.feeder import epoch_order
from skeljax.data.recipes import device_data, num_clips, render
from skeljax.errors import ConfigError, DataError, SkeljaxError
from skeljax.job import Job, build, load_stores, training_facts
from skeljax.logbook import Logbook, Progress, clock
from skeljax.optim import learning_rate, make_optimizer
from skeljax.sharding import is_main, replicate, replicated, split
from skeljax.stop import Stop

MAX_CHUNK = 128  # steps a dispatch at most
_LEAST = {
    "seed": 0, "train.epochs": 0, "train.batch": 1, "train.validate_every": 0,
    "train.save_every": 1, "train.keep_every": 0, "test.batch": 1, "data.repeat": 1,
    "data.bodies": 0,
}  # fmt: skip


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["step", "params", "extra", "opt"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class State:
    """All that a step changes. The random key is not in it: it follows from the step."""

    step: jax.Array
    params: Any
    extra: Any
    opt: Any


# ------------------------------------------------------------------------------ the jitted steps


def make_batch(job: Job, data, index, key):
    """The views of the clips `index` (N,), as the method wants them."""
    batch = {"label": data["label"][index], "index": index}
    for number, view in enumerate(job.method.views):
        view_key = jax.random.fold_in(key, number)
        batch[view] = render(job.recipe_of(view), data, index, view_key, job.stream)
    return batch | {name: rows[index] for name, rows in data.get("known", {}).items()}


def make_key(seed: int, mesh):
    """The key of a run, on all devices of all processes (device_put reaches those of one)."""
    return jax.jit(lambda: jax.random.key(seed), out_shardings=replicated(mesh))()


def make_init(job: Job, optimizer, mesh):
    """(data, key) -> State, the same for every number of devices."""

    def init(data, key):
        index = jnp.zeros(job.facts.batch, jnp.int32)
        batch = make_batch(job, data, index, key)
        params, extra = job.method.init(key, batch)
        return State(jnp.int32(0), params, extra, optimizer.init(params))

    # hundreds of small draws that run once: half the compilation of a cold start on CPU
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    options = {"xla_backend_optimization_level": 0} if on_cpu else None
    return jax.jit(init, out_shardings=replicated(mesh), compiler_options=options)


def make_chunk(job: Job, optimizer, rate, mesh):
    """(state, data, key, order (steps, N), start, count) -> (state, metrics, each (MAX_CHUNK,)).

    Takes `count` steps of an epoch from `start`. These and the key are arrays, so that one program
    serves chunks of every length and runs of every seed; the clips lie on the device and only
    their order comes in.
    """
    over_devices = split(mesh)

    @jax.jit  # the trace for the shapes of its metrics serves the loop too
    def step(state, data, key, index):
        view_key, loss_key = jax.random.split(jax.random.fold_in(key, state.step))
        index = jax.lax.with_sharding_constraint(index, over_devices)
        batch = make_batch(job, data, index, view_key)
        loss_fn = jax.value_and_grad(job.method.loss_fn, has_aux=True)
        (loss, (extra, metrics)), grads = loss_fn(
            state.params, state.extra, batch, loss_key, state.step
        )
        moves, opt = optimizer.update(grads, state.opt, state.params)
        metrics = {
            "loss": loss,
            **metrics,
            "grad_norm": optax.tree.norm(grads),
            "lr": rate(state.step),
        }
        params = optax.apply_updates(state.params, moves)
        return State(state.step + 1, params, extra, opt), metrics

    def chunk(state, data, key, order, start, count):
        shapes = jax.eval_shape(step, state, data, key, order[0])[1]
        log = jax.tree.map(lambda m: jnp.zeros((MAX_CHUNK, *m.shape), m.dtype), shapes)

        def body(i, carry):
            state, log = carry
            state, metrics = step(state, data, key, order[start + i])
            return state, jax.tree.map(lambda rows, m: rows.at[i].set(m), log, metrics)

        return jax.lax.fori_loop(0, count, body, (state, log))

    return jax.jit(chunk, donate_argnums=0, out_shardings=replicated(mesh))


# ------------------------------------------------------------------------------------- the loop


def train(config: ConfigDict, workdir: str | pathlib.Path, mesh, stop: Stop) -> dict | None:
    """Trains what a config says, or goes on with what `workdir` holds; tests and reports.

    Args:
      config: see docs/config.md.
      workdir: the run folder. A run of the same config there is resumed at its last checkpoint.
      mesh: devices; they split the batch and change nothing else.
      stop: says when to save and leave.

    Returns:
      The result of the last epoch, as in result.json ({} if no epoch is tested); None if it was
      asked to stop.

    Raises:
      SkeljaxError: data, config, checkpoint or folder are not as they should be; NonFinite when
        the loss is no longer a number.
    """
    check_numbers(config, mesh)
    workdir = pathlib.Path(workdir)
    # 1. data, model, optimizer
    stores = load_stores(config)
    order_of = functools.partial(clip_order, config, stores.train)
    per_epoch = len(order_of(0))
    facts = training_facts(config, stores.train, per_epoch)
    job = build(config, facts)
    total = per_epoch * config.train.epochs
    rate = learning_rate(
        config.optim.base_lr,
        batch=config.train.batch,
        base_batch=config.optim.base_batch,
        epochs=config.train.epochs,
        steps_per_epoch=per_epoch,
        **config.optim.schedule.to_dict(),
    )
    data = device_data(stores.train, *job.train_recipes, sharding=replicated(mesh))
    optimizer = optimizer_for(config, job, rate, data)
    # 2. the folder and the state: resumed, or fresh (and loaded from another run)
    with rundir.guarded(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        about = rundir.start(workdir, config, facts, stores)
    every = config.train.keep_every * per_epoch
    checkpoints = Checkpoints(workdir / "checkpoints", keep_every=every)
    best = Best(workdir / "best") if config.train.validate_every else None
    key = make_key(config.seed, mesh)
    state = make_init(job, optimizer, mesh)(data, key)
    resumed = checkpoints.latest
    if resumed is not None:
        state = checkpoints.restore(state, resumed)
    elif config.init_from:
        state = dataclasses.replace(state, **rundir.warm_start(about, state, mesh))
    with rundir.guarded(workdir):
        if is_main() and not (workdir / "run.json").exists():  # a refused start leaves none
            rundir.write(workdir, about, mesh)
    data |= known_features(config, job, stores.train, state, mesh)
    log = Logbook(workdir if is_main() else None, resumed_step=resumed or 0)
    log.say(_headline(config, job, state, stores, rate, mesh))
    if resumed is not None:
        log.say(f"resumed at step {resumed} of {total}")
    # 3. epochs
    take = make_chunk(job, optimizer, rate, mesh)
    judge_of = functools.partial(
        evaluate.make_evaluator, job, bank=stores.train, batch=config.test.batch, mesh=mesh
    )
    # between epochs one clip of each recording tells enough; the test averages all
    judge = judge_of(stores.val or stores.test, clips=1)
    judged = "val" if stores.val else "test"
    progress = Progress(total, config.train.batch)
    # a run that stopped at the end of an epoch begins with that epoch's validation
    for epoch in range(max(int(state.step) - 1, 0) // per_epoch, config.train.epochs):
        order = order_of(epoch)
        order_on_device = replicate(order, mesh)
        step, count = int(state.step), 1
        done = step - epoch * per_epoch
        while done < per_epoch:
            count = min(count, per_epoch - done, MAX_CHUNK)
            start, number = replicate((np.int32(done), np.int32(count)), mesh)
            tick = time.monotonic()
            state, rows = take(state, data, key, order_on_device, start, number)
            rows = {k: np.asarray(v)[:count] for k, v in jax.device_get(rows).items()}
            took = time.monotonic() - tick
            check_finite(rows, order[done:], step, stores.train, workdir)
            done, step = done + count, step + count
            means = {f"train/{k}": float(v.mean()) for k, v in rows.items()}
            log.write(step, {"epoch": step / per_epoch, **means})
            if stop.working:  # the first chunk holds the compilation
                progress.add(count, took)
            stop.working = True
            if done == per_epoch or log.due(config.train.log_every):
                log.say(_line(epoch, config.train.epochs, step, total, means, progress))
            count, stopping = _agree(_next_count(count, took, config.train.log_every), stop)
            if stopping:
                return _leave(state, checkpoints, best, about, log)
        last = epoch + 1 == config.train.epochs
        if best and (last or (epoch + 1) % config.train.validate_every == 0):
            # several processes would have to agree at every batch: there the test is finished
            metrics = judge(state, stop if jax.process_count() == 1 else None)
            if metrics is None:
                return _leave(state, checkpoints, best, about, log)
            log.write(step, {"epoch": epoch + 1} | {f"{judged}/{k}": v for k, v in metrics.items()})
            log.say(f"epoch {epoch + 1:>3} {judged} top-1 {100 * metrics['top1']:.2f} %")
            best.offer(state, metrics["top1"], about)
        if last or (epoch + 1) % config.train.save_every == 0:
            checkpoints.save(state, about)
    # 4. results
    if not config.train.epochs:
        checkpoints.save(state, about)  # what it was given, so that the folder can be tested
    checkpoints.close()
    if best:
        best.close()
    stop.working = False  # all is saved
    log.say(f"trained in {clock(log.seconds)}")
    log.close()
    tester = judge
    if stores.val or num_clips(job.test_recipe) > 1:
        tester = judge_of(stores.test)
    return evaluate.finish(workdir, config, tester, state, judged, log.seconds)


class Best:
    """The checkpoint with the highest score so far; the earlier one where two are equal."""

    def __init__(self, folder):
        self._checkpoints = Checkpoints(folder)
        step = self._checkpoints.latest
        self.score = -1.0 if step is None else self._checkpoints.about(step)["score"]

    def offer(self, state, score: float, about: dict) -> None:
        if score > self.score:
            self.score = score
            self._checkpoints.save(state, {**about, "score": score})

    def close(self):
        self._checkpoints.close()


class NonFinite(SkeljaxError):
    """The loss is no longer a number."""


def check_finite(rows, order, first_step, train, workdir) -> None:
    """Stops at the first step whose loss is not finite, and names its clips."""
    bad = np.flatnonzero(~np.isfinite(rows["loss"]))
    if not bad.size:
        return
    step = first_step + int(bad[0])
    names = [str(name) for name in train.name[order[bad[0]]]]
    where = "all are in nonfinite.json"
    if is_main():
        path = pathlib.Path(workdir) / "nonfinite.json"
        try:
            files.write_json(path, {"step": step, "clips": names})
        except DataError as error:
            where = f"{path.name} could not be written ({error.found})"
    raise NonFinite(
        f"the loss is {rows['loss'][bad[0]]} at step {step}",
        where=workdir,
        found="the clips " + ", ".join(names[:4]) + (" ..." if len(names) > 4 else ""),
        do="lower optim.base_lr, set optim.clip_norm, or look at these clips with skeljax draw; "
        f"{where}, and the last checkpoint is from before",
    )


def check_numbers(config, mesh) -> None:
    """Whether the numbers of a config are possible, and its batch can be split over the devices."""
    for field, least in _LEAST.items():
        part, _, name = field.rpartition(".")
        value = (config[part] if part else config)[name]
        if value < least:
            raise ConfigError("the number is too small", where=field, found=value, expected=least)
    if config.train.batch % mesh.size:
        raise ConfigError(
            "the batch does not split evenly over the devices",
            where="train.batch",
            found=f"{config.train.batch} clips over {mesh.size} devices",
            do="change train.batch, or take fewer devices with --devices",
        )


def clip_order(config, store, epoch: int) -> np.ndarray:
    """(steps, N) clips of an epoch."""
    return epoch_order(
        config.seed,
        epoch,
        len(store),
        config.train.batch,
        repeat=config.data.repeat,
        sampler=config.data.sampler,
        labels=store.label,
        num_classes=len(store.classes),
    )


def known_features(config, job: Job, store, state, mesh) -> dict:
    """{"known": {"feature": (clips, D)}} of a frozen encoder that always sees the same, else {}."""
    if not getattr(job.method, "frozen", False) or job.train_recipe != job.test_recipe:
        return {}
    encoder = evaluate.Evaluator(job, store, config.test.batch, mesh)
    feature = encoder.outputs(state.params, state.extra)["feature"]
    return {"known": {"feature": replicate(feature, mesh)}}


def optimizer_for(config, job: Job, rate, data):
    """The optimizer of a config; the parameter groups are the method's."""
    shapes = jax.eval_shape(
        lambda d: job.method.init(
            jax.random.key(0), make_batch(job, d, jnp.zeros(2, jnp.int32), jax.random.key(0))
        ),
        data,
    )
    options = config.optim.to_dict()
    for key in ("base_lr", "base_batch", "schedule"):
        del options[key]
    return make_optimizer(rate, job.method.groups(shapes[0]), **options)


def _next_count(count: int, took: float, log_every: float) -> int:
    """Steps that fit between two lines; a chunk is never longer, so that signals are answered."""
    return max(1, int(min(log_every, 10.0) * count / max(took, 1e-6)))


def _agree(count: int, stop: Stop) -> tuple[int, bool]:
    """The first process's count and anybody's wish to stop, the same on every process."""
    if jax.process_count() == 1:
        return count, stop.asked
    said = multihost_utils.process_allgather(np.array([count, stop.asked]))
    return int(said[0, 0]), bool(said[:, 1].any())


def _leave(state, checkpoints, best, about, log) -> None:
    checkpoints.save(state, about)
    checkpoints.close()
    if best:
        best.close()
    log.say(f"stopped at step {int(state.step)}, saved; the same command goes on from here")
    log.close()


def _line(epoch, epochs, step, total, means, progress) -> str:
    top1 = f"  top-1 {100 * means['train/top1']:5.1f} %" if "train/top1" in means else ""
    return (
        f"epoch {epoch + 1:>3}/{epochs}  step {step:>6}/{total}  "
        f"loss {means['train/loss']:.4f}{top1}  {progress.line(step)}"
    )


def _headline(config, job, state, stores, rate, mesh) -> str:
    facts, count = job.facts, sum(math.prod(p.shape) for p in jax.tree.leaves(state.params))
    first = config.optim.base_lr
    if config.optim.base_batch:
        first = first * config.train.batch / config.optim.base_batch
    warning = getattr(job.method, "headline", "")
    held = f", {len(stores.val)} held out" if stores.val else ""
    return (
        f"{config.data.dataset}: {len(stores.train)} clips{held}, {len(stores.test)} to test, "
        f"{len(facts.classes)} classes, {facts.layout.name} x {facts.num_bodies} bodies\n"
        f"{config.method.name} {config.model.name} on {config.stream}: {count:,} parameters, "
        f"{mesh.size} x {mesh.devices.flat[0].device_kind}\n"
        f"batch {config.train.batch}, {facts.steps_per_epoch} steps an epoch, "
        f"peak learning rate {first:g}\n"
        + (f"{warning}\n" if warning else "")
        + "compiling, the first line takes a little"
    )
