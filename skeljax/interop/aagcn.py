"""Names of AAGCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re


def _subsets(conv):
    return tuple(f"{conv}.{k}" for k in range(3))


_GCN = {
    "graph/alpha": ("alpha",),
    "graph/theta": _subsets("conv_a"),
    "graph/phi": _subsets("conv_b"),
    "graph/value": _subsets("conv_d"),
    "attention/spatial/conv": ("conv_sa:linear",),
    "attention/temporal/conv": ("conv_ta:linear",),
    "attention/squeeze": ("fc1c:linear",),
    "attention/excite": ("fc2c:linear",),
    "bn": ("bn",),
    "down/conv": ("down.0",),
    "down/bn": ("down.1",),
}
_CONV = {"conv": ("conv",), "bn": ("bn",)}
_OFFICIAL = {"gcn": _GCN | {"graph/adjacency": ("PA",)}, "tcn": _CONV, "residual": _CONV}
_PYSKL = {"gcn": _GCN | {"graph/adjacency": ("A",)}, "tcn": _CONV, "residual": _CONV}
_BLOCK = re.compile(r"backbone/block(\d+)/(gcn|tcn|residual)/(.*)")


def official(path: str) -> tuple[str, ...] | None:
    """Tensors or modules of the authors' code as shipped with FR-Head, for one of our paths."""
    if block := _BLOCK.fullmatch(path):
        number, unit, rest = block.groups()
        names = _OFFICIAL[unit].get(rest)
        unit = {"gcn": "gcn1", "tcn": "tcn1"}.get(unit, unit)
        return names and tuple(f"l{number}.{unit}.{name}" for name in names)
    return {"backbone/data_bn/bn": ("data_bn",), "head": ("fc:linear",)}.get(path)


def pyskl(path: str) -> tuple[str, ...] | None:
    """The same for PYSKL's and BRL's code."""
    if block := _BLOCK.fullmatch(path):
        number, unit, rest = block.groups()
        names = _PYSKL[unit].get(rest)
        return names and tuple(f"backbone.gcn.{int(number) - 1}.{unit}.{name}" for name in names)
    names = {"backbone/data_bn/bn": ("backbone.data_bn",), "head": ("cls_head.fc_cls:linear",)}
    return names.get(path)
