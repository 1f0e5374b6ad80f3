"""Pictures of a report. Figures only: nothing here touches pyplot, a display or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

_INK, _BLUE, _ORANGE, _GREY = "#222222", "#2b6cb0", "#dd6b20", "#a0aec0"


def _axes(width: float, height: float, columns: int = 1):
    """A figure of `columns` plain axes: no frame above and right, thin lines."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(color=_GREY, labelcolor=_INK, labelsize=8)
    return figure, axes


def confusion(matrix, names: Sequence[str]) -> Figure:
    """Confusion matrix (K,K), rows = truth, as shares of each row.

    Names stand at the axes up to 60 classes, shares in the cells up to 15.
    """
    matrix = np.asarray(matrix)
    classes = len(matrix)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = min(3 + 0.22 * classes, 16)
    figure, (ax,) = _axes(size + 1, size)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    if classes <= 60:
        ax.set_xticks(range(classes), names, rotation=90)
        ax.set_yticks(range(classes), names)
    if classes <= 15:
        for (row, column), value in np.ndenumerate(share):
            if value:
                colour = "white" if value > 0.5 else _INK
                text = f"{100 * value:.0f}"
                ax.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    bar = figure.colorbar(image, ax=ax, shrink=0.6, label="share of the true class")
    bar.outline.set_visible(False)
    return figure


def frequency(counts, accuracy, groups: Mapping[str, np.ndarray]) -> Figure:
    """Accuracy (K,) against training clips (K,), with the mean of each group of classes.

    Classes whose accuracy is NaN, without a test clip, are left out.
    """
    there = ~np.isnan(accuracy)
    counts, accuracy = np.asarray(counts)[there], np.asarray(accuracy)[there]
    figure, (ax,) = _axes(6, 3.6)
    ax.scatter(counts, 100 * accuracy, s=18, color=_BLUE, alpha=0.7, linewidths=0)
    for name, mask in groups.items():
        mask = mask[there]
        if mask.any():
            low, high, mean = counts[mask].min(), counts[mask].max(), 100 * accuracy[mask].mean()
            ax.plot([low, high], [mean, mean], color=_ORANGE, linewidth=2)
            ax.annotate(
                f"{name} {mean:.1f}", (np.sqrt(max(low, 1) * high), mean), ha="center",
                xytext=(0, 4), textcoords="offset points", fontsize=8, color=_ORANGE,
            )  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-2, 104)
    ax.set_xlabel("training clips of the class")
    ax.set_ylabel("accuracy, %")
    return figure


def gains(gain, names: Sequence[str]) -> Figure:
    """Change of accuracy (K,) of each class against a baseline, sorted; in points of percent."""
    order = np.argsort(gain, kind="stable")
    points = 100 * np.asarray(gain)[order]
    figure, (ax,) = _axes(6, 1 + 0.17 * len(points))
    ax.barh(range(len(points)), points, color=np.where(points < 0, _ORANGE, _BLUE))
    ax.axvline(0, color=_INK, linewidth=0.8)
    ax.set_yticks(range(len(points)), [names[c] for c in order])
    ax.set_ylim(-0.6, len(points) - 0.4)
    ax.set_xlabel("gain over the baseline, points")
    return figure


def changes(names: Sequence[str], values, label: str) -> Figure:
    """Two values of each name, before and now, as a line between two points; the first on top."""
    figure, (ax,) = _axes(6, 1.2 + 0.24 * len(names))
    for y, (before, now) in enumerate(values):
        ax.plot([before, now], [y, y], color=_ORANGE if now > before else _BLUE, linewidth=2)
    if len(names):
        before, now = np.asarray(values, float).T
        colour = np.where(now > before, _ORANGE, _BLUE)
        ax.scatter(before, range(len(names)), s=24, color=_GREY, zorder=3, label="baseline")
        ax.scatter(now, range(len(names)), s=24, color=colour, zorder=3, label="run")
        ax.legend(frameon=False, fontsize=8)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(label)
    return figure


def calibration(confidence, accuracy, count) -> Figure:
    """Accuracy against confidence in bins of it, of `metrics.reliability`, and the clips in each.

    A calibrated network lies on the diagonal; bars below it are overconfident.
    """
    bins = len(count)
    middle, there = (np.arange(bins) + 0.5) / bins, np.asarray(count) > 0
    figure, (ax, below) = _axes(8, 3.4, columns=2)
    ax.plot([0, 100], [0, 100], color=_GREY, linewidth=1)
    ax.bar(100 * middle[there], 100 * np.asarray(accuracy)[there], width=90 / bins, color=_BLUE)
    ax.plot(
        100 * np.asarray(confidence)[there], 100 * np.asarray(accuracy)[there],
        "o", color=_ORANGE, markersize=4,
    )  # fmt: skip
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 104)
    ax.set_ylabel("accuracy, %")
    below.bar(100 * middle, count, width=90 / bins, color=_GREY)
    below.set_xlim(0, 100)
    below.set_ylabel("clips")
    for axes in (ax, below):
        axes.set_xlabel("confidence, %")
    return figure


def curve(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and accuracy over epochs, from the lines of a metrics.jsonl.

    What is drawn are the values whose name ends in ``loss``, and in ``top1``.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    figure, panels = _axes(9, 3.2, columns=2)
    for ax, ending, label in zip(panels, ("loss", "top1"), ("loss", "top-1, %")):
        for name in names:
            if name.endswith(ending):
                points = [
                    (row.get("epoch", row.get("step", 0)), row[name]) for row in rows if name in row
                ]
                x, y = np.array(points, float).T
                y = 100 * y if ending == "top1" else y
                ax.plot(x, y, linewidth=1.4, label=name.removesuffix(ending).strip("/_") or name)
        if ax.lines:
            ax.legend(frameon=False, fontsize=8)
        ax.set_xlabel("epoch")
        ax.set_ylabel(label)
    return figure


_COLLAPSE = {
    "feature_std": "1 = spread",
    "alignment": "0 = aligned",
    "uniformity": "0 = one point",
    "queue_age": "steps of its oldest key",
}


def collapse(rows: Sequence[Mapping[str, float]]) -> Figure | None:
    """Spread, alignment and uniformity of a pre-training's vectors, and the age of its queue, over
    epochs; None without."""
    told = [row for row in rows if "train/feature_std" in row]
    if not told:
        return None
    figure, panels = _axes(12, 2.8, columns=len(_COLLAPSE))
    for ax, (name, meaning) in zip(panels, _COLLAPSE.items()):
        ax.plot([row["epoch"] for row in told], [row[f"train/{name}"] for row in told], color=_BLUE)
        ax.set_title(f"{name} ({meaning})", fontsize=9, color=_INK)
        ax.set_xlabel("epoch")
    return figure


_MARKERS = "os^vD*PX<>ph"  # with the ten colours: 120 classes


def features(panels: Mapping[str, np.ndarray], label, names: Sequence[str]) -> Figure:
    """Points (N, 2) of each panel, coloured by class `label` (N,); the classes beside them."""
    shown = np.unique(label)
    columns = -(-len(shown) // 30)
    figure, axes = _axes(4.4 * len(panels) + 1.9 * columns, 4.4, columns=len(panels))
    for ax, (title, points) in zip(axes, panels.items()):
        for c in shown:
            x, y = points[label == c].T
            style = {"color": f"C{c % 10}", "marker": _MARKERS[c // 10 % len(_MARKERS)]}
            ax.scatter(x, y, s=16, alpha=0.75, linewidths=0, label=names[c], **style)
        ax.set_title(title, fontsize=9, color=_INK)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    handles, words = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, words, loc="outside right center", frameon=False, fontsize=7, ncols=columns
    )
    return figure
