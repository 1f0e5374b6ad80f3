"""Every backbone on a CPU: training and inference beside CTR-GCN's, per FLOP, and compile time.

    python benchmarks/backbones_cpu.py --json benchmarks/results/backbones_cpu.json

Step, batch and what is timed are those of ctrgcn_cpu.py. All backbones live in one process and take
single steps in turn, so that a busy machine slows all alike; reported are minima over the rounds.
FLOPs are counted by XLA before it optimises. `train/ctr` is time over CTR-GCN's, `per flop` that
over the same ratio of FLOPs: how much slower than its size a backbone is. Compilation is cold.
"""

from __future__ import annotations

import argparse
import pathlib
import time

from ctrgcn_cpu import BATCH, SHAPES, jax_side, write

from skeljax.models import BACKBONES

UNIT = "ctrgcn"  # that the others are compared with
COLUMNS = (
    "train", "train/ctr", "train per flop", "infer", "infer/ctr", "infer per flop",
    "train_compile_s", "infer_compile_s",
)  # fmt: skip


def measure(names, shape, rounds):
    """{backbone: {"train": ms a clip, "infer": ms, "train_gflop": ..., ...}}."""
    sides, results = {}, {}
    for name in names:
        train, infer, results[name] = jax_side(shape, name)
        sides[name] = {"train": train, "infer": infer}
        print(f"{name} compiled in {results[name]['train_compile_s']:.1f} s", flush=True)
        train(), infer()
    for what in ("train", "infer"):
        times = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                start = time.perf_counter()
                sides[name][what]()
                times[name].append(time.perf_counter() - start)
        for name in names:
            results[name][what] = min(times[name]) * 1000 / BATCH
    for row in results.values():
        for what in ("train", "infer"):
            row[f"{what}/ctr"] = row[what] / results[UNIT][what]
            flops = row[f"{what}_gflop"] / results[UNIT][f"{what}_gflop"]
            row[f"{what} per flop"] = row[f"{what}/ctr"] / flops
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--shape", choices=SHAPES, default="ntu60")
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help="some of them only")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(BACKBONES))
    if unknown:
        parser.error(f"no backbone {unknown[0]!r}; known: {', '.join(BACKBONES)}")
    names = list(dict.fromkeys([UNIT, *(args.names or BACKBONES)]))
    results = measure(names, args.shape, args.rounds)
    print(f"{args.shape:<18}", *(f"{column:>15}" for column in COLUMNS))
    for name, row in results.items():
        print(f"{name:<18}", *(f"{row[column]:15.2f}" for column in COLUMNS))
    if args.json:
        write(args.json, {args.shape: results}, ["jax", "flax", "numpy"])


if __name__ == "__main__":
    main()
