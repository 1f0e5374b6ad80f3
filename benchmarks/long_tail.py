"""What each part of BRL gives, or each loss, on a long-tailed set: a table with its spread.

    python benchmarks/long_tail.py --workdir runs/long_tail
    python benchmarks/long_tail.py --workdir runs/long_tail --losses --seeds 3
    python benchmarks/long_tail.py --config configs/nwucla_brl.py:cpu --workdir runs/ucla --seeds 3

The first takes about five minutes on two CPU cores and needs no data. Every line of the table is an
ordinary run in a folder of its own; what is there is not trained again, so that more seeds or lines
can be added later, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import pathlib
import sys

import numpy as np

from skeljax import files, metrics, presets, report, row, sharding
from skeljax.errors import ConfigError, run_cli
from skeljax.losses import LOSSES
from skeljax.stop import Stop
from skeljax.train import train

COLUMNS = ("top-1", "mean class", "head", "middle", "tail")


def resampled(config):
    config.data.sampler = "class_specific"


def mixed(config):
    """Clips are mixed, and every mixed label weighs the same."""
    presets.use_loss(config, "ce")
    config.method.rebalanced = False


def rebalanced(config):
    presets.use_loss(config, "ce")


# line of the table: the config's word, and what is changed in it
PARTS = {
    "cross entropy": ("ce", lambda config: None),
    "+ resampling": ("ce", resampled),
    "+ partial mixup": ("brl", mixed),
    "+ rebalanced labels": ("brl", rebalanced),
    "+ action-aware weights (BRL)": ("brl", lambda config: None),
}
EACH_LOSS = {name: (name, lambda config: None) for name in LOSSES}


def load(source: str):
    """`get_config` and the options of ``FILE.py:OPTIONS``."""
    path, _, options = source.partition(":")
    if not pathlib.Path(path).is_file():
        raise ConfigError("no such config file", found=path)
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config, options


def run(config, folder: pathlib.Path, mesh, stop) -> list[float] | None:
    """The columns of one run, trained if it is not there; None if asked to stop."""
    if not row.finished(folder, config) and not train(config.lock(), folder, mesh, stop):
        return None
    scores, result = report.load_run(folder)
    thirds = metrics.thirds(scores.train_counts)
    of_thirds = metrics.group_accuracy(scores.scores, scores.label, thirds)
    return [result["top1"], result["mean_class"], *of_thirds.values()]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/synthetic_brl.py", help="FILE.py:OPTIONS")
    parser.add_argument("--workdir", required=True, help="folder of all runs and the table")
    parser.add_argument("--seeds", type=int, default=1, help="how often every line is trained")
    parser.add_argument("--losses", action="store_true", help="every loss, not the parts of BRL")
    options = parser.parse_args(argv)
    get_config, words = load(options.config)
    workdir, lines = pathlib.Path(options.workdir), EACH_LOSS if options.losses else PARTS
    sharding.set_up(None, 0)
    mesh = sharding.make_mesh("")
    table = [["", *COLUMNS, "seeds"]]
    with Stop() as stop:
        for number, (name, (word, change)) in enumerate(lines.items()):
            found = []
            for seed in range(options.seeds):
                config = get_config(",".join(filter(None, (words, word))))
                change(config)
                config.seed = seed
                label = name if options.losses else f"part{number}"
                numbers = run(config, workdir / f"{label}_seed{seed}", mesh, stop)
                if numbers is None:
                    return
                found.append(numbers)
            mean, spread = 100 * np.mean(found, 0), 100 * np.std(found, 0, ddof=len(found) > 1)
            cells = [f"{m:.2f}" + f" ± {s:.2f}" * (len(found) > 1) for m, s in zip(mean, spread)]
            table.append([name, *cells, str(len(found))])
    stem = "losses" if options.losses else "parts"
    with files.atomic(workdir / f"{stem}.txt") as file:
        file.write((report.aligned(table) + "\n").encode())
    with (workdir / f"{stem}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)
    print("\n" + report.aligned(table))


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
