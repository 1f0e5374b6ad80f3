"""Features in two dimensions, to look at: principal components and t-SNE, in NumPy."""

from __future__ import annotations

import numpy as np

EXAGGERATION, EXAGGERATED = 12.0, 100  # the pull of neighbours at first, and for so many steps


def pca(x: np.ndarray, dims: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(N, dims) of x (N, D) along its axes of greatest variance, and their shares (dims,) of it.

    The largest coefficient of an axis is positive, so that a picture does not depend on LAPACK.
    Missing axes are zeros.
    """
    centred = np.asarray(x, np.float64)
    centred = centred - centred.mean(0)
    _, size, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:dims]
    signs = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], axis=1))
    short = ((0, 0), (0, dims - len(axes)))
    share = size[:dims] ** 2 / max((size**2).sum(), np.finfo(float).tiny)
    return np.pad(centred @ (axes * signs).T, short), np.pad(share, short[1])


def squared_distances(x: np.ndarray) -> np.ndarray:
    """(N, N) of x (N, D)."""
    square = np.square(x).sum(1)
    return np.maximum(square[:, None] + square - 2 * x @ x.T, 0.0)


def neighbours(distance: np.ndarray, perplexity: float) -> np.ndarray:
    """P (N, N): row i is a Gaussian around point i over all others, as wide as `perplexity` asks.

    Args:
      distance: (N, N) squared.
      perplexity: 2 to the entropy of each row, in effect its number of neighbours; below N - 1.
    """
    count = len(distance)
    others = ~np.eye(count, dtype=bool)
    # from the nearest on, so that one weight of a row is 1; in units of a row's mean
    away = np.where(others, distance, np.inf)
    away -= away.min(1, keepdims=True)
    away /= np.maximum(away.sum(1, where=others, keepdims=True) / (count - 1), 1e-300)
    low, high = np.full((count, 1), -60.0), np.full((count, 1), 60.0)  # log2 of the precision
    for _ in range(64):
        middle = (low + high) / 2
        weight = np.exp(-away * 2.0**middle)
        p = weight / weight.sum(1, keepdims=True)
        entropy = -(p * np.log2(np.maximum(p, 1e-300))).sum(1, keepdims=True)
        wide = entropy > np.log2(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return p


def closeness(y: np.ndarray) -> np.ndarray:
    """(N, N) Student's t of the distances in y (N, 2), 0 of a point with itself."""
    near = 1 / (1 + squared_distances(y))
    np.fill_diagonal(near, 0.0)
    return near


def divergence(y: np.ndarray, p: np.ndarray) -> float:
    """KL(P || Q) in nats of P (N, N), which sums to 1, and Q of the `closeness` in y (N, 2)."""
    near, tiny = closeness(y), np.finfo(float).tiny
    return float((p * np.log(np.maximum(p, tiny) / np.maximum(near / near.sum(), tiny))).sum())


def gradient(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(N, 2), of the `divergence` by y; P is symmetric."""
    near = closeness(y)
    pull = (p - near / near.sum()) * near
    return 4 * (pull.sum(1)[:, None] * y - pull @ y)


def tsne(x: np.ndarray, perplexity: float = 30.0, steps: int = 400) -> np.ndarray:
    """(N, 2): neighbours in x (N, D) stay neighbours; distances between groups mean little.

    The exact form, N^2 a step. It starts at the principal components, so nothing is drawn.
    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008.

    Args:
      perplexity: neighbours a point has, in effect; at most a third of the others.
      steps: of gradient descent with momentum and gains.
    """
    x = np.asarray(x, np.float64)
    p = neighbours(squared_distances(x), min(perplexity, (len(x) - 1) / 3))
    p = (p + p.T) / (2 * len(x))
    y, _ = pca(x)
    y *= 1e-4 / max(y.std(), 1e-300)
    rate = max(len(x) / EXAGGERATION, 50.0)
    move, gain = np.zeros_like(y), np.ones_like(y)
    for step in range(steps):
        early = step < EXAGGERATED
        slope = gradient(y, p * EXAGGERATION if early else p)
        gain = np.maximum(np.where(slope * move < 0, gain + 0.2, gain * 0.8), 0.01)
        move = (0.5 if early else 0.8) * move - rate * gain * slope
        y = y + move
    return y - y.mean(0)
