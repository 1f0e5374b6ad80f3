"""Every backbone on a CPU: training and inference beside CTR-GCN's, per FLOP, and compile time.

    export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
    python benchmarks/backbones_cpu.py --json benchmarks/results/backbones_cpu.json

The first line gives all sides the huge pages of launch/cpu.sh. Step, batch and what is timed are
those of ctrgcn_cpu.py. Every backbone lives in a process of its own and takes single steps in turn
with CTR-GCN's process and, where torch is installed and torch_networks.py has the backbone, with
PyTorch's, so that a busy machine slows all alike; reported are minima over the rounds. The file is
written after every backbone, and what it holds already is not measured again. Names that differ in
initial values only (ctrgcn_pyskl) are not measured unless named. The columns, all of the wall
clock:

    train, infer    milliseconds a clip
    train/ctr       that over CTR-GCN's in the same minutes
    train per flop  that over the ratio of FLOPs: how much slower than its size a backbone is
    train/torch     over PyTorch's in the same minutes
    compile_s       seconds, cold; of the whole training step, and of inference

FLOPs are counted by XLA before it optimises.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import pathlib

import record
from ctrgcn_cpu import BATCH, SHAPES, UNIT, Side, take_turns

from skeljax.models import BACKBONES

TORCH = ["torch"] * bool(importlib.util.find_spec("torch"))
NETWORKS = importlib.import_module("torch_networks").NETWORKS if TORCH else {}
BESIDE = "ctrgcn"  # that the others are compared with
TWINS = {"ctrgcn_pyskl", "aagcn_pyskl", "stgcn_original", "stgcn_crosclr"}  # measured when named
COLUMNS = (
    "train", "train/ctr", "train per flop", "train/torch",
    "infer", "infer/ctr", "infer per flop", "infer/torch",
    "train_gflop", "infer_gflop", "train_compile_s", "infer_compile_s",
)  # fmt: skip


def measure(name, unit, shape, rounds, batch):
    """{"train": ms a clip, "train_cpu": ms, "train_gflop": ..., ...} of one backbone.

    Args:
      unit: the Side of CTR-GCN, which takes its turns.
    """
    sides = {"unit": unit}
    if name != BESIDE:
        sides["own"] = Side("skeljax", shape, name, batch)
    if name in NETWORKS:
        sides["torch"] = Side("torch", shape, name, batch)
    times = take_turns(sides, rounds)
    own = "unit" if name == BESIDE else "own"
    facts = sides[own].facts
    row = times[own] | facts | {"load": os.getloadavg()[0]}
    for what in ("train", "infer"):
        row[f"{what}/ctr"] = row[what] / times["unit"][what]
        row[f"{what} per flop"] = row[f"{what}/ctr"] / (
            facts[f"{what}_gflop"] / unit.facts[f"{what}_gflop"]
        )
        if "torch" in sides:
            row[f"{what}/torch"] = row[what] / times["torch"][what]
    for side in sides.values():
        if side is not unit:
            side.close()
    return row


def shown(row):
    return [f"{row[column]:.2f}" if column in row else "-" for column in COLUMNS]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--shape", choices=SHAPES, default="ntu60")
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help="some of them only")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(BACKBONES))
    if unknown:
        parser.error(f"no backbone {unknown[0]!r}; known: {', '.join(BACKBONES)}")
    shapes = {}
    if args.json and args.json.exists():
        there = json.loads(args.json.read_text())
        if there["batch"] != args.batch:
            parser.error(f"{args.json} was measured with --batch {there['batch']}")
        shapes = there["results"]
    results = shapes.setdefault(args.shape, {})
    measured = [name for name in BACKBONES if name not in TWINS]
    wanted = [name for name in args.names or measured if name not in results]
    unit = Side("skeljax", args.shape, BESIDE, args.batch) if wanted else None
    for name in wanted:
        results[name] = measure(name, unit, args.shape, args.rounds, args.batch)
        print(name, *(f"{c} {v}" for c, v in zip(COLUMNS, shown(results[name]))), flush=True)
        if args.json:
            record.write(args.json, shapes, *TORCH, batch=args.batch, unit=UNIT)
    if unit:
        unit.close()
    print(f"{args.shape:<18}", *(f"{column:>19}" for column in COLUMNS))
    for name, row in results.items():
        print(f"{name:<18}", *(f"{value:>19}" for value in shown(row)))


if __name__ == "__main__":
    main()
