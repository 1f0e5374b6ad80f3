"""Names of InfoGCN's tensors in the authors' checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

_TEMPORAL = {
    "tcn/open/conv": tuple(f"tcn.branches.{k}.0" for k in range(3)),
    "tcn/open/bn": tuple(f"tcn.branches.{k}.1" for k in range(3)),
    "tcn/short/conv": ("tcn.branches.0.3.conv",),
    "tcn/short/bn": ("tcn.branches.0.3.bn",),
    "tcn/long/conv": ("tcn.branches.1.3.conv",),
    "tcn/long/bn": ("tcn.branches.1.3.bn",),
    "tcn/peak": ("tcn.branches.2.4",),
    "tcn/direct/conv": ("tcn.branches.3.0",),
    "tcn/direct/bn": ("tcn.branches.3.1",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
}
_GRAPH = {
    "gcn/topology": ("agcn.shared_topology",),
    "gcn/attention/ln": ("agcn.attn.ln",),
    "gcn/attention/to_qk": ("agcn.attn.to_qk:linear",),
    "gcn/bn": ("agcn.bn",),
    "gcn/down/conv": ("agcn.down.0",),
    "gcn/down/bn": ("agcn.down.1",),
}
_OUTSIDE = {
    "backbone/position": ("pos_embedding",),
    "backbone/embedding": ("to_joint_embedding:linear",),
    "backbone/data_bn/bn": ("data_bn",),
    "backbone/fc": ("fc:linear",),
    "backbone/fc_mu": ("fc_mu:linear",),
    "backbone/fc_logvar": ("fc_logvar:linear",),
    "head": ("decoder:linear",),
}


def heads(flat) -> int:
    """H of a model with the flattened variables `flat`; its statistics alone do not tell."""
    return next((leaf.shape[0] for path, leaf in flat.items() if path[-1] == "topology"), 0)


def official(num_heads: int, path: str) -> tuple[str, ...] | None:
    """Tensors or modules of the authors' code for one of our paths."""
    if block := re.fullmatch(r"backbone/block(\d+)/(.*)", path):
        values = {"gcn/value": tuple(f"agcn.conv_d.{h}" for h in range(num_heads))}
        names = (_GRAPH | _TEMPORAL | values).get(block[2])
        return names and tuple(f"l{block[1]}.{name}" for name in names)
    return _OUTSIDE.get(path)
