"""What each part of a method gives: tables of short runs with their spread over seeds.

    python benchmarks/ablation.py brl --workdir runs/brl
    python benchmarks/ablation.py longtail-nwucla --workdir runs/longtail --seeds 0,1,2

The first takes five minutes on two idle CPU cores and needs no data. Every cell is an
ordinary run in a folder of its own; what is there is not trained again, so that more seeds can be
added later, a run that was stopped goes on, and two processes may take different seeds at once
(a third, after them, then makes the table). The table is written as text and, with every run's
numbers, as JSON.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skeljax import files, metrics, presets, report, row, sharding
from skeljax.data.feeder import class_specific, draws_per_class
from skeljax.errors import ConfigError, choose, run_cli
from skeljax.job import load_stores
from skeljax.losses import LOSSES
from skeljax.stop import Stop

KEPT = ("seed", "epoch", "hardware", "versions", "git", "fingerprint", "wall_s")
COLUMNS = (
    "top1", "mean_class",
    "head", "middle", "tail",  # of long-tailed sets
    "knn", "linear", "linear_best",  # of pre-training, by pretraining_seeds.py
)  # fmt: skip
REPO = pathlib.Path(__file__).resolve().parents[1]


class Line(NamedTuple):
    """A line of a table: a config, `configs/FILE.py:OPTIONS`, and what is changed in it."""

    name: str
    config: str
    change: Callable = lambda config: None


def resampled(config):
    config.data.sampler = "class_specific"


def longer(config):
    """As many steps without resampling as with it, which draws the tail more than once."""
    counts = load_stores(config).train.class_counts
    drawn = draws_per_class(counts, class_specific(counts)).sum()
    config.train.epochs = round(config.train.epochs * float(drawn / counts.sum()))


def mixed(config):
    """Clips are mixed, and every mixed label weighs the same."""
    presets.use_loss(config, "ce")
    config.method.rebalanced = False


def rebalanced(config):
    presets.use_loss(config, "ce")


def brl(config: str) -> list[Line]:
    """BRL's parts, added one by one."""
    return [
        Line("cross entropy", f"{config},ce"),
        Line("+ resampling", f"{config},ce", resampled),
        Line("+ partial mixup", f"{config},brl", mixed),
        Line("+ rebalanced labels", f"{config},brl", rebalanced),
        Line("+ action-aware weights (BRL)", f"{config},brl"),
        Line("cross entropy, as many steps", f"{config},ce", longer),
    ]


def losses(config: str) -> list[Line]:
    return [Line(name, f"{config},{name}") for name in LOSSES]


def slow(config):
    """LDAM's scale of 30 multiplies its gradient too: at the rate of others it diverges."""
    config.optim.base_lr /= 30


def longtail(config: str) -> list[Line]:
    """BRL's parts and every other loss alone."""
    others = [line for line in losses(config) if line.name != "ce"]
    return [*brl(config), *others, Line("ldam, a thirtieth of the rate", f"{config},ldam", slow)]


def sized(size: Callable, lines: list[Line]) -> list[Line]:
    """Every line in that size, before its own change."""

    def both(config, change):
        size(config)
        change(config)

    return [line._replace(change=functools.partial(both, change=line.change)) for line in lines]


def four_blocks(config):
    """Half of the synthetic runs' time is compilation."""
    config.model.update(depth=4, grow=(3,))
    config.train.validate_every = config.train.save_every = config.train.epochs


def brief(config):
    """NW-UCLA-LT: 13 frames, four blocks, 12 epochs of two passes."""
    config.recipe.frames = 13
    config.train.epochs = 12
    four_blocks(config)


def small(config, **method):
    """NW-UCLA, joint: a network of quarter width on 13 frames, 25 passes."""
    config.scale = "cpu"
    config.model.width = 16
    config.recipe.frames = 13
    config.train.epochs = 25
    config.train.validate_every = 25
    config.optim.weight_decay = 2e-4
    config.method.update({"label_smoothing": 0.0} | method)


LST = "configs/nwucla_lst.py:joint,cpu"
NWUCLA = [
    Line("CTR-GCN", "configs/nwucla_ctrgcn.py:joint,cpu", small),
    Line("FR-Head", "configs/nwucla_frhead.py:joint,cpu", small),
    Line("LST", LST, small),
    Line("LST, texts shuffled", LST, functools.partial(small, shuffle_text=True)),
    Line("LST, whole action only", f"{LST},global", small),
    Line("LST, parts only", f"{LST},parts", small),
]
SYNTHETIC = "configs/synthetic_brl.py:stgcnpp"
TABLES = {
    "brl": sized(four_blocks, brl(SYNTHETIC)),
    "losses": sized(four_blocks, losses(SYNTHETIC)),
    "brl-nwucla": brl("configs/nwucla_brl.py:cpu,stgcnpp"),
    "longtail-nwucla": sized(brief, longtail("configs/nwucla_brl.py:cpu,stgcnpp")),
    "longtail-nwucla-ctrgcn": sized(brief, longtail("configs/nwucla_brl.py:cpu,ctrgcn")),
    "nwucla": NWUCLA,
}


def load(source: str):
    """The config of ``FILE.py:OPTIONS``."""
    path, _, options = source.partition(":")
    spec = importlib.util.spec_from_file_location("config", REPO / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(options)


def run(config, folder: pathlib.Path, mesh, stop) -> dict | None:
    """The columns of one run, trained if it is not there; None if asked to stop."""
    return numbers(folder) if row.train_each({folder: config}, mesh, stop) else None


def numbers(folder: pathlib.Path) -> dict:
    """The columns of a finished run as fractions, and what it was made with."""
    scores, result = report.load_run(folder)
    found = {column: result[column] for column in ("top1", "mean_class")}
    if report.uneven(scores.train_counts):
        thirds = metrics.thirds(scores.train_counts)
        groups = metrics.group_accuracy(scores.scores, scores.label, thirds)
        found |= {name: float(accuracy) for name, accuracy in groups.items()}
    return found | {field: result[field] for field in KEPT}


def cells(runs: list[dict], columns: list[str]) -> list[str]:
    """Mean and standard deviation (n - 1) over the seeds of each column, in percent."""
    found = 100 * np.array([[run[column] for column in columns] for run in runs])
    mean, spread = found.mean(0), found.std(0, ddof=min(1, len(runs) - 1))
    return [f"{m:.2f}" + f" ± {s:.2f}" * (len(runs) > 1) for m, s in zip(mean, spread)]


def table(results: dict[str, list[dict]]) -> str:
    """The runs of table.json as text, in percent."""
    columns = [column for column in COLUMNS if column in next(iter(results.values()))[0]]
    lines = [[name, *cells(runs, columns), str(len(runs))] for name, runs in results.items()]
    return report.aligned([["percent", *columns, "seeds"], *lines])


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help=", ".join(TABLES))
    parser.add_argument("--workdir", required=True, help="folder of all runs and the table")
    parser.add_argument("--seeds", default="0", help="each line is trained with these, as 0,1,2")
    options = parser.parse_args(argv)
    lines = TABLES[choose("table", options.table, TABLES)]
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")]
    except ValueError:
        raise ConfigError(
            "seeds are whole numbers", found=options.seeds, expected="0,1,2"
        ) from None
    workdir, results = pathlib.Path(options.workdir), {line.name: [] for line in lines}
    sharding.set_up(None, 0)
    mesh = sharding.make_mesh("")
    with Stop() as stop:
        for seed in seeds:
            for number, line in enumerate(lines):
                config = load(line.config)
                line.change(config)
                config.seed = seed
                found = run(config, workdir / f"line{number}_seed{seed}", mesh, stop)
                if found is None:
                    return
                results[line.name].append(found)
    command = ["python", "benchmarks/ablation.py", *argv]
    files.write_json(workdir / "table.json", {"command": command, "runs": results})
    text = table(results)
    with files.atomic(workdir / "table.txt") as file:
        file.write(f"{text}\n".encode())
    print(f"\n{text}")


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
