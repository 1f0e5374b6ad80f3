"""Trains in this process or in one of its own, and reads back what came out."""

import contextlib
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys

import jax
import numpy as np

import conftest
from skeljax.checkpoint import Checkpoints
from skeljax.sharding import make_mesh
from skeljax.stop import Stop
from skeljax.train import train

REPO = pathlib.Path(__file__).resolve().parents[1]


def run(config, workdir, devices: str = "1") -> dict:
    """Trains here."""
    with Stop() as stop:
        return train(config.lock(), workdir, make_mesh(devices), stop)


def command(method, folder, workdir, *options, script=("-m", "skeljax.main", "--config")) -> list:
    """The command that trains `tiny.config(folder, method)` in its own process."""
    config = f"tests/tiny_config.py:{method},{folder}"
    return [sys.executable, *script, config, "--workdir", str(workdir), *options]


def start(arguments, **environment) -> subprocess.Popen:
    """Starts it, with the tests' compile cache; stdout and stderr come together."""
    return subprocess.Popen(
        arguments,
        cwd=REPO,
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(conftest.CACHE)}
        | {"PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def full_disk(free: int = 0):
    """No file can grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("", 0))
        return s.getsockname()[1]


def finish(process, timeout: float = 900) -> str:
    """Its output, when it has ended; the test fails if it has not ended well."""
    out, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, out
    return out


def variables(workdir) -> dict:
    """The last checkpoint's params and extra."""
    saved = Checkpoints(pathlib.Path(workdir) / "checkpoints", read_only=True)
    return saved.variables(saved.latest)


def largest_difference(a, b) -> float:
    """Over all leaves of two trees of the same structure."""
    return max(
        float(np.max(np.abs(np.asarray(x, np.float64) - np.asarray(y, np.float64))))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def board(workdir) -> dict[str, dict[int, float]]:
    """What the run's files for TensorBoard say: {name: {step: value}}."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(pathlib.Path(workdir).glob("events.out.tfevents.*")):
        left = path.read_bytes()
        while left:  # length (8), its sum (4), the event, its sum (4)
            size = int.from_bytes(left[:8], "little")
            event, left = Event.FromString(left[12 : 12 + size]), left[16 + size :]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def rows(workdir) -> list[dict]:
    return [json.loads(line) for line in (pathlib.Path(workdir) / "metrics.jsonl").open()]
