"""Mean and spread of self-supervision's table over seeds.

    for seed in 0 1 2; do
        python -m skeljax.main --config configs/nwucla_skelemixclr.py:all,cpu \\
            --config.seed=$seed --workdir runs/table$seed
    done
    python benchmarks/pretraining_seeds.py runs/table0 runs/table1 runs/table2 --json FILE

Each folder is a whole table of one seed, its training by that command.
"""

from __future__ import annotations

import argparse
import pathlib

from ablation import KEPT, table

from skeljax import files
from skeljax.self_supervised import TABLE


def rows(folder: pathlib.Path) -> dict[str, dict]:
    """The row of each encoder as fractions, and what its linear evaluation was made with."""
    found = files.read_json(folder / "table.json")
    for method, row in found.items():
        del row["published"]
        result = files.read_json(folder / method / "linear" / "result.json")
        row |= {field: result[field] for field in KEPT}
        row["pretraining_s"] = files.read_json(folder / method / "pretraining" / "result.json")[
            "wall_s"
        ]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path, help="a table's, each of a seed")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    args = parser.parse_args()
    seeds = [rows(folder) for folder in args.folders]
    runs = {method: [seed[method] for seed in seeds] for method in ("random", *TABLE)}
    if args.json:
        names = [folder.name for folder in args.folders]
        command = ["python", "benchmarks/pretraining_seeds.py", *names]
        files.write_json(args.json, {"command": command, "runs": runs})
    print(table(runs))


if __name__ == "__main__":
    main()
