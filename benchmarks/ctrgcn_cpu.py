"""CTR-GCN on a CPU: milliseconds a clip, ours and, where torch is installed, PyTorch's.

    python benchmarks/ctrgcn_cpu.py --json benchmarks/results/ctrgcn_cpu.json

Batch 16 (or --batch) of random clips in memory. Train = forward, mean cross entropy, backward, SGD
with Nesterov momentum and weight decay; infer = forward alone with the running statistics. The two
sides live in processes of their own and take single steps in turn (A, B, A, B), so that a busy
machine slows both alike. Reported are the minima over all rounds, of the wall clock and of the
processor time of all threads (``_cpu``; the steadier of the two on a shared machine), and their
ratios. Compilation is cold.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

import record

# layout, persons, frames, classes
SHAPES = {"nw_ucla": ("ucla20", 1, 52, 10), "ntu60": ("ntu25", 2, 64, 60)}
BATCH = 16  # unless told otherwise
UNIT = "ms and GFLOP a clip, minimum; compile in seconds"
TIMES = ("train", "train_cpu", "infer", "infer_cpu")
LR, MOMENTUM, DECAY = 0.1, 0.9, 5e-4
SIDES = ("skeljax", "torch")


def jax_side(shape, backbone, batch):
    """(train, infer) functions without arguments that wait for their result, and facts."""
    import jax
    import jax.numpy as jnp
    import optax

    from skeljax import sharding
    from skeljax.layouts import get_layout
    from skeljax.models import BACKBONES
    from skeljax.models.heads import Classifier, Linear

    sharding.set_up("none")
    name, num_person, frames, classes = SHAPES[shape]
    layout = get_layout(name)
    net = Classifier(BACKBONES[backbone](layout=layout, num_person=num_person), Linear(classes))
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (batch, num_person, frames, layout.num_joints, 3))
    y = jax.random.randint(keys[1], (batch,), 0, classes)
    optimizer = optax.chain(
        optax.add_decayed_weights(DECAY), optax.sgd(LR, momentum=MOMENTUM, nesterov=True)
    )

    def loss_fn(params, stats, x, y):
        variables = {"params": params, "batch_stats": stats}
        (logits, _), new = net.apply(
            variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": keys[2]}
        )
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return loss, new["batch_stats"]

    def step(state, x, y):
        params, stats, opt = state
        grads, stats = jax.grad(loss_fn, has_aux=True)(params, stats, x, y)
        updates, opt = optimizer.update(grads, opt, params)
        return optax.apply_updates(params, updates), stats, opt

    facts = {}

    def cold(what, function, *args, **options):
        lowered = jax.jit(function, **options).lower(*args)
        start = time.perf_counter(), time.process_time()
        compiled = lowered.compile()
        facts[f"{what}_compile_s"] = time.perf_counter() - start[0]
        facts[f"{what}_compile_cpu_s"] = time.process_time() - start[1]
        facts[f"{what}_gflop"] = lowered.cost_analysis()["flops"] / batch / 1e9
        return compiled

    quickly = {"xla_backend_optimization_level": 0}  # it runs once
    init = jax.jit(functools.partial(net.init, train=False), compiler_options=quickly)
    variables = init(keys[2], x)
    state = variables["params"], variables["batch_stats"], optimizer.init(variables["params"])
    step = cold("train", step, state, x, y, donate_argnums=0)
    forward = cold("infer", lambda v, x: net.apply(v, x, train=False)[0], variables, x)
    variables = jax.tree.map(jnp.copy, variables)  # the step takes the originals

    def train():
        nonlocal state
        state = jax.block_until_ready(step(state, x, y))

    def infer():
        jax.block_until_ready(forward(variables, x))

    return train, infer, facts


def torch_side(shape, backbone, batch):
    """The same for PyTorch; `backbone` one of torch_networks.NETWORKS."""
    import torch
    from torch_networks import NETWORKS, Network

    from skeljax.layouts import get_layout
    from skeljax.models.graphs import spatial

    name, num_person, frames, classes = SHAPES[shape]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    adjacency = torch.from_numpy(spatial(get_layout(name)))
    net = Network(*NETWORKS[backbone], adjacency, num_person, classes)
    x = torch.randn(batch, num_person, frames, adjacency.shape[-1], 3)
    y = torch.randint(classes, (batch,))
    optimizer = torch.optim.SGD(
        net.parameters(), LR, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY
    )

    def train():
        net.train()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    def infer():
        net.eval()
        with torch.no_grad():
            net(x)

    return train, infer, {}


def serve(side, shape, backbone, batch):
    """Answers every line ``train`` or ``infer`` on stdin with its wall and cpu ms a clip."""
    made = {"skeljax": jax_side, "torch": torch_side}[side](shape, backbone, batch)
    functions = dict(zip(("train", "infer"), made))
    for function in functions.values():
        function()
    print(json.dumps(made[-1]), flush=True)
    for line in sys.stdin:
        start = time.perf_counter(), time.process_time()
        functions[line.strip()]()
        took = time.perf_counter() - start[0], time.process_time() - start[1]
        print(json.dumps([seconds * 1000 / batch for seconds in took]), flush=True)


class Side:
    """One network in a process of its own, ready when this returns.

    Attributes:
      facts: seconds of compilation and GFLOP a clip; none of PyTorch's.
    """

    def __init__(self, side, shape, backbone="ctrgcn", batch=BATCH):
        options = ["--serve", side, "--shape", shape, "--backbone", backbone]
        options += ["--batch", str(batch)]
        # threads that wait must sleep: spinning ones starve the other side
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self.facts = json.loads(self._process.stdout.readline())

    def step(self, what):
        """Wall and cpu ms a clip of one step, ``train`` or ``infer``."""
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def take_turns(sides, rounds):
    """{side: {"train": ms, "train_cpu": ms, ...}}: minima over single steps in turn."""
    result = {name: {} for name in sides}
    for what in ("train", "infer"):
        times = {name: [] for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                times[name].append(side.step(what))
        for name, row in result.items():
            row[what], row[f"{what}_cpu"] = map(min, zip(*times[name]))
    return result


def measure(shape, names, rounds, batch):
    """{side: {"train": ms, "infer": ms, ...}} of one shape, the sides taking turns."""
    sides = {name: Side(name, shape, batch=batch) for name in names}
    result = take_turns(sides, rounds)
    for name, side in sides.items():
        result[name] |= side.facts
        side.close()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--shape", choices=SHAPES, help="one of them only")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--backbone", default="ctrgcn", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=BATCH)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.shape, args.backbone, args.batch)
    sides = [side for side in SIDES if importlib.util.find_spec(side)]
    shapes = [args.shape] if args.shape else list(SHAPES)
    results = {shape: measure(shape, sides, args.rounds, args.batch) for shape in shapes}
    for shape, by_side in results.items():
        for side, numbers in by_side.items():
            print(shape, side, *(f"{key} {value:.1f}" for key, value in numbers.items()))
        if len(by_side) > 1:
            ours, theirs = by_side.values()
            ratios = {what: ours[what] / theirs[what] for what in TIMES}
            print(shape, "ratio", *(f"{what} {ratio:.2f}" for what, ratio in ratios.items()))
    if args.json:
        packages = ["torch"] * ("torch" in sides)
        record.write(args.json, results, *packages, batch=args.batch, unit=UNIT)


if __name__ == "__main__":
    main()
