"""How a benchmark's numbers are kept: beside the command, machine and versions they come from."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import sys

from skeljax import files, rundir, sharding


def write(path, results: dict, *packages: str, **facts) -> None:
    """Writes {command, tunables, facts..., hardware, load, versions, git, results} as JSON.

    Tunables are those of glibc, such as the huge pages of launch/cpu.sh.

    Args:
      packages: whose versions matter besides those that every run records.
      facts: what else is the same for all results, as batch=16.
    """
    about = {
        "command": " ".join(["python", *sys.argv]),
        "tunables": os.environ.get("GLIBC_TUNABLES", ""),
        **facts,
        "hardware": rundir.hardware(sharding.make_mesh("")),
        "load": round(os.getloadavg()[0], 1),
        "versions": rundir.versions()
        | {name: importlib.metadata.version(name) for name in packages},
        "git": rundir.git_state(),
        "results": results,
    }
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, about)
