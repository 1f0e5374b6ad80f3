"""Devices: which ones a run uses and how arrays lie on them."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pathlib
import sys
import traceback

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from skeljax.errors import ConfigError, SkeljaxError


def set_up(cache: str | None = None, cpu_devices: int = 0) -> None:
    """Compile cache, compiler and emulated devices; before the first use of a device.

    Args:
      cache: folder of compiled programs, ``none`` for none; by default what JAX was told, or
        ``~/.cache/skeljax/compiled``.
      cpu_devices: so many devices of the CPU, 0 = as JAX has it.
    """
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax tells every step; errors reach us
    if _only_cpu():
        _keep_loops()
    if cpu_devices:
        jax.config.update("jax_num_cpu_devices", cpu_devices)
        if cpu_devices > 1:
            _one_program_at_a_time()
    if cache != "none":
        default = jax.config.jax_compilation_cache_dir or "~/.cache/skeljax/compiled"
        folder = pathlib.Path(cache or default).expanduser()
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def _only_cpu() -> bool:
    """Whether JAX was told to use the CPU, or finds nothing else installed."""
    told = jax.config.jax_platforms
    if told:
        return told == "cpu"
    return not any(importlib.util.find_spec(name) for name in ("jax_plugins", "libtpu"))


def _keep_loops():
    """Lets LLVM unroll whole loops of up to 8 steps only.

    Those over 25 joints are as fast as loops (over 20, 3 % slower), and a training step compiles in
    two thirds of the time. LLVM takes it for all programs of a process, so there must be none for
    an accelerator.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:  # the user's own stand
        keep = "--xla_backend_extra_options=-unroll-full-max-count=8"
        os.environ["XLA_FLAGS"] = f"{flags} {keep}".strip()


def start_distributed() -> None:
    """Joins the other hosts of a launch, if there are any.

    Reads JAX_COORDINATOR_ADDRESS with JAX_NUM_PROCESSES and JAX_PROCESS_ID where a launcher sets
    them; else lets JAX detect the cluster (Slurm, TPU pod, Open MPI).
    """
    number, process = os.environ.get("JAX_NUM_PROCESSES"), os.environ.get("JAX_PROCESS_ID")
    _one_program_at_a_time()
    try:
        jax.distributed.initialize(
            num_processes=int(number) if number else None,
            process_id=int(process) if process else None,
        )
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            "cannot join the other processes of this launch",
            found=str(error).splitlines()[0],
            do="set JAX_COORDINATOR_ADDRESS=HOST:PORT, JAX_NUM_PROCESSES and JAX_PROCESS_ID, "
            "or leave --distributed out for one process",
        ) from None


@contextlib.contextmanager
def end_alone():
    """Of several processes, one that fails tells why and ends at once.

    At its exit JAX would wait for the others, which wait for this one in a collective.
    """
    try:
        yield
    except Exception as error:
        if jax.process_count() == 1:
            raise
        known = isinstance(error, SkeljaxError)
        sys.stdout.flush()
        print(f"error: {error}" if known else traceback.format_exc(), file=sys.stderr, flush=True)
        os._exit(2 if known else 1)


def _one_program_at_a_time():
    """On CPU, collectives of two programs in flight on few cores can wait for each other."""
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def make_mesh(devices: str = "") -> Mesh:
    """A one-axis mesh ``("data",)`` over all devices, or a part of them.

    Args:
      devices: empty = all; a number = the first so many; a list ``0,2`` = those, by position.

    Raises:
      ConfigError: no such device, or of several processes one is left without.
    """
    have = jax.devices()
    try:
        if "," in devices:
            places = [int(i) for i in devices.split(",") if i]
            if min(places) < 0 or len(set(places)) < len(places):
                raise IndexError
            chosen = [have[i] for i in places]
        else:
            count = int(devices) if devices else len(have)
            if not 0 < count <= len(have):
                raise IndexError
            chosen = have[:count]
    except (ValueError, IndexError):
        raise ConfigError(
            "no such devices",
            where="--devices",
            found=devices,
            expected=f"a number up to {len(have)} or a list like 0,1",
            do=None if have[0].platform != "cpu" else "on CPU, --cpu_devices N makes N devices",
        ) from None
    without = {d.process_index for d in have} - {d.process_index for d in chosen}
    if without:  # it would wait for the others for ever
        raise ConfigError(
            "every process of the launch needs one of the devices",
            where="--devices",
            found=f"{devices}, none of process {', '.join(map(str, sorted(without)))}",
            do="leave --devices out, list devices of every process, or launch fewer processes",
        )
    return Mesh(np.asarray(chosen), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, P())


def split(mesh: Mesh) -> NamedSharding:
    """The first axis cut over the devices."""
    return NamedSharding(mesh, P("data"))


def replicate(tree, mesh: Mesh):
    """Host arrays (equal on every process) onto all devices."""
    sharding = replicated(mesh)

    def put(x):
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    return jax.tree.map(put, tree)


def is_main() -> bool:
    """Whether this process writes the logs."""
    return jax.process_index() == 0
