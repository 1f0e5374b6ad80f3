"""Names of HD-GCN's tensors in the authors' checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

_BLOCK = {
    "gcn/adjacency": ("gcn1.PA",),
    "gcn/aha/down/conv": ("gcn1.aha.conv_down.0",),
    "gcn/aha/down/bn": ("gcn1.aha.conv_down.1",),
    "gcn/aha/edge": ("gcn1.aha.edge_conv.conv.0",),
    "gcn/aha/edge/bn": ("gcn1.aha.edge_conv.conv.1",),
    "gcn/aha/aggregate": ("gcn1.aha.aggregate:conv1d",),
    "gcn/bn": ("gcn1.bn",),
    "gcn/down/conv": ("gcn1.down.0",),
    "gcn/down/bn": ("gcn1.down.1",),
    "tcn/open/conv": tuple(f"tcn1.branches.{k}.0" for k in range(3)),
    "tcn/open/bn": tuple(f"tcn1.branches.{k}.1" for k in range(3)),
    "tcn/short/conv": ("tcn1.branches.0.3.conv",),
    "tcn/short/conv/bias": ("tcn1.branches.0.3.bias:map",),
    "tcn/short/bn": ("tcn1.branches.0.3.bn",),
    "tcn/long/conv": ("tcn1.branches.1.3.conv",),
    "tcn/long/conv/bias": ("tcn1.branches.1.3.bias:map",),
    "tcn/long/bn": ("tcn1.branches.1.3.bn",),
    "tcn/peak": ("tcn1.branches.2.4",),
    "tcn/direct/conv": ("tcn1.branches.3.0",),
    "tcn/direct/bn": ("tcn1.branches.3.1",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
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


def official(num_levels: int, path: str) -> tuple[str, ...] | None:
    """Tensors or modules of the authors' code for one of our paths."""
    block = re.fullmatch(r"backbone/block(\d+)/(.*)", path)
    if not block:
        return {"backbone/data_bn/bn": ("data_bn",), "head": ("fc:linear",)}.get(path)
    prefix, path = f"l{block[1]}.", block[2]
    if path in _LEVEL:
        return tuple(f"{prefix}gcn1.{_LEVEL[path].format(level)}" for level in range(num_levels))
    if path in _CONVS:
        return tuple(
            _conv(prefix, level, name, last=level == num_levels - 1)
            for level in range(num_levels)
            for name in _CONVS[path]
        )
    names = _BLOCK.get(path)
    return names and tuple(prefix + name for name in names)


def _conv(prefix, level, name, last):
    # the last level also stands under the name of the loop variable that built it
    copy = f"={prefix}gcn1.conv_d.{name}" if last else ""
    return f"{prefix}gcn1.conv.{level}.{name}{copy}"
