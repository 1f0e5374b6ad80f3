"""Names of MS-G3D's tensors in PYSKL's and BRL's checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

_TCN = {
    "open/conv": tuple(f"branches.{k}.0" for k in range(5)),
    "open/bn": tuple(f"branches.{k}.1" for k in range(5)),
    "peak": ("branches.4.4",),
    "direct/conv": ("branches.5.0",),
    "direct/bn": ("branches.5.1",),
    "residual/conv": ("residual.conv",),
    "residual/bn": ("residual.bn",),
}
_TCN |= {
    f"dilated{k + 1}/{part}": (f"branches.{k}.3.{part}",)
    for k in range(4)
    for part in ("conv", "bn")
}
_GCN = {"graph/offset": "PA", "graph/conv": "mlp.layers.0", "bn": "mlp.layers.1"}
_WINDOW = {"out": "out_conv:conv3d", "bn": "out_bn"}
_WINDOW |= {f"gcn/{ours}": f"gcn3d.1.{theirs}" for ours, theirs in _GCN.items()}


def pyskl(path: str, windows: tuple[int, ...] = (3, 5)) -> tuple[str, ...] | None:
    """Tensors or modules of PYSKL's and BRL's code for one of our paths; `windows` of the model."""
    unit = re.fullmatch(r"backbone/stage(\d+)/(gcn|tcn|window)(\d*)/(.*)", path)
    if not unit:
        names = {"backbone/data_bn/bn": ("backbone.data_bn",), "head": ("cls_head.fc_cls:linear",)}
        return names.get(path)
    stage, kind, number, rest = unit.groups()
    if kind == "tcn":  # two in the spatial path, one after both
        prefix = f"tcn{stage}." if number == "3" else f"sgcn{stage}.{number}."
        names = _TCN.get(rest)
    elif kind == "gcn":
        prefix, names = f"sgcn{stage}.0.", _GCN.get(rest)
    else:
        prefix = f"gcn3d{stage}.gcn3d.{windows.index(int(number))}."
        names = _WINDOW.get(rest)
    names = (names,) if isinstance(names, str) else names
    return names and tuple(f"backbone.{prefix}{name}" for name in names)
