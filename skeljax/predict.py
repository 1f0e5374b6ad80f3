"""What a trained run says of new clips: ``skeljax predict RUN FILE...``."""

from __future__ import annotations

import argparse
import functools
import json
import pathlib
import sys
from typing import NamedTuple

import numpy as np

from skeljax import rundir
from skeljax.checkpoint import Checkpoints
from skeljax.data import single
from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError, SkeljaxError, run_cli
from skeljax.evaluate import Evaluator, find_checkpoint
from skeljax.job import build
from skeljax.metrics import softmax
from skeljax.sharding import make_mesh, replicate, set_up

_SHOWN = 5  # classes a clip


class Found(NamedTuple):
    """What a run says of files.

    Attributes:
      classes: (K,) names.
      faults: what is wrong with each file, or None.
      store: the N good files, prepared; None if there is none.
      logits: (N, K), or None; where the test recipe takes several clips of a file, the logarithm of
        the mean probabilities.
    """

    classes: tuple[str, ...]
    faults: list[SkeljaxError | None]
    store: Store | None
    logits: np.ndarray | None

    @property
    def probabilities(self) -> np.ndarray:
        """(N, K)."""
        return np.zeros((0, len(self.classes))) if self.store is None else softmax(self.logits)


def look(run, paths, *, checkpoint: str = "last", cleaning: str = "", devices: str = "1") -> Found:
    """Classifies raw files by a run's own preparation and test recipe.

    Args:
      run: run folder, trained here or made by `skeljax convert`.
      paths: files of any kind that data/single.py knows.
      checkpoint: ``last``, ``best`` or the folder of one.
      cleaning: for .skeleton files; by default that of the dataset the run was trained on.

    Raises:
      CheckpointError: no run folder.
      ConfigError: the run's method gives no class scores.
    """
    folder, step = find_checkpoint(run, checkpoint)
    saved = Checkpoints(folder, read_only=True)
    config, facts = rundir.config_and_facts(saved.about(step))
    cleaning = cleaning or single.cleaning_of(config.data.dataset)
    pack = functools.partial(
        Store.from_clips,
        layout=facts.layout,
        classes=facts.classes,
        prepare=config.data.prepare,
        dtype=np.dtype(config.data.storage),
    )
    clips, faults = [], []
    for number, path in enumerate(paths):
        try:
            clip = single.read(path, facts.layout, cleaning)
            pack([clip.replace(name=str(path))])  # what the preparation refuses is one file's fault
        except SkeljaxError as error:
            faults.append(_of_file(error, path))
        else:
            clips.append(clip.replace(name=f"{number} {clip.name}"))
            faults.append(None)
    if not clips:
        return Found(facts.classes, faults, None, None)
    store, mesh = pack(clips).with_bodies(facts.num_bodies), make_mesh(devices)
    judge = Evaluator(
        build(config, facts),
        store,
        min(len(clips), config.test.batch),
        mesh,
    )
    variables = replicate(saved.variables(step), mesh)
    outputs = judge.outputs(variables["params"], variables["extra"])
    if "logits" not in outputs:
        raise ConfigError(
            f"method {config.method.name!r} gives no class scores", where=run,
            found=", ".join(outputs), do="train a classifier on it: --config.init_from=RUN",
        )  # fmt: skip
    logits = outputs["logits"].astype(np.float32)
    if judge.clips > 1:
        logits = np.log(np.maximum(logits, np.finfo(np.float32).tiny))
    return Found(facts.classes, faults, store, logits)


def _of_file(error: SkeljaxError, path) -> SkeljaxError:
    """The same fault with the file's name."""
    if str(pathlib.Path(path).expanduser()) in str(error):
        return error
    where = path if error.where is None else f"{path}, {error.where}"
    return DataError(
        error.what, where=where, found=error.found, expected=error.expected, do=error.do
    )


def top(classes, probabilities) -> list[dict]:
    """The five likeliest classes of (K,) probabilities, the likeliest first."""
    best = (-probabilities).argsort(kind="stable")[:_SHOWN]
    return [
        {"class": classes[k], "index": int(k), "probability": float(probabilities[k])} for k in best
    ]


def table(name: str, rows: list[dict]) -> str:
    """One file's classes as text."""
    lines = [f"{100 * row['probability']:7.2f} %  {row['class']}" for row in rows]
    return "\n".join([name, *lines])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="skeljax predict", description=__doc__.splitlines()[0])
    made.add_argument("run", help="run folder")
    made.add_argument("files", nargs="+", help=".skeleton, .json, .npy, .npz or .csv")
    made.add_argument("--checkpoint", default="last", help="last, best or the folder of one")
    made.add_argument("--cleaning", default="", help="of .skeleton: ctrgcn, pyskl, listed")
    made.add_argument("--devices", default="1", help="a number or a list of devices")
    made.add_argument("--json", action="store_true", help="print JSON, one object a file")
    return made


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    set_up()
    found = look(
        options.run,
        options.files,
        checkpoint=options.checkpoint,
        cleaning=options.cleaning,
        devices=options.devices,
    )
    good = [path for path, fault in zip(options.files, found.faults) if fault is None]
    rows = [top(found.classes, row) for row in found.probabilities]
    if options.json:
        print(json.dumps([{"file": f, "classes": c} for f, c in zip(good, rows)], indent=1))
    elif rows:
        print("\n".join(table(pathlib.Path(f).name, c) for f, c in zip(good, rows)))
    for fault in filter(None, found.faults):
        print(f"error: {fault}", file=sys.stderr)
    return 2 if any(found.faults) else 0


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
