"""What a trained run says of new clips: ``skeljax predict RUN FILE...``."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

from skeljax.errors import ConfigError, DataError, run_cli

_SHOWN = 5  # classes a clip


def predict(run, paths, *, checkpoint: str = "last", cleaning: str = "", devices: str = "1"):
    """Probabilities of raw files by a run's own preparation and test recipe.

    Args:
      run: run folder, trained here or made by `skeljax convert`.
      paths: files of any kind that data/single.py knows.
      checkpoint: ``last``, ``best`` or the folder of one.
      cleaning: for .skeleton files; by default that of the dataset the run was trained on.

    Returns:
      Class names (K,), probabilities (N, K) of the good files in order, and a DataError or None
      for each of `paths`.

    Raises:
      CheckpointError: no run folder.
      ConfigError: the run's method gives no class scores.
    """
    import numpy as np

    from skeljax import metrics, rundir
    from skeljax.checkpoint import Checkpoints
    from skeljax.data import single
    from skeljax.data.store import Store
    from skeljax.evaluate import Evaluator, find_checkpoint
    from skeljax.job import build
    from skeljax.sharding import make_mesh, replicate

    folder, step = find_checkpoint(run, checkpoint)
    saved = Checkpoints(folder, read_only=True)
    config, facts = rundir.config_and_facts(saved.about(step))
    cleaning = cleaning or single.cleaning_of(config.data.dataset)
    clips, faults = [], []
    for number, path in enumerate(paths):
        try:
            clip = single.read(path, facts.layout, cleaning)
        except DataError as error:
            faults.append(error)
        else:
            clips.append(clip.replace(name=f"{number} {clip.name}"))
            faults.append(None)
    if not clips:
        return facts.classes, np.zeros((0, len(facts.classes))), faults
    store = Store.from_clips(
        clips,
        layout=facts.layout,
        classes=facts.classes,
        prepare=config.data.prepare,
        dtype=np.dtype(config.data.storage),
    )
    mesh = make_mesh(devices)
    judge = Evaluator(
        build(config, facts),
        store.with_bodies(facts.num_bodies),
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
    scores = outputs["logits"].astype(np.float32)
    return facts.classes, scores if judge.clips > 1 else metrics.softmax(scores), faults


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


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="skeljax predict", description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument("files", nargs="+", help=".skeleton, .json, .npy, .npz or .csv")
    parser.add_argument("--checkpoint", default="last", help="last, best or the folder of one")
    parser.add_argument("--cleaning", default="", help="of .skeleton: ctrgcn, pyskl, listed")
    parser.add_argument("--devices", default="1", help="a number or a list of devices")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a file")
    options = parser.parse_args(argv)
    from skeljax.sharding import set_up

    set_up()
    classes, probabilities, faults = predict(
        options.run,
        options.files,
        checkpoint=options.checkpoint,
        cleaning=options.cleaning,
        devices=options.devices,
    )
    good = [path for path, fault in zip(options.files, faults) if fault is None]
    found = [(path, top(classes, row)) for path, row in zip(good, probabilities)]
    if options.json:
        print(json.dumps([{"file": path, "classes": rows} for path, rows in found], indent=1))
    else:
        print("\n".join(table(pathlib.Path(path).name, rows) for path, rows in found))
    for fault in filter(None, faults):
        print(f"error: {fault}", file=sys.stderr)
    return 2 if any(faults) else 0


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
