"""Names of ST-GCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

_UNIT = {
    "gcn/bn": ("gcn.bn",),
    "gcn/down/conv": ("gcn.down.0",),
    "gcn/down/bn": ("gcn.down.1",),
    "gcn/graph/conv": ("gcn.conv",),
    "gcn/graph/adjacency": ("gcn.A",),
    "gcn/graph/importance": ("gcn.PA",),
    "gcn/graph/offset": ("gcn.PA",),
    "tcn/conv": ("tcn.conv",),
    "tcn/bn": ("tcn.bn",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
}
_MULTI_SCALE = {
    "tcn/open_first/conv": ("tcn.branches.0.0",),
    "tcn/open_first/bn": ("tcn.branches.0.1",),
    "tcn/open/conv": tuple(f"tcn.branches.{k}.0" for k in range(1, 5)),
    "tcn/open/bn": tuple(f"tcn.branches.{k}.1" for k in range(1, 5)),
    "tcn/dilated1": ("tcn.branches.0.3.conv",),
    "tcn/dilated2": ("tcn.branches.1.3.conv",),
    "tcn/dilated3": ("tcn.branches.2.3.conv",),
    "tcn/dilated4": ("tcn.branches.3.3.conv",),
    "tcn/direct": ("tcn.branches.5",),
    "tcn/join": ("tcn.transform.0",),
    "tcn/mix/conv": ("tcn.transform.2",),
    "tcn/mix/bn": ("tcn.bn",),
}
_ORIGINAL = {
    "gcn/graph/conv": ("gcn.conv",),
    "gcn/bn": ("tcn.0",),
    "tcn/conv": ("tcn.2",),
    "tcn/bn": ("tcn.3",),
    "residual/conv": ("residual.0",),
    "residual/bn": ("residual.1",),
}
_FRHEAD = {
    "gcn/graph/adjacency": ("gcn1.PA",),
    "gcn/graph/conv": tuple(f"gcn1.conv_d.{k}" for k in range(3)),
    "gcn/bn": ("gcn1.bn",),
    "gcn/down/conv": ("gcn1.down.0",),
    "gcn/down/bn": ("gcn1.down.1",),
    "tcn/conv": ("tcn1.conv",),
    "tcn/bn": ("tcn1.bn",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
}


def pyskl(path: str) -> tuple[str, ...] | None:
    """Tensors or modules of PYSKL's and BRL's ST-GCN and ST-GCN++ for one of our paths."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        names = (_UNIT | _MULTI_SCALE).get(block[2])
        return names and tuple(f"backbone.gcn.{int(block[1]) - 1}.{name}" for name in names)
    names = {"backbone/data_bn/bn": ("backbone.data_bn",), "head": ("cls_head.fc_cls:linear",)}
    return names.get(path)


def original(path: str, prefix: str = "", head: str = "fcn") -> tuple[str, ...] | None:
    """The same for the authors' code; its head is a 1x1 convolution."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        number = int(block[1]) - 1
        if block[2] == "gcn/graph/importance":
            return (f"{prefix}edge_importance.{number}",)
        names = _ORIGINAL.get(block[2])
        return names and tuple(f"{prefix}st_gcn_networks.{number}.{name}" for name in names)
    names = {"backbone/data_bn/bn": "data_bn", "head": head}
    return (prefix + names[path],) if path in names else None


def contrastive(path: str) -> tuple[str, ...] | None:
    """The same for the query encoder of CrosSCLR, AimCLR, SkeleMixCLR."""
    return original(path, "encoder_q.", "fc:linear")


def frhead(path: str) -> tuple[str, ...] | None:
    """The same for the variant shipped with FR-Head."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        names = _FRHEAD.get(block[2])
        return names and tuple(f"l{block[1]}.{name}" for name in names)
    return {"backbone/data_bn/bn": ("data_bn",), "head": ("fc:linear",)}.get(path)
