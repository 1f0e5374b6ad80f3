"""One row of a paper's table: the streams trained one after the other, tested and fused.

A config that has called `presets.use_row` is run like any other; every stream gets a folder of its
own in the run folder, the same as if it were trained alone, and the row is row.txt and row.json.
"""

from __future__ import annotations

import pathlib

from ml_collections import ConfigDict

from skeljax import files, fuse, metrics, rundir, scores
from skeljax.data.streams import stream as make_stream
from skeljax.errors import ConfigError, check_number, choose
from skeljax.layouts import get_layout
from skeljax.methods import METHODS
from skeljax.report import aligned
from skeljax.sharding import is_main
from skeljax.train import train

_SHARED = (
    "dataset", "protocol", "split", "method", "backbone", "recipe", "seed", "which", "hardware",
    "versions", "git", "fingerprint",
)  # fmt: skip


def train_row(config: ConfigDict, workdir, mesh, stop) -> dict | None:
    """Trains what is not yet trained of a row, and writes it.

    Args: as `train.train`.

    Returns:
      row.json's content ({} on all processes but the first); None if it was asked to stop (the same
      command goes on).

    Raises:
      SkeljaxError: a folder holds another run, or what `train` raises.
    """
    check(config)
    workdir = pathlib.Path(workdir)
    runs = {workdir / stream: single(config, stream) for stream in config.row.streams}
    if not train_each(runs, mesh, stop):
        return None
    return write(config, workdir) if is_main() else {}


def train_each(runs: dict[pathlib.Path, ConfigDict], mesh, stop) -> bool:
    """Trains {run folder: config} one after the other; what is finished is left as it is.

    Returns:
      Whether all are finished; False if it was asked to stop.

    Raises:
      SkeljaxError: a folder holds another run, or what `train` raises.
    """
    for number, (folder, config) in enumerate(runs.items(), 1):
        if finished(folder, config):
            continue
        if is_main() and len(runs) > 1:
            print(f"{number} of {len(runs)}: {folder}")
        if train(config.lock(), folder, mesh, stop) is None:
            return False
    return True


def check(config: ConfigDict) -> None:
    """Before days are spent: names, weights, and whether there will be scores of the rule to fuse.

    Raises:
      ConfigError: names the field.
    """
    choose("rule", config.row.rule, fuse.RULES, where="row.rule")
    for stream in config.row.streams:
        make_stream(get_layout("ntu25"), stream)
    named = {f"row.fusions.{name}": weights for name, weights in config.row.fusions.items()}
    for where, streams in {**named, "row.epochs": config.row.epochs}.items():
        for stream in streams:
            choose("stream", stream, config.row.streams, where=where)
    for stream, share in config.row.epochs.items():
        of = "a share of train.epochs: more than 0, at most 1"
        check_number(f"row.epochs.{stream}", share, 0 < share <= 1, of)
    if not config.train.test_last:
        raise ConfigError("a row is made of tested streams", where="train.test_last", found=False)
    if config.row.rule == "logits" and _tests_give_probabilities(config):
        raise ConfigError(
            "the sum of logits is asked for, but the tests will give probabilities",
            where="row.rule",
            do='row.rule="probabilities", or recipe.test_clips=1 where a recipe tests several',
        )
    for where, weights in named.items():
        if config.row.rule == "probabilities" and not sum(weights.values()) > 0:
            raise ConfigError("the weights must not sum to 0", where=where, found=weights.to_dict())


def _tests_give_probabilities(config: ConfigDict) -> bool:
    """Whether several clips of a recording are averaged, or neighbours vote."""
    method = METHODS.get(config.method.name)
    return config.recipe.get("test_clips", 1) > 1 or hasattr(method, "knn")


def single(config: ConfigDict, stream: str) -> ConfigDict:
    """The config that trains one stream alone."""
    from skeljax import presets  # it imports every model and method

    one = ConfigDict(config.to_dict())
    one.stream, one.row = stream, presets.base().row
    one.init_from = config.init_from.replace("{stream}", stream)
    one.train.epochs = max(round(config.row.epochs.get(stream, 1) * config.train.epochs), 1)
    return one


def finished(folder: pathlib.Path, config: ConfigDict) -> bool:
    """Whether a folder holds the tested run of this config.

    Raises:
      ConfigError: it holds the run of another one.
    """
    if not (folder / "result.json").is_file():
        return False
    rundir.check_config(folder / "run.json", rundir.read(folder)["config"], config)
    return True


def write(config: ConfigDict, workdir: pathlib.Path) -> dict:
    """Fuses, prints and writes the row of every tested epoch (last, best) that all streams have."""
    rows, text = {}, ""
    for ending in ("", "_best_val", "_best_test"):
        folders = [workdir / stream for stream in config.row.streams]
        if all((folder / f"scores{ending}.npz").is_file() for folder in folders):
            row = rows[ending] = fused_row(config, workdir, ending)
            files.write_json(workdir / f"row{ending}.json", row)
            text += table(row) + "\n\n"
    with files.atomic(workdir / "row.txt") as file:
        file.write(text.encode())
    print(text, end="")
    return rows[""]


def fused_row(config: ConfigDict, workdir: pathlib.Path, ending: str = "") -> dict:
    """Accuracies of the streams and their fusions; the fused scores go to ``FUSION.npz``."""
    tested, results = {}, {}
    for stream in config.row.streams:
        tested[stream] = scores.read(workdir / stream / f"scores{ending}.npz")
        results[stream] = files.read_json(workdir / stream / f"result{ending}.json")
    first = next(iter(results.values()))
    layout = rundir.read(workdir / config.row.streams[0])["facts"]["layout"]
    fused = {}
    for name, weights in sorted(config.row.fusions.items(), key=lambda fusion: len(fusion[1])):
        parts = [tested[stream] for stream in weights]
        together = fuse.fuse(parts, list(weights.values()), config.row.rule)
        scores.write(workdir / f"{name}{ending}.npz", together)
        found = metrics.summary(together.scores, together.label)
        fused[name] = {"weights": dict(weights), "rule": config.row.rule, **found}
    return {
        **{field: first[field] for field in _SHARED},
        "annotation": f"{layout['dims']}D {layout['name']}",
        "streams": {
            stream: {field: result[field] for field in ("top1", "top5", "mean_class", "epoch")}
            for stream, result in results.items()
        },
        "fusions": fused,
        "wall_s": sum(result["wall_s"] for result in results.values()),
        "command": rundir.command(),
    }


def table(row: dict) -> str:
    """The row as text: a line an accuracy, a column a stream and a fusion."""
    columns = row["streams"] | row["fusions"]
    said = [f"{row['dataset']}/{row['protocol']} {row['split']}".replace("/ ", " ")]
    said += [row["annotation"], f"{row['method']} {row['backbone']}", row["which"]]
    lines = [["dataset", "annotation", "method", "epoch", "%", *columns]]
    for field, word in (("top1", "top-1"), ("top5", "top-5"), ("mean_class", "mean class")):
        lines.append([*said, word, *(f"{100 * found[field]:.2f}" for found in columns.values())])
    return aligned(lines)
