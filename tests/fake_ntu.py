"""Made-up .skeleton files in the real format."""

import numpy as np


def skeleton(frames, *, joints: int = 25, extra: str = "0 0 0 0 0 0 0 0") -> bytes:
    """A file of `frames`: for each a list of (body id, (25,3) points)."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for key, points in bodies:
            lines += [f"{key} 0 1 1 1 1 0 -0.12 0.14 2", str(joints)]
            lines += [" ".join(f"{value:.7g}" for value in row) + f" {extra} 2" for row in points]
    return ("\r\n".join(lines) + "\r\n").encode()


def body(seed: int, spread: float = 1.0) -> np.ndarray:
    """(25,3) points of somebody who stands: taller than wide unless `spread` is large."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.3, 0.3, (25, 3))
    points[:, 0] *= spread
    points[:, 1] = np.linspace(-0.9, 0.9, 25)
    points[:, 2] += 3
    return points


def person(seed: int, frames: int = 20, key: int = 7) -> bytes:
    """A file of one body that sways."""
    points = body(seed)
    sway = np.sin(np.arange(frames) / 5)[:, None, None] * np.array([0.2, 0.1, 0.0])
    return skeleton([[(72057594037900000 + key, points + sway[t])] for t in range(frames)])
