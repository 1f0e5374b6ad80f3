"""Names of InfoGCN's tensors in the authors' checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

from skeljax.interop import names

_BLOCK = {
    "gcn/topology": ("agcn.shared_topology",),
    "gcn/attention/ln": ("agcn.attn.ln",),
    "gcn/attention/to_qk": ("agcn.attn.to_qk:linear",),
    "gcn/bn": ("agcn.bn",),
    **names.conv_norm("gcn/down", "agcn.down.0", "agcn.down.1"),
    **names.ctrgcn_tcn("tcn"),
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


def official(num_heads: int, path: str) -> names.Names:
    """Tensors or modules of the authors' code for one of our paths."""
    values = {"gcn/value": names.several("agcn.conv_d.{}", range(num_heads))}
    return names.official(path, _BLOCK | values, _OUTSIDE)
