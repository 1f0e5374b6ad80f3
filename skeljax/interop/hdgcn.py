"""Names of HD-GCN's tensors in the authors' checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import functools
import re

from skeljax.interop import names

_BLOCK = {
    "gcn/adjacency": ("gcn1.PA",),
    **names.conv_norm("gcn/aha/down", "gcn1.aha.conv_down.0", "gcn1.aha.conv_down.1"),
    "gcn/aha/edge": ("gcn1.aha.edge_conv.conv.0",),
    "gcn/aha/edge/bn": ("gcn1.aha.edge_conv.conv.1",),
    "gcn/aha/aggregate": ("gcn1.aha.aggregate:conv1d",),
    "gcn/bn": ("gcn1.bn",),
    **names.conv_norm("gcn/down", "gcn1.down.0", "gcn1.down.1"),
    **names.ctrgcn_tcn("tcn1"),
    "tcn/short/conv/bias": ("tcn1.branches.0.3.bias:map",),
    "tcn/long/conv/bias": ("tcn1.branches.1.3.bias:map",),
}
# one tensor a level of the hierarchy, or one a level and subset
_LEVEL = {"gcn/open/conv": "conv_down.{}.0", "gcn/open/bn": "conv_down.{}.1"}
_CONVS = {
    "gcn/subset": ("0.0", "1.0", "2.0"),
    "gcn/subset_bn": ("0.1", "1.1", "2.1"),
    "gcn/edge": ("3.conv.0",),
    "gcn/edge/bn": ("3.conv.1",),
}


def levels(flat) -> int:
    """L of a model with the flattened variables `flat`: every level opens a quarter of D."""
    sizes = {"/".join(path[2:]): leaf.size for path, leaf in flat.items()}
    opened = next((path for path in sizes if re.match(r"block\d+/gcn/open/bn/", path)), None)
    return 4 * sizes[opened] // sizes[opened.replace("/open", "")] if opened else 0


def official(num_levels: int, path: str) -> names.Names:
    """Tensors or modules of the authors' code for one of our paths."""
    return names.official(path, _BLOCK | _levels(num_levels))


@functools.cache
def _levels(count):
    """What stands in a block once a level; the last one's modules stand there twice, also under the
    name of the loop variable that built them."""
    table = {ours: names.several(f"gcn1.{theirs}", range(count)) for ours, theirs in _LEVEL.items()}
    for ours, parts in _CONVS.items():
        every = [f"gcn1.conv.{level}.{part}" for level in range(count) for part in parts]
        last = [f"{name}=gcn1.conv_d.{part}" for name, part in zip(every[-len(parts) :], parts)]
        table[ours] = (*every[: -len(parts)], *last)
    return table
