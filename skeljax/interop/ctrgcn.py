"""Names of CTR-GCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re


def _subsets(conv):
    return tuple(f"gcn1.convs.{k}.{conv}" for k in range(3))


_BLOCK = {
    "gcn/ctrgc/adjacency": ("gcn1.PA",),
    "gcn/ctrgc/alpha": ("gcn1.alpha",),
    "gcn/ctrgc/query": _subsets("conv1"),
    "gcn/ctrgc/key": _subsets("conv2"),
    "gcn/ctrgc/value": _subsets("conv3"),
    "gcn/ctrgc/refine": _subsets("conv4"),
    "gcn/bn": ("gcn1.bn",),
    "gcn/down/conv": ("gcn1.down.0",),
    "gcn/down/bn": ("gcn1.down.1",),
    "tcn/open/conv": tuple(f"tcn1.branches.{k}.0" for k in range(3)),
    "tcn/open/bn": tuple(f"tcn1.branches.{k}.1" for k in range(3)),
    "tcn/short/conv": ("tcn1.branches.0.3.conv",),
    "tcn/short/bn": ("tcn1.branches.0.3.bn",),
    "tcn/long/conv": ("tcn1.branches.1.3.conv",),
    "tcn/long/bn": ("tcn1.branches.1.3.bn",),
    "tcn/peak": ("tcn1.branches.2.4",),
    "tcn/direct/conv": ("tcn1.branches.3.0",),
    "tcn/direct/bn": ("tcn1.branches.3.1",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
}
_PYSKL_BLOCK = _BLOCK | {"gcn/ctrgc/adjacency": ("gcn1.A",)}


def official(path: str) -> tuple[str, ...] | None:
    """Tensors or modules of the authors' code (and of FR-Head, LST) for one of our paths."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        return _prefixed(f"l{block[1]}.", _BLOCK.get(block[2]))
    return {"backbone/data_bn/bn": ("data_bn",), "head": ("fc:linear",)}.get(path)


_LST = {
    "scale": ("logit_scale",),
    "text_heads/whole": ("linear_head:linear",),
    "text_heads/head": ("part_list.0:linear",),
    "text_heads/hand": ("part_list.1:linear",),
    "text_heads/foot": ("part_list.2:linear",),
    "text_heads/hip": ("part_list.3:linear",),
}


def lst(path: str) -> tuple[str, ...] | None:
    """LST's: the authors' CTR-GCN and the heads for text (named after the encoder, see aliases)."""
    return _LST.get(path) or official(path)


def pyskl(path: str) -> tuple[str, ...] | None:
    """The same for PYSKL's and BRL's code."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        return _prefixed(f"backbone.net.{int(block[1]) - 1}.", _PYSKL_BLOCK.get(block[2]))
    names = {"backbone/data_bn/bn": ("backbone.data_bn",), "head": ("cls_head.fc_cls:linear",)}
    return names.get(path)


def _prefixed(prefix, names):
    return names and tuple(prefix + name for name in names)
