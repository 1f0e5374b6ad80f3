"""Every backbone learns: a few steps on the synthetic set and on NW-UCLA, in float32 and bfloat16.

    python benchmarks/backbones_train.py --json benchmarks/results/backbones_train.json

A quarter of the width and two blocks, the second wider and with half the frames; the trainer's own
steps, optimizer and recipes. Reported are the loss of the first step, the mean loss of the last
five, and the top-1 of the clips of these. A loss that is not finite ends it. The file is written
after every run, and what it holds already is not run again. Datasets: nw_ucla by `skeljax prepare`;
synthetic/ntu25 is made when asked for.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import jax
import numpy as np
import record

from skeljax import presets
from skeljax.data.recipes import device_data
from skeljax.job import build, load_stores, training_facts
from skeljax.models import BACKBONES
from skeljax.optim import learning_rate
from skeljax.sharding import make_mesh, replicate, replicated
from skeljax.train import clip_order, make_chunk, make_init, make_key, optimizer_for

DATASETS = ("synthetic/ntu25", "nw_ucla")
DTYPES = ("float32", "bfloat16")
LAST = 5  # steps that the reported means are taken over
# it is compiled for a minute's work, which takes longer than the work
QUICKLY = {"xla_backend_optimization_level": 0}


def config_of(dataset, backbone, dtype):
    config = presets.base()
    config.data.dataset = dataset
    config.data.bodies = 1
    if dataset == "nw_ucla":
        presets.use_recipe(config, "ucla", frames=16)
    else:
        config.data.prepare = "unit"
        presets.use_recipe(config, "generic", window=16, rotation=0.0)
    presets.use_model(config, backbone, dtype=dtype, depth=2, grow=(2,))
    config.model.width //= 4
    if config.model.get("last_width"):  # as wide as it would grow
        config.model.last_width = 0
    presets.use_method(config, "supervised")
    config.optim.base_lr = 0.05
    config.train.batch = 32
    return config


def learn(config, stores, steps):
    """{"first": loss, "last": loss, "top1": share} of so many training steps."""
    mesh = make_mesh("1")
    order = np.concatenate([clip_order(config, stores.train, epoch) for epoch in range(steps)])
    job = build(config, training_facts(config, stores.train, steps))
    rate = learning_rate(
        config.optim.base_lr, batch=config.train.batch, base_batch=0, epochs=1,
        steps_per_epoch=steps, **config.optim.schedule.to_dict(),
    )  # fmt: skip
    data = device_data(stores.train, *job.train_recipes, sharding=replicated(mesh))
    optimizer = optimizer_for(config, job, rate, data)

    def run(function, *args):
        return function.lower(*args).compile(QUICKLY)(*args)

    key = make_key(config.seed, mesh)
    state = run(make_init(job, optimizer, mesh), data, key)
    given = replicate((order[:steps], np.int32(0), np.int32(steps)), mesh)
    _, rows = run(make_chunk(job, optimizer, rate, mesh), state, data, key, *given)
    rows = {name: np.asarray(values)[:steps] for name, values in jax.device_get(rows).items()}
    if not np.isfinite(rows["loss"]).all():
        raise SystemExit(f"{config.model.name} {config.model.dtype}: loss {rows['loss']}")
    last = {name: float(rows[name][-LAST:].mean()) for name in ("loss", "top1")}
    return {"first": float(rows["loss"][0]), "last": last["loss"], "top1": last["top1"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help="some of them only")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(BACKBONES))
    if unknown:
        parser.error(f"no backbone {unknown[0]!r}; known: {', '.join(BACKBONES)}")
    results = {}
    if args.json and args.json.exists():
        results = json.loads(args.json.read_text())["results"]
    for dataset in DATASETS:
        stores = load_stores(config_of(dataset, "ctrgcn", "float32"))
        rows = results.setdefault(dataset, {})
        for name in args.names or BACKBONES:
            for dtype in DTYPES:
                if dtype in rows.setdefault(name, {}):
                    continue
                config = config_of(dataset, name, dtype)
                rows[name][dtype] = found = learn(config, stores, args.steps)
                values = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
                print(f"{dataset} {name} {dtype}: {values}", flush=True)
                if args.json:
                    facts = {"steps": args.steps, "batch": config.train.batch, "width": "1/4"}
                    record.write(args.json, results, **facts, seed=config.seed)


if __name__ == "__main__":
    main()
