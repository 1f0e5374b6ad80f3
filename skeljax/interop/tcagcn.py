"""Names of TCA-GCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

from skeljax.interop import ctrgcn, names

_CONVS = {"query": "conv1", "key": "conv2", "unused": "conv3", "refine": "conv4", "value": "conv"}
_CALIBRATION = {"whole": "g", "squeeze/conv": "a", "squeeze/bn": "bn", "excite": "b"}
_BLOCK = {
    "gcn/tcagc/adjacency": ("gcn1.PA",),
    "gcn/tcagc/alpha": ("gcn1.alpha",),
    **{
        f"gcn/tcagc/{ours}": names.several(f"gcn1.convs.{{}}.{theirs}", range(3))
        for ours, theirs in _CONVS.items()
    },
    **{
        f"gcn/tcagc/calibrate/{ours}": names.several(f"gcn1.convs.{{}}.conv_rf.{theirs}", range(3))
        for ours, theirs in _CALIBRATION.items()
    },
}
# the global branch begins with its pooling
for _scope, _shift in (("local", 0), ("global", 1)):
    for _unit, _number in (("squeeze", _shift), ("excite", 3 + _shift)):
        _module = f"tcn1.af.{_scope}_att."
        _BLOCK |= names.conv_norm(
            f"tcn/{_scope}_{_unit}", f"{_module}{_number}", f"{_module}{_number + 1}"
        )


def official(path: str) -> names.Names:
    """Tensors or modules of the code shipped with FR-Head for one of our paths."""
    return names.official(path, _BLOCK) or ctrgcn.official(path.replace("/tcn/scales/", "/tcn/"))
