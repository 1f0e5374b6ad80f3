"""The folder of a run: what is written there besides checkpoints and metrics."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys

import jax
import numpy as np
from ml_collections import ConfigDict

from skeljax import __version__, files
from skeljax.checkpoint import Checkpoints
from skeljax.errors import CheckpointError, ConfigError
from skeljax.job import facts_from_json, facts_to_json
from skeljax.sharding import is_main, replicate

# fields that may change between a run and its resumption
_FREE = {"data.dir", "train.log_every", "train.test_last", "train.test_best", "test.batch"}
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets")


def start(workdir: pathlib.Path, config: ConfigDict, facts, stores) -> dict:
    """Checks that the folder is new, or holds a run of this config on this data.

    Returns:
      What every checkpoint carries along: config, facts, fingerprint.

    Raises:
      ConfigError: the folder holds another run.
    """
    about = {
        "config": jsonable(config),
        "facts": facts_to_json(facts),
        "dataset": stores.train.dataset or config.data.dataset,
        "preparation": stores.train.preparation,
        "fingerprint": stores.train.fingerprint,
        "test_fingerprint": stores.test.fingerprint,
    }
    if (workdir / "run.json").exists():
        _check_same(workdir, config, about)
    return about


def write(workdir: pathlib.Path, about: dict, mesh) -> None:
    """Makes the folder and its run.json: `about`, and on what it was made."""
    workdir.mkdir(parents=True, exist_ok=True)
    record = about | {
        "command": command(),
        "skeljax": __version__,
        "git": git_state(),
        "versions": versions(),
        "hardware": hardware(mesh),
    }
    files.write_json(workdir / "run.json", record)


def read(workdir: str | pathlib.Path) -> dict:
    """run.json of a run folder.

    Raises:
      CheckpointError: it is no run folder.
    """
    path = pathlib.Path(workdir) / "run.json"
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(
            "this is no run folder", where=path, found=reason, expected="what skeljax train wrote"
        ) from None


def config_and_facts(about: dict):
    """The (ConfigDict, Facts) that a run.json or a checkpoint carries.

    Its `data.prepare` is what was done to the clips, also by `skeljax pack`.
    """
    config = ConfigDict(_tupled(about["config"]))
    config.data.prepare = about.get("preparation", config.data.prepare)
    return config, facts_from_json(about["facts"])


@contextlib.contextmanager
def guarded(workdir):
    """The file system's complaints about a run folder as one message."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            "cannot write the run folder",
            where=error.filename or workdir,
            found=error.strerror,
            do="free some space, or choose another --workdir",
        ) from error


def warm_start(about: dict, state, mesh) -> dict:
    """{"params", "extra"} of `state` with what fits of the weights of another run, init_from.

    Prints what was loaded, what is re-initialised because it is new or has another shape here, what
    is unused because it is only there, and how its input and its backbone differed.

    Args:
      about: of `start`.

    Raises:
      CheckpointError: nothing fits.
      ConfigError: all of the backbone fits, but it computes something else.
    """
    source = about["config"]["init_from"]
    saved = Checkpoints(pathlib.Path(source) / "checkpoints", read_only=True)
    if saved.latest is None:
        raise CheckpointError("no whole checkpoint to start from", where=saved.folder)
    theirs = _flat(saved.variables(saved.latest))
    ours = {"params": state.params, "extra": state.extra}
    fits = {
        path: theirs[path]
        for path, leaf in _flat(ours).items()
        if path in theirs and theirs[path].shape == leaf.shape
    }
    if not any(path.startswith("params.backbone.") for path in fits):
        raise CheckpointError(
            "nothing of the backbone fits", where=source, do="is it another model or layout?"
        )
    before = saved.about(saved.latest)
    check_streams(before["config"]["method"], about["config"]["method"])
    check_backbone(before, about, _backbone(theirs) == _backbone(_flat(ours)))
    here = _flat(ours)
    other = [
        f"{path} {tuple(leaf.shape)}, there {tuple(theirs[path].shape)}"
        for path, leaf in here.items()
        if path in theirs and path not in fits
    ]
    fresh = [path for path in here if path not in theirs]
    unused = [path for path in theirs if path not in here]
    if is_main():
        print(f"from {source}: loaded {len(fits)} arrays of {len(here)}")
        for title, shown, count in (
            ("re-initialised", other + _folded(fresh, here), len(other) + len(fresh)),
            ("unused", _folded(unused, theirs), len(unused)),
        ):
            print(f"  {title} {count}" + ": " * bool(count) + "; ".join(shown))
        for field, value in _compared(about).items():
            there = _compared(before).get(field, value)
            if there != value:
                print(f"  {field} was {there!r} there, is {value!r} here")

    def pick(path, leaf):
        return replicate(fits[_name(path)], mesh) if _name(path) in fits else leaf

    return jax.tree_util.tree_map_with_path(pick, ours)


def check_streams(old: dict, new: dict) -> None:
    """Whether CrosSCLR's encoders, and its linear evaluation's, are those of the same streams.

    Args:
      old, new: config.method of the run that is started from, and of this one.

    Raises:
      ConfigError: they are not.
    """
    found, wanted = old.get("streams"), new.get("streams")
    if wanted and wanted != found and (found or new["name"] == "crosclr_linear"):
        raise ConfigError(
            "the run has encoders of other streams",
            where="init_from",
            found=", ".join(found or ["a single one"]),
            expected=", ".join(wanted),
            do="after the colon of --config, name crosclr for a run of joint and motion, crosclr3 "
            "for one of bone too; or set method.streams as there",
        )


def check_backbone(before: dict, about: dict, same_arrays: bool) -> None:
    """Refuses a backbone of the same arrays that does something else with them.

    Args:
      before, about: what the run that is started from, and this one, say of themselves.

    Raises:
      ConfigError: names the fields that differ.
    """
    old, new = (_fixed(one["config"]["model"]) for one in (before, about))
    odd = sorted(field for field in old.keys() & new.keys() if old[field] != new[field])
    if same_arrays and odd:
        raise ConfigError(
            "the run has another backbone",
            where="init_from",
            found="; ".join(f"model.{field} {old[field]!r}" for field in odd),
            expected="; ".join(f"{new[field]!r}" for field in odd),
            do="name its pre-training after the colon of --config, or set model as there",
        )


# of a model, what only its training or its precision depends on
_FREE_OF_MODEL = {"name", "dtype", "dropout", "prototype_dropout", "noise_ratio", "initial"}


def _fixed(model: dict) -> dict:
    """The fields of a model that its function depends on; a learned graph is an array."""
    free = _FREE_OF_MODEL | ({"graph"} if model.get("topology") in ("free", "unit") else set())
    return {field: value for field, value in model.items() if field not in free}


def _backbone(arrays: dict) -> dict:
    return {path: leaf.shape for path, leaf in arrays.items() if path.startswith("params.backbone")}


def _compared(about: dict) -> dict:
    """What a run's network sees and is; transfer may change it."""
    config = about["config"]
    frames = {k: v for k, v in config["recipe"].items() if k in ("frames", "window", "length")}
    return {
        "stream": config["stream"],
        "layout": about["facts"]["layout"]["name"],
        "data.prepare": about.get("preparation", config["data"]["prepare"]),
        **{f"recipe.{field}": value for field, value in frames.items()},
        **{f"model.{field}": value for field, value in _fixed(config["model"]).items()},
    }


def jsonable(config: ConfigDict) -> dict:
    return json.loads(json.dumps(config.to_dict()))


def command() -> list[str]:
    """How this process was started, without the paths of this machine."""
    name = pathlib.Path(sys.argv[0]).stem
    start = ["skeljax"] if name == "skeljax" else ["python", "-m", f"skeljax.{name}"]
    return [*start, *sys.argv[1:]]


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def hardware(mesh) -> str:
    """``2 x NVIDIA H200`` or ``1 x cpu (Intel ..., 2 cores)``."""
    device = mesh.devices.flat[0]
    text = f"{mesh.size} x {device.device_kind}"
    if device.platform == "cpu":
        text += f" ({_cpu_name()}, {os.cpu_count()} cores)"
    return text


def git_state() -> str | None:
    """Commit of this checkout, with ``+changes`` where files differ; None outside a checkout."""
    here = pathlib.Path(__file__).parent

    def git(*arguments):
        done = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+changes" if git("status", "--porcelain", "-uno") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def check_config(path, before: dict, config: ConfigDict) -> None:
    """Whether a run's config is `config`, but for the fields that may change.

    Args:
      path: its run.json, for the message.
      before: the config in it.

    Raises:
      ConfigError: names the fields that differ.
    """
    old, new = _flat(before), _flat(jsonable(config))
    changed = sorted(field for field in old | new if old.get(field) != new.get(field))
    changed = [field for field in changed if field not in _FREE]
    if changed:
        raise ConfigError(
            "this folder holds a run of another config",
            where=path,
            found="; ".join(f"{f} was {old.get(f)!r}, now {new.get(f)!r}" for f in changed),
            do="choose another --workdir, or the same options to go on",
        )


def _check_same(workdir, config, about) -> None:
    path, before = workdir / "run.json", read(workdir)
    check_config(path, before["config"], config)
    if before["fingerprint"] != about["fingerprint"]:
        raise ConfigError(
            "this folder holds a run on other data",
            where=path,
            found=f"fingerprint {about['fingerprint']}",
            expected=before["fingerprint"],
            do="choose another --workdir",
        )


def _tupled(value):
    """JSON's lists as the tuples they were."""
    if isinstance(value, dict):
        return {name: _tupled(item) for name, item in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _name(path) -> str:
    return ".".join(str(getattr(part, "key", getattr(part, "idx", part))) for part in path)


def _folded(paths: list[str], arrays: dict[str, np.ndarray]) -> list[str]:
    """Each path with its shape; where all of a branch of `arrays` is meant, the branch once."""
    meant, found = set(paths), {}
    for path in paths:
        parts = path.split(".")
        branches = [".".join(parts[:end]) for end in range(2, len(parts))]
        for branch in branches:
            inside = [other for other in arrays if other.startswith(f"{branch}.")]
            if len(inside) > 1 and meant.issuperset(inside):
                found[f"{branch} ({len(inside)} arrays)"] = None
                break
        else:
            found[f"{path} {tuple(arrays[path].shape)}"] = None
    return list(found)


def _flat(tree) -> dict[str, np.ndarray]:
    """{"params.backbone...": leaf}."""
    leaves = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda x: isinstance(x, list))[0]
    return {_name(path): leaf for path, leaf in leaves}
