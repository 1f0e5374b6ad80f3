"""What a method adds to a training step of its backbone, and to a prediction (nothing).

    python benchmarks/method_cost.py frhead brl lst --json benchmarks/results/method_cost.json

A step is forward, loss, backward and SGD with Nesterov momentum, on random clips in memory. The
steps of plain supervised training and of the methods take turns, so that a busy machine slows all
alike; reported are the minima over all rounds, of the wall clock and of the processor time of all
threads (the steadier of the two on a shared CPU; meaningless on an accelerator), and their ratios
to the plain step. FLOPs are those of the program before XLA changes it; ``--rounds 0`` compiles
nothing and tells these alone.
"""

from __future__ import annotations

import argparse
import pathlib
import time

import jax
import numpy as np
import optax
import record

from skeljax.layouts import get_layout
from skeljax.methods import METHODS, Facts
from skeljax.models import BACKBONES
from skeljax.readers import ntu_classes, nw_ucla

# layout, bodies, frames, classes
SHAPES = {
    "nw_ucla": ("ucla20", 1, 52, nw_ucla.CLASSES),
    "ntu60": ("ntu25", 2, 64, ntu_classes.CLASSES[:60]),
}
PLAIN = "supervised"


def build(name: str, shape: str, backbone: str, batch: int, compiled: bool):
    """(run one step and wait, FLOPs of the step, FLOPs of a prediction) of a method.

    Without `compiled` there is nothing to run.
    """
    layout_name, bodies, frames, classes = SHAPES[shape]
    layout = get_layout(layout_name)
    net = BACKBONES[backbone](layout=layout, num_person=bodies)
    facts = Facts(
        classes=tuple(classes),
        class_counts=np.geomspace(600, 6, len(classes)).astype(int),  # a long tail, for BRL
        layout=layout,
        num_bodies=bodies,
        channels=layout.channels,
        batch=batch,
        steps_per_epoch=100,
        epochs=1,
    )
    method = METHODS[name](net=net, facts=facts)
    x_key, y_key, init_key = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(x_key, (batch, bodies, frames, layout.num_joints, layout.channels))
    label = jax.random.randint(y_key, (batch,), 0, len(classes))
    given = dict.fromkeys(("x", *method.views), x) | {"label": label}
    optimizer = optax.sgd(0.1, momentum=0.9, nesterov=True)

    def step(state, given):
        params, extra, opt = state
        gradient = jax.grad(method.loss_fn, has_aux=True)
        grads, (extra, _) = gradient(params, extra, given, jax.random.key(0), 0)
        moves, opt = optimizer.update(grads, opt, params)
        return optax.apply_updates(params, moves), extra, opt

    def start():
        params, extra = method.init(init_key, given)
        return params, extra, optimizer.init(params)

    state = jax.eval_shape(start)
    test = jax.jit(method.predict).lower(*state[:2], given).cost_analysis()["flops"]
    program = jax.jit(step, donate_argnums=0).lower(state, given)
    flops = program.cost_analysis()["flops"]
    if not compiled:
        return None, flops, test
    state, program = jax.jit(start)(), program.compile()

    def run():
        nonlocal state
        state = jax.block_until_ready(program(state, given))

    return run, flops, test


def measure(names: list[str], shape: str, backbone: str, batch: int, rounds: int) -> dict:
    """Milliseconds a step, and FLOPs, of each method; the others' ratios to the plain one's."""
    made = [build(name, shape, backbone, batch, rounds > 0) for name in names]
    steps, flops, test_flops = zip(*made)
    times = {name: [] for name in names}
    for round_ in range(rounds + 1 if rounds else 0):
        for name, step in zip(names, steps):
            start = time.perf_counter(), time.process_time()
            step()
            took = time.perf_counter() - start[0], time.process_time() - start[1]
            if round_:  # the first warms up
                times[name].append(took)
    found = {
        name: {"flops": flops[i], "predict_flops": test_flops[i]} for i, name in enumerate(names)
    }
    for name, took in times.items():
        if took:
            wall, cpu = (1000 * min(each) for each in zip(*took))
            found[name] |= {"ms": wall, "cpu_ms": cpu}
    plain = found[PLAIN]
    ratios = {f"{name}/plain": {key: of[key] / plain[key] for key in plain}
              for name, of in found.items() if name != PLAIN}  # fmt: skip
    return found | ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", choices=METHODS, metavar="METHOD")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="default: all")
    parser.add_argument("--backbone", choices=BACKBONES, default="ctrgcn")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    results = {}
    for shape in args.shape or SHAPES:
        names = [PLAIN, *args.methods]
        found = results[shape] = measure(names, shape, args.backbone, args.batch, args.rounds)
        for name, numbers in found.items():
            said = (f"{key} {value:.4g}" for key, value in numbers.items())
            print(shape, args.backbone, name, *said)
    if args.json:
        record.write(args.json, results, batch=args.batch, backbone=args.backbone)


if __name__ == "__main__":
    main()
