"""Names of DG-STGCN's tensors in PYSKL's checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

_DILATED = range(4)  # branches with a convolution over time; then max pool, then 1x1

_BLOCK = {
    "gcn/adjacency": ("gcn.A",),
    "gcn/alpha": ("gcn.alpha",),
    "gcn/beta": ("gcn.beta",),
    "gcn/query": ("gcn.conv1",),
    "gcn/key": ("gcn.conv2",),
    "gcn/pre/conv": ("gcn.pre.0",),
    "gcn/pre/bn": ("gcn.pre.1",),
    "gcn/post/conv": ("gcn.post",),
    "gcn/post/bn": ("gcn.bn",),
    "gcn/down/conv": ("gcn.down.0",),
    "gcn/down/bn": ("gcn.down.1",),
    "tcn/add_coeff": ("tcn.add_coeff",),
    "tcn/open_first/conv": ("tcn.branches.0.0",),
    "tcn/open_first/bn": ("tcn.branches.0.1",),
    "tcn/open/conv": tuple(f"tcn.branches.{k}.0" for k in range(1, 5)),
    "tcn/open/bn": tuple(f"tcn.branches.{k}.1" for k in range(1, 5)),
    **{f"tcn/d{k + 1}": (f"tcn.branches.{k}.3.conv",) for k in _DILATED},
    "tcn/direct": ("tcn.branches.5",),
    "tcn/mixed": ("tcn.transform.0",),
    "tcn/mix/conv": ("tcn.transform.2",),
    "tcn/mix/bn": ("tcn.bn",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
}


def pyskl(path: str) -> tuple[str, ...] | None:
    """Tensors or modules of PYSKL's code for one of our paths."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        names = _BLOCK.get(block[2])
        return names and tuple(f"backbone.gcn.{int(block[1]) - 1}.{name}" for name in names)
    names = {"backbone/data_bn/bn": ("backbone.data_bn",), "head": ("cls_head.fc_cls:linear",)}
    return names.get(path)
