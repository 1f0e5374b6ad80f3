"""Names of TCA-GCN's tensors in public checkpoints, by our module; see `pytorch`."""

from __future__ import annotations

import re

from skeljax.interop import ctrgcn


def _subsets(conv):
    return tuple(f"gcn1.convs.{k}.{conv}" for k in range(3))


_CONVS = {"query": "conv1", "key": "conv2", "unused": "conv3", "refine": "conv4", "value": "conv"}
_CALIBRATION = {"whole": "g", "squeeze/conv": "a", "squeeze/bn": "bn", "excite": "b"}
# what a block has beside CTR-GCN's
_NEW = {"gcn/tcagc/adjacency": ("gcn1.PA",), "gcn/tcagc/alpha": ("gcn1.alpha",)}
_NEW |= {f"gcn/tcagc/{ours}": _subsets(theirs) for ours, theirs in _CONVS.items()}
_NEW |= {
    f"gcn/tcagc/calibrate{k + 1}/{ours}": (f"gcn1.convs.{k}.conv_rf.{theirs}",)
    for k in range(3)
    for ours, theirs in _CALIBRATION.items()
}
_NEW |= {
    f"tcn/{scope}_{unit}/{part}": (f"tcn1.af.{scope}_att.{first + number}",)
    # the global branch begins with its pooling
    for scope, shift in (("local", 0), ("global", 1))
    for unit, first in (("squeeze", shift), ("excite", 3 + shift))
    for number, part in enumerate(("conv", "bn"))
}


def official(path: str) -> tuple[str, ...] | None:
    """Tensors or modules of the code shipped with FR-Head for one of our paths."""
    block = re.fullmatch(r"backbone/block(\d+)/(.*)", path)
    if block and block[2] in _NEW:
        return tuple(f"l{block[1]}.{name}" for name in _NEW[block[2]])
    return ctrgcn.official(path.replace("/tcn/scales/", "/tcn/"))
