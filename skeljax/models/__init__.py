"""Backbones by name; each is called as ``BACKBONES[name](layout=..., num_person=..., **args)``."""

from functools import partial

from skeljax.models.ctrgcn import CTRGCN
from skeljax.models.dgstgcn import DGSTGCN
from skeljax.models.hdgcn import HDGCN
from skeljax.models.infogcn import InfoGCN
from skeljax.models.layers import Features
from skeljax.models.protogcn import ProtoGCN

BACKBONES = {
    "ctrgcn": CTRGCN,
    "ctrgcn_pyskl": partial(CTRGCN, pyskl=True),
    "dgstgcn": DGSTGCN,
    "infogcn": InfoGCN,
    "hdgcn": HDGCN,
    "protogcn": ProtoGCN,
}

__all__ = ["BACKBONES", "Features"]
