"""Names of ST-GCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re
from functools import partial

from skeljax.interop import names

_PYSKL = {
    "gcn/graph/conv": ("gcn.conv",),
    "gcn/graph/adjacency": ("gcn.A",),
    "gcn/graph/importance": ("gcn.PA",),
    "gcn/graph/offset": ("gcn.PA",),
    "gcn/bn": ("gcn.bn",),
    **names.conv_norm("gcn/down", "gcn.down.0", "gcn.down.1"),
    **names.conv_norm("tcn", "tcn.conv", "tcn.bn"),
    **names.six_branches("dilated", "join"),  # of ST-GCN++
}
_ORIGINAL = {
    "gcn/graph/conv": ("gcn.conv",),
    "gcn/bn": ("tcn.0",),
    **names.conv_norm("tcn", "tcn.2", "tcn.3"),
    **names.conv_norm("residual", "residual.0", "residual.1"),
}
_FRHEAD = {
    "gcn/graph/adjacency": ("gcn1.PA",),
    "gcn/graph/conv": names.several("gcn1.conv_d.{}", range(3)),
    "gcn/bn": ("gcn1.bn",),
    **names.conv_norm("gcn/down", "gcn1.down.0", "gcn1.down.1"),
    **names.conv_norm("tcn", "tcn1.conv", "tcn1.bn"),
    **names.conv_norm("residual", "residual.conv", "residual.bn"),
}

pyskl = partial(names.pyskl, block=_PYSKL)  # ST-GCN and ST-GCN++
frhead = partial(names.official, block=_FRHEAD)  # the variant shipped with FR-Head


def original(path: str, prefix: str = "", head: str = "fcn") -> names.Names:
    """Tensors or modules of the authors' code; its head is a 1x1 convolution."""
    if importance := re.fullmatch(r"backbone/block(\d+)/gcn/graph/importance", path):
        return (f"{prefix}edge_importance.{int(importance[1]) - 1}",)
    outside = {"backbone/data_bn/bn": (f"{prefix}data_bn",), "head": (prefix + head,)}
    return names.find(path, _ORIGINAL, outside, prefix + "st_gcn_networks.{}.", first=0)


# the query encoder of CrosSCLR, AimCLR, SkeleMixCLR
contrastive = partial(original, prefix="encoder_q.", head="fc:linear")
