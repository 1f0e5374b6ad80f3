"""What a contrastive training step costs beside the passes through its encoders.

    python benchmarks/pretraining_step.py configs/nwucla_skelemixclr.py:cpu \
        --json benchmarks/results/pretraining_step.json

A step of SkeletonCLR has one pass forward and backward and one forward, of the key encoder; every
mix of SkeleMixCLR adds one forward and backward, and CrosSCLR has those of SkeletonCLR for each
stream. The trainer's own step (with crops, mixing, queue, losses and the optimizer) and the two
kinds of passes, each compiled by itself, take turns, so that a busy machine slows all alike;
reported are the minima over all rounds, and the step over the sum of its passes. Memory is that of
the arrays that a step takes and returns: the query encoder, the key encoder and the queue.
"""

from __future__ import annotations

import argparse
import math
import pathlib
import time

import jax
import record
from ablation import load

from skeljax import sharding
from skeljax.bench import program


def passes(method) -> tuple[int, int]:
    """How many passes forward and backward a step has, and how many forward alone."""
    if streams := getattr(method, "streams", ()):
        return len(streams), len(streams)
    mixes = sum(row[4] for row in getattr(method, "swaps", ()))
    return len(method.queries) + mixes, 1


def encoder_passes(method, state, batch):
    """(forward and backward, forward) of an encoder with its head, as functions that wait."""
    params = {name: state.params[name] for name in ("backbone", "projection")}
    stats = {name: state.extra.get(name, {}) for name in ("batch_stats", "projection_stats")}

    def forward(params, stats, x):
        vectors, stats = method.encode(params, stats, x, jax.random.key(0))
        return (vectors**2).sum(), stats

    x = batch["query"]
    backward = jax.jit(jax.grad(forward, has_aux=True)).lower(params, stats, x).compile()
    only = jax.jit(forward).lower(params, stats, x).compile()
    return (
        lambda: jax.block_until_ready(backward(params, stats, x)),
        lambda: jax.block_until_ready(only(params, stats, x)),
    )


def measure(config, rounds: int) -> dict:
    from skeljax.train import make_batch

    job, chunk, (state, *given), _ = program(config, sharding.make_mesh(""))
    data, key, order, *_ = given
    batch = jax.jit(lambda *args: make_batch(job, *args))(data, order[0], key)
    backward, forward = encoder_passes(job.method, jax.tree.map(lambda x: x.copy(), state), batch)
    start = time.perf_counter()
    compiled = chunk.lower(state, *given).compile()
    compile_s = time.perf_counter() - start

    def step():
        nonlocal state
        state, _ = jax.block_until_ready(compiled(state, *given))

    best = dict.fromkeys(("step", "backward", "forward"), math.inf)
    for _ in range(rounds + 1):  # the first warms up, and is never the fastest
        for name, run in (("step", step), ("backward", backward), ("forward", forward)):
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    both, alone = passes(job.method)
    bound = both * best["backward"] + alone * best["forward"]
    size = {name: _megabytes(state.extra[name]) for name in ("key", "queue")}
    return {
        **{f"{name}_ms": 1e3 * seconds for name, seconds in best.items()},
        "passes": {"forward and backward": both, "forward": alone},
        "step/passes": best["step"] / bound,
        "compile_s": compile_s,
        "megabytes": {"query": _megabytes(state.params), **size},
    }


def _megabytes(tree) -> float:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="+", metavar="FILE.py:WORDS", help="of pre-trainings")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    results = {}
    for source in args.configs:
        found = results[source] = measure(load(source), args.rounds)
        print(source, found, flush=True)
    if args.json:
        record.write(args.json, results)


if __name__ == "__main__":
    main()
