"""Names of MS-G3D's tensors in PYSKL's and BRL's checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

from skeljax.interop import names

_TCN = {
    "open/conv": names.several("branches.{}.0", range(5)),
    "open/bn": names.several("branches.{}.1", range(5)),
    "peak": ("branches.4.4",),
    **names.conv_norm("direct", "branches.5.0", "branches.5.1"),
    **names.conv_norm("residual", "residual.conv", "residual.bn"),
}
for _k in range(4):
    _TCN |= names.conv_norm(f"dilated{_k + 1}", f"branches.{_k}.3.conv", f"branches.{_k}.3.bn")
_GCN = {"graph/offset": ("PA",), "graph/conv": ("mlp.layers.0",), "bn": ("mlp.layers.1",)}
_WINDOW = {"out": ("out_conv:conv3d",), "bn": ("out_bn",)}
_WINDOW |= {f"gcn/{ours}": (f"gcn3d.1.{theirs}",) for ours, (theirs,) in _GCN.items()}


def windows(flat) -> list[int]:
    """The windows of a model, by its variables {path: leaf}; the code bases count them upwards."""
    found = (re.fullmatch(r"window(\d+)", part) for path in flat for part in path)
    return sorted({int(match[1]) for match in found if match})


def pyskl(windows: list[int], path: str) -> names.Names:
    """Tensors or modules of PYSKL's and BRL's code for one of our paths."""
    unit = re.fullmatch(r"backbone/stage(\d+)/(gcn|tcn|window)(\d*)/(.*)", path)
    if not unit:
        return names.PYSKL.get(path)
    stage, kind, number, rest = unit.groups()
    if kind == "tcn":  # two in the spatial path, one after both
        prefix = f"tcn{stage}." if number == "3" else f"sgcn{stage}.{number}."
        found = _TCN.get(rest)
    elif kind == "gcn":
        prefix, found = f"sgcn{stage}.0.", _GCN.get(rest)
    else:
        prefix = f"gcn3d{stage}.gcn3d.{windows.index(int(number))}."
        found = _WINDOW.get(rest)
    return found and tuple(f"backbone.{prefix}{name}" for name in found)
