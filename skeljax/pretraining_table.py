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
from skeljax.row import finished
from skeljax.sharding import is_main
from skeljax.train import train

# what an override of the command line changes in the linear evaluations too
_SHARED = ("seed", "data", "model", "recipe.frames", "test")


def train_table(config: ConfigDict, workdir, mesh, stop) -> dict:
    """Trains what is not yet trained of the table, prints it, and writes table.txt and .json.

    Args: as `train.train`; `config.row.table` says which table. Fields of the config that were
      changed on the command line hold for every pre-training; those of data, backbone, frames and
      seed for the linear evaluations too.

    Returns:
      table.json's content; {} if it was asked to stop.

    Raises:
      ConfigError: the last epochs are not to be tested.
    """
    if not config.train.test_last:
        raise ConfigError("a table is made of tested runs", where="train.test_last", found=False)
    workdir, rows = pathlib.Path(workdir), {}
    for method in ("random", *self_supervised.TABLE):
        results = {}
        for part, one in parts(config, workdir, method):
            folder = workdir / method / part
            if not finished(folder, one):
                if is_main():
                    print(f"{method}, {part}: in {folder}")
                if not train(one.lock(), folder, mesh, stop):
                    return {}
            results[part] = folder
        if is_main():
            rows[method] = row(config, method, results)
    if is_main():
        text = table(rows)
        files.write_json(workdir / "table.json", rows)
        with files.atomic(workdir / "table.txt") as file:
            file.write(f"{text}\n".encode())
        print(text)
    return rows


def parts(config: ConfigDict, workdir: pathlib.Path, method: str):
    """(name, config) of the runs that a row consists of, in order."""
    source, _, words = config.row.table.partition(":")
    plain = self_supervised.pretraining(source, self_supervised.TABLE[-1], words)
    changed = {
        field: value for field, value in _flat(config).items() if _flat(plain).get(field) != value
    }
    del changed["row.table"]
    trained = "skelemixclr_plus" if method == "random" else method
    name = "knn" if method == "random" else "pretraining"
    first = self_supervised.pretraining(source, trained, words)
    if method == "random":
        first.train.epochs = 0
    _change(first, {f: v for f, v in changed.items() if f != "train.epochs" or first.train.epochs})
    yield name, first
    linear = self_supervised.protocol(source, "linear", ",".join(filter(None, (trained, words))))
    _change(linear, {field: v for field, v in changed.items() if field.startswith(_SHARED)})
    if method != "random":
        linear.init_from = str(workdir / method / name)
    yield "linear", linear


def row(config: ConfigDict, method: str, folders: dict[str, pathlib.Path]) -> dict:
    """What the table says of a method: top-1 fractions by kNN and of the linear classifier."""
    knn = files.read_json(next(iter(folders.values())) / "result.json")
    judged = "val" if config.data.val_by else "test"
    last, best = (
        files.read_json(folders["linear"] / f"result{end}.json") for end in ("", f"_best_{judged}")
    )
    return {
        "knn": knn["top1"],
        "linear": last["top1"],
        "linear_best": best["top1"],
        "published": self_supervised.PUBLISHED.get((config.data.dataset, method)),
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
