"""Would a `lax.scan` over equal blocks compile faster? The training step with and without one.

    python benchmarks/scan_blocks.py ctrgcn --json benchmarks/results/scan_blocks.json

Blocks of one width and stride (2 to 4, 6 and 7, 9 and 10 of ten) are equal but for their weights.
`scanned` stacks these and runs one block over them; the backbones do not, because it is slower in
both respects. Shape and step are those of ctrgcn_cpu.py with half its batch; the two programs take
turns; compilation is cold.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import time

import jax
import jax.numpy as jnp
import optax
import record

from skeljax import sharding
from skeljax.layouts import get_layout
from skeljax.models import BACKBONES
from skeljax.models.backbone import Backbone
from skeljax.models.heads import Classifier, Linear

BATCH = 8


def scanned(self, x, *, train):
    """`Backbone.outputs`, with one program for a run of equal blocks."""
    x, outputs = self.enter(x, train=train), []
    stages = list(self.stages())
    before = {number + 1: features for number, features, _ in stages}
    # the first block is alone: it has other input, and often no residual
    for _, group in itertools.groupby(stages, lambda s: (s[1:], before.get(s[0]))):
        blocks = [self.block(*stage) for stage in group]
        if self.is_initializing() or len(blocks) == 1:
            for block in blocks:
                outputs.append(block(outputs[-1] if outputs else x, train=train))
        else:
            outputs += _scan(self, blocks, outputs[-1], train)
    return outputs


def _scan(self, blocks, x, train):
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(b.variables for b in blocks))
    one = blocks[0].clone(parent=None, name=None)
    keys = jax.random.split(self.make_rng("dropout"), len(blocks))

    def body(x, given):
        variables, key = given
        y, moved = one.apply(
            variables, x, train=train, mutable=["batch_stats"], rngs={"dropout": key}
        )
        return y, (y, moved["batch_stats"])

    _, (taps, moved) = jax.lax.scan(body, x, (stacked, keys))
    for i, block in enumerate(blocks):
        for name, tree in moved.items():
            block.put_variable("batch_stats", name, jax.tree.map(lambda v, i=i: v[i], tree))
    return list(taps)


def programs(backbone: str) -> tuple[dict, dict, tuple]:
    """({name: compiled step}, {name: facts}, (state, x, y))."""
    layout = get_layout("ntu25")
    net = Classifier(BACKBONES[backbone](layout=layout, num_person=2), Linear(60))
    key = jax.random.key(0)
    x, y = jax.random.normal(key, (BATCH, 2, 64, 25, 3)), jnp.arange(BATCH)
    optimizer = optax.sgd(0.1, momentum=0.9, nesterov=True)

    def loss_fn(params, stats):
        variables = {"params": params, "batch_stats": stats}
        (logits, _), moved = net.apply(
            variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key}
        )
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return loss, moved["batch_stats"]

    def start():
        variables = net.init(key, x, train=False)
        return variables["params"], variables["batch_stats"], optimizer.init(variables["params"])

    state = jax.jit(start, compiler_options={"xla_backend_optimization_level": 0})()
    found, facts = {}, {}
    for name, outputs in (("loop", Backbone.outputs), ("scan", scanned)):
        Backbone.outputs = outputs

        def step(state):
            params, stats, moved = state
            (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(params, stats)
            updates, moved = optimizer.update(grads, moved, params)
            return (optax.apply_updates(params, updates), stats, moved), loss

        lowered = jax.jit(step, donate_argnums=0).lower(state)
        began = time.perf_counter(), time.process_time()
        found[name] = lowered.compile()
        took = time.perf_counter() - began[0], time.process_time() - began[1]
        facts[name] = {"compile_s": took[0], "compile_cpu_s": took[1], "ms_a_clip": float("inf")}
    return found, facts, state


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbone", choices=BACKBONES, metavar="BACKBONE")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    args = parser.parse_args()
    sharding.set_up("none")
    found, facts, state = programs(args.backbone)
    states = {name: jax.tree.map(jnp.copy, state) for name in found}
    for round_ in range(6):  # the first warms up, and is never the fastest
        for name, step in found.items():
            began = time.perf_counter()
            states[name], loss = jax.block_until_ready(step(states[name]))
            took = 1e3 * (time.perf_counter() - began) / BATCH
            facts[name]["ms_a_clip"] = min(facts[name]["ms_a_clip"], took)
            if not round_:
                facts[name]["first_loss"] = float(loss)
    print(args.backbone, facts)
    if args.json:
        record.write(args.json, {args.backbone: facts}, batch=BATCH)


if __name__ == "__main__":
    main()
