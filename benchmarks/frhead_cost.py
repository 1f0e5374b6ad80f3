"""What FR-Head adds to a training step of its backbone, and to a prediction (nothing).

    python benchmarks/frhead_cost.py --json benchmarks/results/frhead_cost.json

A step is forward, loss, backward and SGD with Nesterov momentum, on random clips in memory. The
steps with and without the head take turns, so that a busy machine slows both alike; reported are
the minima over all rounds, of the wall clock and of the processor time of all threads (the steadier
of the two on a shared CPU; meaningless on an accelerator), and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time
from importlib.metadata import version

import jax
import numpy as np
import optax

from skeljax.layouts import get_layout
from skeljax.methods import METHODS, Facts
from skeljax.models import BACKBONES

# layout, bodies, frames, classes
SHAPES = {"nw_ucla": ("ucla20", 1, 52, 10), "ntu60": ("ntu25", 2, 64, 60)}


def build(name: str, shape: str, backbone: str, batch: int):
    """(run one step and wait, FLOPs of the step, FLOPs of a prediction) of a method."""
    layout_name, bodies, frames, classes = SHAPES[shape]
    layout = get_layout(layout_name)
    net = BACKBONES[backbone](layout=layout, num_person=bodies)
    facts = Facts(
        classes=tuple(str(c) for c in range(classes)),
        class_counts=np.ones(classes, int),
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
    given = {"x": x, "label": jax.random.randint(y_key, (batch,), 0, classes)}
    optimizer = optax.sgd(0.1, momentum=0.9, nesterov=True)

    def step(state, given):
        params, extra, opt = state
        gradient = jax.grad(method.loss_fn, has_aux=True)
        grads, (extra, _) = gradient(params, extra, given, jax.random.key(0), 0)
        moves, opt = optimizer.update(grads, opt, params)
        return optax.apply_updates(params, moves), extra, opt

    params, extra = jax.jit(method.init)(init_key, given)
    state = params, extra, optimizer.init(params)
    test = jax.jit(method.predict).lower(params, extra, given).cost_analysis()
    compiled = jax.jit(step, donate_argnums=0).lower(state, given).compile()

    def run():
        nonlocal state
        state = jax.block_until_ready(compiled(state, given))

    return run, compiled.cost_analysis()["flops"], test["flops"]


def measure(shape: str, backbone: str, batch: int, rounds: int) -> dict:
    """Milliseconds a step, and FLOPs, of either method; and their ratios."""
    names = ("supervised", "frhead")
    steps, flops, test_flops = zip(*(build(name, shape, backbone, batch) for name in names))
    times = {name: [] for name in names}
    for round_ in range(rounds + 1):
        for name, step in zip(names, steps):
            start = time.perf_counter(), time.process_time()
            step()
            took = time.perf_counter() - start[0], time.process_time() - start[1]
            if round_:  # the first warms up
                times[name].append(took)
    found = {
        name: {
            "ms": 1000 * min(wall for wall, _ in times[name]),
            "cpu_ms": 1000 * min(cpu for _, cpu in times[name]),
            "flops": flops[i],
            "predict_flops": test_flops[i],
        }
        for i, name in enumerate(names)
    }
    plain, head = found.values()
    return {**found, "ratio": {key: head[key] / plain[key] for key in plain}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="default: all")
    parser.add_argument("--backbone", choices=BACKBONES, default="ctrgcn")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    results = {}
    for shape in args.shape or SHAPES:
        found = results[shape] = measure(shape, args.backbone, args.batch, args.rounds)
        for name, numbers in found.items():
            said = (f"{key} {value:.4g}" for key, value in numbers.items())
            print(shape, args.backbone, name, *said)
    if args.json:
        device = jax.devices()[0]
        facts = {
            "command": " ".join(["python", *sys.argv]),
            "batch": args.batch,
            "backbone": args.backbone,
            "device": device.device_kind,
            "cpus": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0],
            "versions": {name: version(name) for name in ("jax", "flax", "numpy")},
            "results": results,
        }
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
