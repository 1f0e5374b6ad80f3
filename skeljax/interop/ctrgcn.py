"""Names of CTR-GCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

from functools import partial

from skeljax.interop import names

_CONVS = {"query": "conv1", "key": "conv2", "value": "conv3", "refine": "conv4"}
_BLOCK = {
    "gcn/ctrgc/adjacency": ("gcn1.PA",),
    "gcn/ctrgc/alpha": ("gcn1.alpha",),
    **{
        f"gcn/ctrgc/{ours}": names.several(f"gcn1.convs.{{}}.{theirs}", range(3))
        for ours, theirs in _CONVS.items()
    },
    "gcn/bn": ("gcn1.bn",),
    **names.conv_norm("gcn/down", "gcn1.down.0", "gcn1.down.1"),
    **names.ctrgcn_tcn("tcn1"),
}
_LST = {
    "scale": ("logit_scale",),
    "text_heads/whole": ("linear_head:linear",),
    "text_heads/head": ("part_list.0:linear",),
    "text_heads/hand": ("part_list.1:linear",),
    "text_heads/foot": ("part_list.2:linear",),
    "text_heads/hip": ("part_list.3:linear",),
}

official = partial(names.official, block=_BLOCK)
pyskl = partial(names.pyskl, block=_BLOCK | {"gcn/ctrgc/adjacency": ("gcn1.A",)}, blocks="net")


def lst(path: str) -> names.Names:
    """LST's: the authors' CTR-GCN and the heads for text (named after the encoder, see aliases)."""
    return _LST.get(path) or official(path)
