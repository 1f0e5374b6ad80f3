"""One device, two devices and two processes compute the same.

One device is compared with two on a small ST-GCN: CTR-GCN starts its graph norms at 1e-6 beside a
residual of exact zeros, where a ReLU turns on and off by the last bit of a sum, and training makes
that bit grow past 1e-5. Batch statistics of a part of the batch, or other draws, would differ by
far more.
"""

import dataclasses
import os
import re
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import runs
import tiny
from skeljax import presets, sharding, train
from skeljax.errors import ConfigError
from skeljax.methods.skeletonclr import enqueue

RATE = 3e-4
# Batch norm over the vectors of a mixed region, 8 of them here, makes float32's rounding grow to
# 2e-5 in ten steps; in double precision the two agree as all others do.
DOUBLE = {"skelemixclr"}


def in_double(build):
    """`job.build` with backbone, parameters and state in float64."""

    def wide(leaf):
        return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    def built(*args):
        job = build(*args)

        class Double(type(job.method)):
            def init(self, rng, batch):
                return jax.tree.map(wide, super().init(rng, batch))

            def loss_fn(self, params, extra, batch, rng, step):
                return super().loss_fn(params, extra, jax.tree.map(wide, batch), rng, step)

        told = {field.name: getattr(job.method, field.name)
                for field in dataclasses.fields(job.method) if field.init}  # fmt: skip
        method = Double(**told | {"net": job.method.net.clone(dtype=jnp.float64)})
        return dataclasses.replace(job, method=method)

    return built


@pytest.mark.parametrize("method", tiny.methods())
def test_two_devices_equal_one(method, tmp_path, monkeypatch):
    if method in DOUBLE:
        monkeypatch.setattr(train, "build", in_double(train.build))
    data = tiny.dataset(tmp_path / "data")
    for devices in ("1", "2"):
        untested = {"train__validate_every": 0, "train__test_last": False}
        config = tiny.config(data, method, optim__base_lr=RATE, **untested)
        tiny.small(config)
        with jax.enable_x64(method in DOUBLE):
            runs.run(config, tmp_path / devices, devices)
    one, two = (runs.variables(tmp_path / devices) for devices in ("1", "2"))
    assert runs.largest_difference(one, two) < 1e-5
    at_start = [runs.rows(tmp_path / d)[0]["train/loss"] for d in ("1", "2")]
    assert at_start[0] == pytest.approx(at_start[1], rel=1e-5)


class Ring:
    """A queue and no network: its keys are the means of the clips."""

    views = ("query",)

    def init(self, rng, batch):
        return {"w": jnp.ones(())}, {"queue": jnp.zeros((16, 3)), "pointer": jnp.int32(8)}

    def loss_fn(self, params, extra, batch, rng, step):
        keys = batch["query"].mean((1, 2, 3))
        queue, pointer = enqueue(extra["queue"], extra["pointer"], keys)
        return params["w"] * keys.sum(), ({"queue": queue, "pointer": pointer}, {})

    def groups(self, params):
        return {"w": "main"}


def test_the_queue_is_the_same_on_both_devices():
    """After a step whose batch is split over them: all keys, in the order of the batch."""
    config, store, mesh = tiny.config("unused"), tiny.store(8), sharding.make_mesh("2")
    presets.use_recipe(config, "contrastive", frames=4, amplitude=0.0, ratio=0)
    job = train.build(config, train.training_facts(config, store, 1))
    job = dataclasses.replace(job, method=Ring())
    data = train.device_data(store, *job.train_recipes, sharding=sharding.replicated(mesh))
    rate = train.learning_rate(0.1, batch=8, base_batch=0, epochs=1, steps_per_epoch=1)
    optimizer, key = train.optimizer_for(config, job, rate, data), train.make_key(0, mesh)
    state = train.make_init(job, optimizer, mesh)(data, key)
    order = np.array([[3, 1, 7, 5, 0, 2, 6, 4]], np.int32)
    given = sharding.replicate((order, np.int32(0), np.int32(1)), mesh)
    state, _ = train.make_chunk(job, optimizer, rate, mesh)(state, data, key, *given)
    one, two = (np.asarray(shard.data) for shard in state.extra["queue"].addressable_shards)
    np.testing.assert_array_equal(one, two)
    clips = train.make_batch(job, data, order[0], key)["query"].mean((1, 2, 3))
    np.testing.assert_allclose(one[8:], clips, rtol=1e-5, atol=1e-6)
    assert (one[:8] == 0).all() and state.extra["pointer"] == 0


@pytest.mark.parametrize("method", tiny.methods(quick={"supervised"}))
def test_two_processes_equal_two_devices(method, tmp_path):
    data = tiny.dataset(tmp_path / "data")
    options = ("--config.train.epochs=2", f"--config.optim.base_lr={RATE}")
    script = ["bash", "launch/local_pair.sh"]
    pair = runs.command(method, data, tmp_path / "pair", *options, script=())[1:]
    together = runs.start(script + pair)
    out = runs.finish(together)
    assert "2 x cpu" in out
    two = runs.command(method, data, tmp_path / "two", *options, "--cpu_devices", "2")
    runs.finish(runs.start(two))
    pair, two = (runs.variables(tmp_path / name) for name in ("pair", "two"))
    assert runs.largest_difference(pair, two) < 1e-5


def fake_python(folder, line: str) -> str:
    """A PATH on which `python` is a script of one line."""
    folder.mkdir()
    (folder / "python").write_text(f"#!/bin/sh\n{line}\n")
    (folder / "python").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    "script, given, want",
    [
        ("gpu.sh", "any.py 4 --workdir x", "--config any.py --devices 4 --workdir x"),
        ("tpu_pod.sh", "any.py --workdir x", "--distributed --config any.py --workdir x"),
        ("slurm.sh", "any.py --workdir x", "--distributed --config any.py --workdir x"),
        ("cpu.sh", "any.py --workdir x", "--config any.py --workdir x"),
    ],
)
def test_what_a_launcher_starts(script, given, want, tmp_path):
    path = fake_python(tmp_path / "bin", 'echo "python $@"')
    srun = tmp_path / "bin" / "srun"
    srun.write_text('#!/bin/sh\necho srun "$1"; shift; exec "$@"\n')
    srun.chmod(0o755)
    out = runs.finish(runs.start(["bash", f"launch/{script}", *given.split()], PATH=path))
    srun = "srun --kill-on-bad-exit=1\n" if script == "slurm.sh" else ""
    assert out == f"{srun}python -m skeljax.main {want}\n"
    alone = runs.start(["bash", f"launch/{script}"], PATH=path)
    assert "usage:" in alone.communicate(timeout=30)[0] and alone.returncode == 2


@pytest.mark.parametrize(
    "platforms, installed, flags, want",
    [
        ("cpu", True, "", "-unroll"),
        (None, False, "--xla_dump_to=x", "--xla_dump_to=x .*-unroll"),
        (None, False, "--xla_backend_extra_options=-a=1", "--xla_backend_extra_options=-a=1$"),
        (None, True, "", "$"),
        ("cuda,cpu", False, "", "$"),
    ],
)
def test_compiler_options_of_a_cpu_are_for_nothing_else(
    platforms, installed, flags, want, monkeypatch
):
    """LLVM's reach the whole process: no accelerator's program may see them, a user's own stay."""
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setattr(sharding.importlib.util, "find_spec", lambda name: installed or None)
    monkeypatch.setattr(sharding.jax, "config", types.SimpleNamespace(jax_platforms=platforms))
    sharding.set_up("none")
    assert re.match(want if want == "$" else f".*{want}", os.environ["XLA_FLAGS"])


def test_devices_that_leave_a_process_out(monkeypatch):
    """Of two hosts with two devices each, one waited for the other for ever."""
    have = [types.SimpleNamespace(platform="gpu", process_index=i // 2) for i in range(4)]
    monkeypatch.setattr(sharding.jax, "devices", lambda: have)
    monkeypatch.setattr(sharding, "Mesh", lambda devices, *_, **__: list(devices))
    for devices in ("1", "2", "2,3"):
        with pytest.raises(ConfigError, match=rf"--devices[^$]*{devices}, none of process [01]"):
            sharding.make_mesh(devices)
    assert sharding.make_mesh("0,2") == [have[0], have[2]]
    assert sharding.make_mesh("3") == have[:3] and sharding.make_mesh() == have


@pytest.mark.parametrize("bad", [0, 1])
def test_a_process_that_dies_ends_the_other(bad, tmp_path):
    line = f"[ $JAX_PROCESS_ID = {bad} ] && exit 3; exec sleep 600"
    path = fake_python(tmp_path / "bin", line)
    pair = runs.start(["bash", "launch/local_pair.sh", "any.py"], PATH=path, PORT="1")
    pair.communicate(timeout=30)
    assert pair.returncode == 3


def test_a_process_with_a_fault_does_not_wait_for_the_other(tmp_path):
    data = tiny.dataset(tmp_path / "data")
    fault = "[ $JAX_PROCESS_ID = 1 ] && set -- $@ --config.train.batch=7"
    line = f'{fault}; exec {sys.executable} "$@"'
    path = fake_python(tmp_path / "bin", line)
    command = runs.command("supervised", data, tmp_path / "run", script=())[1:]
    pair = runs.start(
        ["bash", "launch/local_pair.sh", *command], PATH=path, PORT=str(runs.free_port())
    )
    out, _ = pair.communicate(timeout=200)
    assert pair.returncode == 2
    assert "7 clips over 2 devices" in out
    assert "Traceback" not in out, "the other waited until its collective gave up"


def test_two_folders_save_the_same_step_in_two_processes(tmp_path):
    port = runs.free_port()
    pair = [
        runs.start(
            [sys.executable, "tests/save_twice.py", str(tmp_path)],
            JAX_CPU_COLLECTIVES_IMPLEMENTATION="gloo",
            JAX_COORDINATOR_ADDRESS=f"localhost:{port}",
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(process),
        )
        for process in (0, 1)
    ]
    try:
        for out in [runs.finish(process, timeout=240) for process in pair]:
            assert "checkpoints 30\nbest 30\n" in out
    finally:
        for process in pair:
            process.kill()


def test_a_batch_that_does_not_split_is_refused(tmp_path):
    data = tiny.dataset(tmp_path / "data")
    with pytest.raises(ConfigError, match="split evenly over the devices"):
        runs.run(tiny.config(data, train__batch=7), tmp_path / "run", "2")
