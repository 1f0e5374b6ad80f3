"""CTR-GCN on a CPU: milliseconds a clip, ours and, where torch is installed, PyTorch's.

    python benchmarks/ctrgcn_cpu.py --json benchmarks/results/ctrgcn_cpu.json

Batch 16 of random clips in memory. Train = forward, mean cross entropy, backward, SGD with Nesterov
momentum and weight decay; infer = forward alone with the running statistics. The two sides live in
processes of their own and take single steps in turn (A, B, A, B), so that a busy machine slows both
alike. Reported are the minima over all rounds, of the wall clock and of the processor time of all
threads (``_cpu``; the steadier of the two on a shared machine), and their ratios. Compilation is
cold.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from importlib.metadata import version

# layout, persons, frames, classes
SHAPES = {"nw_ucla": ("ucla20", 1, 52, 10), "ntu60": ("ntu25", 2, 64, 60)}
BATCH = 16
TIMES = ("train", "train_cpu", "infer", "infer_cpu")
LR, MOMENTUM, DECAY = 0.1, 0.9, 5e-4


def jax_side(shape, backbone="ctrgcn"):
    """(train, infer) functions without arguments that wait for their result, and facts."""
    import jax
    import jax.numpy as jnp
    import optax

    from skeljax.layouts import get_layout
    from skeljax.models import BACKBONES
    from skeljax.models.heads import Classifier, Linear

    name, num_person, frames, classes = SHAPES[shape]
    layout = get_layout(name)
    net = Classifier(BACKBONES[backbone](layout=layout, num_person=num_person), Linear(classes))
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (BATCH, num_person, frames, layout.num_joints, 3))
    y = jax.random.randint(keys[1], (BATCH,), 0, classes)
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

    def cold(function, *args, **options):
        lowered = jax.jit(function, **options).lower(*args)
        start = time.perf_counter()
        return lowered.compile(), time.perf_counter() - start, lowered.cost_analysis()["flops"]

    variables = jax.jit(functools.partial(net.init, train=False))(keys[2], x)
    state = variables["params"], variables["batch_stats"], optimizer.init(variables["params"])
    step, train_s, train_flops = cold(step, state, x, y, donate_argnums=0)
    forward, infer_s, infer_flops = cold(lambda v, x: net.apply(v, x, train=False)[0], variables, x)
    variables = jax.tree.map(jnp.copy, variables)  # the step takes the originals

    def train():
        nonlocal state
        state = jax.block_until_ready(step(state, x, y))

    def infer():
        jax.block_until_ready(forward(variables, x))

    facts = {"train_compile_s": train_s, "infer_compile_s": infer_s}
    gflop = {"train_gflop": train_flops, "infer_gflop": infer_flops}
    return train, infer, facts | {name: n / BATCH / 1e9 for name, n in gflop.items()}


def torch_side(shape):
    """The same for PyTorch."""
    import torch
    from ctrgcn_torch import CTRGCN

    from skeljax.layouts import get_layout
    from skeljax.models.graphs import spatial

    name, num_person, frames, classes = SHAPES[shape]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    adjacency = torch.from_numpy(spatial(get_layout(name)))
    net = CTRGCN(adjacency, num_person, classes)
    x = torch.randn(BATCH, num_person, frames, adjacency.shape[-1], 3)
    y = torch.randint(classes, (BATCH,))
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


SIDES = {"skeljax": jax_side, "torch": torch_side}


def serve(side, shape):
    """Answers every line ``train`` or ``infer`` on stdin with its wall and cpu ms a clip."""
    train, infer, facts = SIDES[side](shape)
    functions = {"train": train, "infer": infer}
    for function in functions.values():
        function()
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        start = time.perf_counter(), time.process_time()
        functions[line.strip()]()
        took = time.perf_counter() - start[0], time.process_time() - start[1]
        print(json.dumps([seconds * 1000 / BATCH for seconds in took]), flush=True)


def measure(shape, sides, rounds):
    """{side: {"train": ms, "infer": ms, ...}} of one shape, the sides taking turns."""
    # threads that wait must sleep: spinning ones starve the other side
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    servers = {}
    for side in sides:
        command = [sys.executable, __file__, "--serve", side, "--shape", shape]
        servers[side] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(side, what=None):
        if what:
            servers[side].stdin.write(what + "\n")
            servers[side].stdin.flush()
        return json.loads(servers[side].stdout.readline())

    result = {side: ask(side) for side in sides}
    for what in ("train", "infer"):
        times = {side: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                times[side].append(ask(side, what))
        for side in sides:
            result[side][what], result[side][f"{what}_cpu"] = map(min, zip(*times[side]))
    for server in servers.values():
        server.stdin.close()
        server.wait()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--shape", choices=SHAPES, help="one of them only")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.shape)
    sides = [side for side in SIDES if importlib.util.find_spec(side)]
    shapes = [args.shape] if args.shape else list(SHAPES)
    results = {shape: measure(shape, sides, args.rounds) for shape in shapes}
    for shape, by_side in results.items():
        for side, numbers in by_side.items():
            print(shape, side, *(f"{key} {value:.1f}" for key, value in numbers.items()))
        if len(by_side) > 1:
            ours, theirs = by_side.values()
            ratios = {what: ours[what] / theirs[what] for what in TIMES}
            print(shape, "ratio", *(f"{what} {ratio:.2f}" for what, ratio in ratios.items()))
    if args.json:
        write(args.json, results, ["jax", "flax", "numpy"] + ["torch"] * ("torch" in sides))


def write(path, results, packages):
    """The numbers and what they were measured with."""
    facts = {
        "command": " ".join(["python", *sys.argv]),
        "batch": BATCH,
        "unit": "ms and GFLOP a clip, minimum; compile in seconds",
        "cpus": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in packages},
        "results": results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
