"""Names of FR-Head's tensors in public checkpoints, by our module; see `pytorch`.

Only the head's: a checkpoint's backbone and classifier go by the names of the backbone's family.
"""

from __future__ import annotations

import re

_LEVELS = ("low", "mid", "high", "fin")
_BRANCH = {
    "squeeze/conv": "{}_squeeze.0",
    "squeeze/bn": "{}_squeeze.1",
    "embed": "{}_cl_net.cl_fc:linear",
}


def head(path: str) -> tuple[str, ...] | None:
    """Tensor or module for ``levels/levelI/BRANCH/...``."""
    found = re.fullmatch(r"levels/level([1-4])/(spatio|tempor)/(.*)", path)
    name = found and _BRANCH.get(found[3])
    return name and (f"ren_{_LEVELS[int(found[1]) - 1]}." + name.format(found[2]),)
