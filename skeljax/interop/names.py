"""What the tables of tensor names share; see `pytorch`.

A code base names its blocks alike: the authors' (CTR-GCN's line) ``l1.`` to ``l10.``, PYSKL's
``backbone.gcn.0.`` to ``backbone.gcn.9.``. A family's table has what stands behind that, by our
path in a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Names = tuple[str, ...] | None
Table = Mapping[str, tuple[str, ...]]

_BLOCK = re.compile(r"backbone/block(\d+)/(.*)")
OFFICIAL = {"backbone/data_bn/bn": ("data_bn",), "head": ("fc:linear",)}
PYSKL = {"backbone/data_bn/bn": ("backbone.data_bn",), "head": ("cls_head.fc_cls:linear",)}


def official(path: str, block: Table, outside: Table = OFFICIAL) -> Names:
    """Tensors or modules of the authors' code (and FR-Head's, LST's) for one of our paths."""
    return find(path, block, outside, "l{}.")


def pyskl(path: str, block: Table, blocks: str = "gcn") -> Names:
    """The same for PYSKL's and BRL's code; `blocks` is what it calls their list."""
    return find(path, block, PYSKL, f"backbone.{blocks}.{{}}.", first=0)


def find(path: str, block: Table, outside: Table, prefix: str, first: int = 1) -> Names:
    """Names for one of our paths, or None.

    Args:
      block: names in a block; `outside`: full names of the rest.
      prefix: of a block, with a place for its number.
      first: number of the first block there.
    """
    if not (match := _BLOCK.fullmatch(path)):
        return outside.get(path)
    names, prefix = block.get(match[2]), prefix.format(int(match[1]) - 1 + first)
    return names and tuple(prefix + name.replace("=", f"={prefix}") for name in names)


def several(pattern: str, numbers) -> tuple[str, ...]:
    """Names side by side: ``several("convs.{}.conv1", range(3))``."""
    return tuple(pattern.format(number) for number in numbers)


def conv_norm(ours: str, conv: str, bn: str) -> dict[str, tuple[str, ...]]:
    """A `ConvNorm` of ours, from two modules."""
    return {f"{ours}/conv": (conv,), f"{ours}/bn": (bn,)}


def ctrgcn_tcn(unit: str) -> dict[str, tuple[str, ...]]:
    """CTR-GCN's temporal unit of that name, and the residual of its block."""
    branch = f"{unit}.branches."
    return {
        "tcn/open/conv": several(branch + "{}.0", range(3)),
        "tcn/open/bn": several(branch + "{}.1", range(3)),
        **conv_norm("tcn/short", branch + "0.3.conv", branch + "0.3.bn"),
        **conv_norm("tcn/long", branch + "1.3.conv", branch + "1.3.bn"),
        "tcn/peak": (branch + "2.4",),
        **conv_norm("tcn/direct", branch + "3.0", branch + "3.1"),
        **conv_norm("residual", "residual.conv", "residual.bn"),
    }


def six_branches(dilated: str, join: str) -> dict[str, tuple[str, ...]]:
    """ST-GCN++'s temporal unit and DG-STGCN's: what ours call the dilated branches and the norm
    of all; and the residual of the block."""
    branch = "tcn.branches."
    return {
        **conv_norm("tcn/open_first", branch + "0.0", branch + "0.1"),
        "tcn/open/conv": several(branch + "{}.0", range(1, 5)),
        "tcn/open/bn": several(branch + "{}.1", range(1, 5)),
        **{f"tcn/{dilated}{k + 1}": (f"{branch}{k}.3.conv",) for k in range(4)},
        "tcn/direct": (branch + "5",),
        f"tcn/{join}": ("tcn.transform.0",),
        **conv_norm("tcn/mix", "tcn.transform.2", "tcn.bn"),
        **conv_norm("residual", "residual.conv", "residual.bn"),
    }
