"""Names of AAGCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

from functools import partial

from skeljax.interop import names


def _block(gcn: str, tcn: str, adjacency: str) -> dict[str, tuple[str, ...]]:
    """Names in a block, by those of its units and of the learned graph."""
    return {
        "gcn/graph/adjacency": (f"{gcn}.{adjacency}",),
        "gcn/graph/alpha": (f"{gcn}.alpha",),
        "gcn/graph/theta": names.several(gcn + ".conv_a.{}", range(3)),
        "gcn/graph/phi": names.several(gcn + ".conv_b.{}", range(3)),
        "gcn/graph/value": names.several(gcn + ".conv_d.{}", range(3)),
        "gcn/attention/spatial/conv": (f"{gcn}.conv_sa:linear",),
        "gcn/attention/temporal/conv": (f"{gcn}.conv_ta:linear",),
        "gcn/attention/squeeze": (f"{gcn}.fc1c:linear",),
        "gcn/attention/excite": (f"{gcn}.fc2c:linear",),
        "gcn/bn": (f"{gcn}.bn",),
        **names.conv_norm("gcn/down", f"{gcn}.down.0", f"{gcn}.down.1"),
        **names.conv_norm("tcn", f"{tcn}.conv", f"{tcn}.bn"),
        **names.conv_norm("residual", "residual.conv", "residual.bn"),
    }


official = partial(names.official, block=_block("gcn1", "tcn1", "PA"))  # as shipped with FR-Head
pyskl = partial(names.pyskl, block=_block("gcn", "tcn", "A"))
