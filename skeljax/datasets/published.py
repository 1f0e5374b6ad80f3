"""What a complete copy of a dataset holds, to tell a fault of the data from one of the training."""

from __future__ import annotations

from skeljax.datasets import ntu_names

# Clips and frames. The frames of NTU are not known to us before somebody builds it.
_UCLA = {"train": (1020, 44144), "test": (464, 14390), "train_lt10": (403, 15753)}


def compare(dataset: str, split: str, clips: int, frames: int) -> str | None:
    """In words, whether a split has the published number of clips; None where none is known."""
    name, _, config = dataset.partition("/")
    if name == "nw_ucla":
        want = _UCLA.get(split)
    elif name.startswith("ntu"):
        names = ntu_names.split_names(name, config.partition("_")[0] or "xsub").get(split)
        want = (len(names), None) if names else None
    else:
        return None
    if want is None:
        return None
    said = f"{want[0]:,} clips" + (f" of {want[1]:,} frames" if want[1] else "")
    if clips == want[0] and want[1] in (None, frames):
        return f"as published: {said}"
    return f"NOT as published: {said}, here {clips:,} of {frames:,}"
