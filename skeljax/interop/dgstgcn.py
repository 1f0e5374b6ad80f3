"""Names of DG-STGCN's tensors in PYSKL's checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

from functools import partial

from skeljax.interop import names

_BLOCK = {
    "gcn/adjacency": ("gcn.A",),
    "gcn/alpha": ("gcn.alpha",),
    "gcn/beta": ("gcn.beta",),
    "gcn/query": ("gcn.conv1",),
    "gcn/key": ("gcn.conv2",),
    **names.conv_norm("gcn/pre", "gcn.pre.0", "gcn.pre.1"),
    **names.conv_norm("gcn/post", "gcn.post", "gcn.bn"),
    **names.conv_norm("gcn/down", "gcn.down.0", "gcn.down.1"),
    "tcn/add_coeff": ("tcn.add_coeff",),
    **names.six_branches("d", "mixed"),
}

pyskl = partial(names.pyskl, block=_BLOCK)
