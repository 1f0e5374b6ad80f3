"""Names of ProtoGCN's tensors in the authors' checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

from skeljax.interop import dgstgcn, names

_NAMES = {
    "backbone/prn/query": ("backbone.prn.query_matrix.weight:linear",),
    "backbone/prn/memory": ("backbone.prn.memory_matrix.weight:linear",),
    **names.conv_norm("backbone/post", "backbone.post", "backbone.bn"),
    "contrast": ("cls_head.csc_loss.cl_fc:linear",),
}


def official(path: str) -> names.Names:
    """Tensors or modules of the authors' code, a fork of PYSKL, for one of our paths."""
    return _NAMES.get(path) or dgstgcn.pyskl(path)
