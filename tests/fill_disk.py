"""Run by test_checkpoint: the disk is full in the middle of a save, several times."""

import resource
import sys

import jax.numpy as jnp

from skeljax.checkpoint import Checkpoints
from skeljax.errors import CheckpointError
from skeljax.sharding import make_mesh, replicate, set_up
from skeljax.train import State

set_up("none")
trees = [{f"{part}{i}": jnp.arange(200_000.0) + i for i in range(3)} for part in "wm"]
state = replicate(State(jnp.int32(1), trees[0], {}, trees[1]), make_mesh("1"))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for number in range(8):
    folder = Checkpoints(f"{sys.argv[1]}/{number}")
    try:
        folder.save(state, {})
        folder.close()
    except CheckpointError as error:
        print(error.what, "at", number)
