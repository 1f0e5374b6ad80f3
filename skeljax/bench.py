"""How fast a config trains here: `skeljax bench --config FILE.py`, before hours are spent on it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import flags

from skeljax.errors import run_cli
from skeljax.main import parse

_STEPS = flags.DEFINE_integer("steps", 20, "steps to time", lower_bound=1)
_OUT = flags.DEFINE_string("out", None, "also write the numbers to this JSON file")


def main(argv: list[str]) -> None:
    config, options = parse(argv), flags.FLAGS
    from skeljax.sharding import make_mesh, set_up

    set_up(options.compile_cache, options.cpu_devices)
    row = measure(config, make_mesh(options.devices), _STEPS.value)
    for name, value in row.items():
        print(f"{name:<22}{value:,.4g}" if isinstance(value, float) else f"{name:<22}{value}")
    if _OUT.value:
        from skeljax import files, rundir

        row |= {
            "command": rundir.command(),
            "versions": rundir.versions(),
            "git": rundir.git_state(),
        }
        files.write_json(_OUT.value, row)


class Program(NamedTuple):
    """The trainer's own step, ready to be compiled: ``chunk(*arguments)`` takes one step."""

    job: Any
    chunk: Callable
    arguments: tuple  # state, data, key, order (1, N), start, count
    per_epoch: int


def program(config, mesh) -> Program:
    """What `train` would run."""
    import numpy as np

    from skeljax.data.recipes import device_data
    from skeljax.job import build, load_stores, training_facts
    from skeljax.optim import learning_rate
    from skeljax.sharding import replicate, replicated
    from skeljax.train import (
        check_numbers,
        clip_order,
        make_chunk,
        make_init,
        make_key,
        optimizer_for,
    )

    check_numbers(config, mesh)
    stores = load_stores(config)
    order = clip_order(config, stores.train, 0)
    job = build(config, training_facts(config, stores.train, len(order)))
    data = device_data(stores.train, *job.train_recipes, sharding=replicated(mesh))
    rate = learning_rate(
        config.optim.base_lr, batch=config.train.batch, base_batch=0, epochs=1, steps_per_epoch=1
    )
    optimizer = optimizer_for(config, job, rate, data)
    key = make_key(config.seed, mesh)
    state = make_init(job, optimizer, mesh)(data, key)
    given = replicate((order[:1], np.int32(0), np.int32(1)), mesh)
    chunk = make_chunk(job, optimizer, rate, mesh)
    return Program(job, chunk, (state, data, key, *given), len(order))


def measure(config, mesh, steps: int) -> dict:
    """Times of a training step and of its input alone, in milliseconds; minima over repetitions.

    The step is the trainer's own program; the input is the same recipe compiled by itself.
    """
    import jax
    import numpy as np

    from skeljax import rundir
    from skeljax.train import make_batch

    job, chunk, (state, *given), per_epoch = program(config, mesh)
    data, key, order, *_ = given
    batch = config.train.batch
    tick = time.perf_counter()
    compiled = chunk.lower(state, *given).compile()
    compile_s = time.perf_counter() - tick
    views = jax.jit(lambda data, index, key: make_batch(job, data, index, key))
    jax.block_until_ready(views(data, order[0], key))
    step_times, input_times = [], []
    for _ in range(steps):  # interleaved, so that a noisy machine hits both
        tick = time.perf_counter()
        state, _ = jax.block_until_ready(compiled(state, *given))
        step_times.append(time.perf_counter() - tick)
        tick = time.perf_counter()
        jax.block_until_ready(views(data, order[0], key))
        input_times.append(time.perf_counter() - tick)
    step, fed = min(step_times), min(input_times)
    memory = mesh.devices.flat[0].memory_stats() or {}
    peak = memory.get(
        "peak_bytes_in_use", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    cost = compiled.cost_analysis() or {}
    return {
        "config": f"{config.method.name} {config.model.name} {config.data.dataset}",
        "hardware": rundir.hardware(mesh),
        "batch": batch,
        "compile_s": compile_s,
        "step_ms": 1e3 * step,
        "step_ms_median": 1e3 * float(np.median(step_times)),
        "ms_per_clip": 1e3 * step / batch,
        "clips_per_s": batch / step,
        "input_ms": 1e3 * fed,
        "input_share": fed / step,
        "gflop_per_step": float(cost.get("flops", 0.0)) / 1e9,
        "peak_memory_gb": peak / 2**30,
        "hours_to_finish": step * per_epoch * config.train.epochs / 3600,
    }


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
