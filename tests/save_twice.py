"""Run by test_devices in two processes: two folders save every step, each in the background."""

import sys

import jax.numpy as jnp

from skeljax.checkpoint import Checkpoints
from skeljax.sharding import make_mesh, replicate, start_distributed
from skeljax.train import State

start_distributed()
mesh = make_mesh()
folders = [Checkpoints(f"{sys.argv[1]}/{name}") for name in ("checkpoints", "best")]
for step in range(1, 31):
    weights = {"w": jnp.full(1000, step, jnp.float32)}
    state = replicate(State(jnp.int32(step), weights, {}, {}), mesh)
    for folder in folders:
        folder.save(state, {"step": step})
for folder in folders:
    folder.close()
    print(folder.folder.name, folder.latest)
