"""Backbones by name; each is called as ``BACKBONES[name](layout=..., num_person=..., **args)``."""

from functools import partial

from skeljax.models.aagcn import AAGCN
from skeljax.models.backbone import Features
from skeljax.models.ctrgcn import CTRGCN
from skeljax.models.dgstgcn import DGSTGCN
from skeljax.models.hdgcn import HDGCN
from skeljax.models.infogcn import InfoGCN
from skeljax.models.msg3d import MSG3D
from skeljax.models.stgcn import STGCN
from skeljax.models.tcagcn import TCAGCN

STGCNPP = {"graph": "direction", "topology": "free", "residual": True, "multi_scale": True}
ORIGINAL = {"dropout": 0.5, "initial": "normal"}
QUARTER = ORIGINAL | {"width": 16, "last_width": 256}
FRHEAD = {
    "graph": "identity",
    "topology": "unit",
    "order": "each",
    "residual": True,
    "kernel_size": 5,
    "data_norm": "MVC",
    "initial": "kaiming",
}

BACKBONES = {
    "ctrgcn": CTRGCN,
    "ctrgcn_pyskl": partial(CTRGCN, pyskl=True),
    "dgstgcn": DGSTGCN,
    "infogcn": InfoGCN,
    "hdgcn": HDGCN,
    "protogcn": partial(DGSTGCN, width=96, prototypes=400),
    "stgcn": STGCN,
    "stgcnpp": partial(STGCN, **STGCNPP),
    "stgcn_original": partial(STGCN, **ORIGINAL),
    "stgcn_contrastive": partial(STGCN, **QUARTER, graph="direction"),
    "stgcn_crosclr": partial(STGCN, **QUARTER),
    "stgcn_frhead": partial(STGCN, **FRHEAD),
    "aagcn": AAGCN,
    "aagcn_pyskl": partial(AAGCN, pyskl=True),
    "tcagcn": TCAGCN,
    "msg3d": MSG3D,
}

__all__ = ["BACKBONES", "Features"]
