"""Backbones by name; each is called as ``BACKBONES[name](layout=..., num_person=..., **args)``."""

from functools import partial

from skeljax.models.ctrgcn import CTRGCN
from skeljax.models.layers import Features

BACKBONES = {
    "ctrgcn": CTRGCN,
    "ctrgcn_pyskl": partial(CTRGCN, pyskl=True),
}

__all__ = ["BACKBONES", "Features"]
