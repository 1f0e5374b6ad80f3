"""The self-supervised table by one command: pre-train, evaluate linearly, compare.

``--config configs/ntu60_skelemixclr.py:all,xsub``: a random encoder, SkeletonCLR, SkeleMixCLR and
SkeleMixCLR+, each pre-trained in a folder of its own and then judged by a linear classifier. The
same command goes on where it was stopped.
"""

from __future__ import annotations

import pathlib

from ml_collections import ConfigDict

from skeljax import files, self_supervised
from skeljax.errors import ConfigError
from skeljax.report import aligned
from skeljax.row import train_each
from skeljax.sharding import is_main

# what an override of the command line changes in the linear evaluations too
_SHARED = ("seed", "stream", "data", "model", "recipe.frames", "test")


def train_table(config: ConfigDict, workdir, mesh, stop) -> dict | None:
    """Trains what is not yet trained of the table, prints it, and writes table.txt and .json.

    Args: as `train.train`; `config.row.table` says which table. Fields of the config that were
      changed on the command line hold for every pre-training; those of data, backbone, frames and
      seed for the linear evaluations too.

    Returns:
      table.json's content ({} on all processes but the first); None if it was asked to stop.

    Raises:
      SkeljaxError: the last epochs are not to be tested, or what `train` raises.
    """
    if not config.train.test_last:
        raise ConfigError("a table is made of tested runs", where="train.test_last", found=False)
    workdir = pathlib.Path(workdir).resolve()  # the linear runs keep it as init_from
    runs = {method: parts(config, workdir, method) for method in ("random", *self_supervised.TABLE)}
    flat = {folder: one for each in runs.values() for folder, one in each.items()}
    if not train_each(flat, mesh, stop):
        return None
    if not is_main():
        return {}
    rows = {method: row(config, method, list(each)) for method, each in runs.items()}
    text = table(rows)
    files.write_json(workdir / "table.json", rows)
    with files.atomic(workdir / "table.txt") as file:
        file.write(f"{text}\n".encode())
    print(text)
    return rows


def parts(config: ConfigDict, workdir: pathlib.Path, method: str) -> dict[pathlib.Path, ConfigDict]:
    """{folder: config} of the two runs of a row: the encoder, then its linear evaluation."""
    source, _, words = config.row.table.partition(":")
    plain = self_supervised.pretraining(source, self_supervised.TABLE[-1], words)
    changed = {
        field: value for field, value in _flat(config).items() if _flat(plain).get(field) != value
    }
    del changed["row.table"]
    trained = "skelemixclr" if method == "random" else method
    encoder = workdir / method / "pretraining"
    first = self_supervised.pretraining(source, trained, words)
    _change(first, changed)
    if method == "random":
        _only_statistics(first)
    linear = self_supervised.protocol(source, "linear", ",".join(filter(None, (trained, words))))
    _change(linear, {field: v for field, v in changed.items() if field.startswith(_SHARED)})
    linear.init_from = str(encoder)
    return {encoder: first, workdir / method / "linear": linear}


def _only_statistics(config: ConfigDict) -> None:
    """No weight moves, only the running statistics: without the data's own, the small initial
    weights leave nothing of a clip after ten blocks, and the baseline would be chance itself."""
    config.optim.base_lr = 0.0
    config.train.epochs = min(config.train.epochs, 10)
    config.train.validate_every = 0


def row(config: ConfigDict, method: str, folders: list[pathlib.Path]) -> dict:
    """What the table says of a method: top-1 fractions by kNN and of the linear classifier."""
    encoder, linear = folders
    knn = files.read_json(encoder / "result.json")
    judged = "val" if config.data.val_by else "test"
    last, best = (files.read_json(linear / f"result{end}.json") for end in ("", f"_best_{judged}"))
    published = None
    if config.stream == "joint":
        published = self_supervised.PUBLISHED.get((config.data.dataset, method))
    return {
        "knn": knn["top1"],
        "linear": last["top1"],
        "linear_best": best["top1"],
        "published": published,
    }


def table(rows: dict) -> str:
    """The rows as text, in percent."""
    lines = [["encoder", "kNN", "linear, last", "linear, best", "published"]]
    for method, found in rows.items():
        numbers = [f"{100 * found[field]:.2f}" for field in ("knn", "linear", "linear_best")]
        lines.append([method, *numbers, str(found["published"] or "-")])
    return aligned(lines)


def _flat(config: ConfigDict, path: str = "") -> dict:
    """{"optim.base_lr": value}; tables of free names (groups, fusions) are values."""
    found = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict) and value:
            found |= _flat(value, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = value
    return found


def _change(config: ConfigDict, values: dict) -> None:
    """Sets the fields that the config has."""
    for field, value in values.items():
        *folders, name = field.split(".")
        node = config
        for folder in folders:
            node = node.get(folder) if isinstance(node, ConfigDict) else None
        if isinstance(node, ConfigDict) and name in node:
            node[name] = value
