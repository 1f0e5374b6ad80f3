"""A picture of a skeleton: ``skeljax draw nw_ucla:test --clip a01_s01_e00_v03 --out clip.gif``."""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from skeljax import files
from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError, choose, positive, run_cli
from skeljax.layouts import Layout, get_layout
from skeljax.readers.checks import check_keypoints

_LEFT, _RIGHT, _MIDDLE = "#dd6b20", "#2b6cb0", "#4a5568"
_UP = {"y": (0, 1), "z": (0, 2)}  # which axes are drawn, to the right and upwards


def draw_clip(keypoints, layout: Layout, *, frames: int = 6, up: str = "y", title="") -> Figure:
    """A strip of evenly spread frames; left limbs orange, right limbs blue.

    Args:
      keypoints: (M, T, V, C) as in a Clip. Absent bodies, and joints of no confidence, are left
        out; further bodies are lighter than the first.
      frames: how many of the T.
      up: axis that points upwards in 3-D: ``y`` as Kinect gives it, ``z`` after PYSKL's alignment.
        2-D is drawn as an image, y downwards.
    """
    keypoints = np.asarray(keypoints)
    shown = np.unique(np.linspace(0, keypoints.shape[1] - 1, frames).round().astype(int))
    segments, limits = _segments(keypoints, layout, up)
    width, height = _size(limits)
    figure = Figure(figsize=(min(width * len(shown), 18), height), layout="constrained")
    for ax, t in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown):
        _prepare(ax, limits, layout)
        _add(ax, segments[:, t], layout)
        ax.set_title(f"{t}", fontsize=8, color=_MIDDLE)
    figure.suptitle(title, fontsize=9)
    return figure


def save_gif(path, keypoints, layout: Layout, *, up: str = "y", fps: float = 15, title="") -> None:
    """The whole clip as an animation; arguments as of `draw_clip`."""
    from PIL import Image

    segments, limits = _segments(np.asarray(keypoints), layout, up)
    width, height = _size(limits)
    figure = Figure(figsize=(2 * width, 2 * height), layout="constrained", dpi=80)
    canvas = FigureCanvasAgg(figure)
    ax = figure.subplots()
    _prepare(ax, limits, layout)
    ax.set_title(title, fontsize=9)
    bodies = _add(ax, segments[:, 0], layout)
    pictures = []
    for t in range(segments.shape[1]):
        for body, lines in zip(bodies, segments[:, t]):
            body.set_segments(lines)
        canvas.draw()
        pictures.append(Image.fromarray(np.array(canvas.buffer_rgba())).convert("P"))
    with files.atomic(path) as file:
        pictures[0].save(
            file, "GIF", save_all=True, append_images=pictures[1:], duration=1000 / fps, loop=0
        )


def _bones(layout: Layout) -> list[tuple[int, int]]:
    return [(v, parent) for v, parent in enumerate(layout.parents) if v != parent]


def _segments(keypoints, layout: Layout, up: str):
    """Bones as lines (M, T, B, 2 ends, 2), NaN where not to be drawn, and the limits (2, 2)."""
    axes = _UP[choose("axis", up, _UP)] if layout.dims == 3 else (0, 1)
    points = keypoints[..., axes].astype(float)
    gone = (keypoints[..., : layout.dims] == 0).all(axis=-1)
    # In 3-D a joint in the origin is one like others, unless the whole body is there.
    gone = gone.all(axis=-1, keepdims=True) if layout.dims == 3 else gone
    if layout.confidence:
        gone = gone | (keypoints[..., layout.dims] <= 0)
    points = np.where(gone[..., None], np.nan, points)
    if np.isnan(points).all():
        raise DataError("there is nobody to draw: all joints are zero")
    limits = np.stack([np.nanmin(points, axis=(0, 1, 2)), np.nanmax(points, axis=(0, 1, 2))])
    margin = 0.05 * max((limits[1] - limits[0]).max(), 1e-6)
    return points[:, :, _bones(layout)], limits + np.array([[-margin], [margin]])


def _size(limits) -> tuple[float, float]:
    """Width and height of one frame in inches, in the proportions of the limits."""
    width, height = limits[1] - limits[0]
    return float(np.clip(2.6 * width / height, 1.2, 5)), 3.0


def _prepare(ax, limits, layout: Layout) -> None:
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(limits[:, 0])
    ax.set_ylim(limits[:, 1] if layout.dims == 3 else limits[::-1, 1])


def _add(ax, segments, layout: Layout) -> list[LineCollection]:
    """Adds the bones (M, B, 2, 2) of one frame; one collection a body."""
    left, right = (set(side) for side in zip(*layout.pairs)) if layout.pairs else ((), ())
    colours = [_LEFT if v in left else _RIGHT if v in right else _MIDDLE for v, _ in _bones(layout)]
    bodies = []
    for m, lines in enumerate(segments):
        body = LineCollection(lines, colors=colours, linewidths=2, capstyle="round")
        body.set_alpha(1.0 if m == 0 else 0.45)
        bodies.append(ax.add_collection(body))
    return bodies


def load(what: str, clip: str | None, layout: str | None, data_dir=None):
    """Keypoints (M,T,V,C), Layout and title of what the verb was given.

    Args:
      what: a Store's .npz; an .npy or .npz with one array of joints; or DATASET[:split].
      clip: name of the clip of a store or dataset; its first if None.
      layout: of an array file.

    Raises:
      DataError, ConfigError: no such file, dataset or clip, or an array without a layout.
    """
    path = pathlib.Path(what)
    if path.suffix not in (".npz", ".npy"):
        dataset, _, split = what.partition(":")
        store = Store.from_tfds(dataset, split or "test", data_dir=data_dir)
    elif path.suffix == ".npz" and "offset" in files.read_npz(path):
        store = Store.load(path)
    else:
        if layout is None:
            raise ConfigError("an array needs a layout", where=what, do="--layout ntu25, or a TOML")
        of = get_layout(layout)
        return check_keypoints(_array(path), of, what), of, path.stem
    if clip is not None:
        store = store.named([clip])
    label = store.label[0]
    said = store.classes[label] if 0 <= label < len(store.classes) else ""
    return store.keypoints(0), get_layout(store.layout), f"{store.name[0]}  {said}".strip()


def _array(path: pathlib.Path) -> np.ndarray:
    if path.suffix == ".npz":
        arrays = files.read_npz(path)
        if len(arrays) != 1:
            found = ", ".join(arrays) or "nothing"
            raise DataError("one array is wanted", where=path, found=found)
        return next(iter(arrays.values()))
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError("cannot read the file", where=path, found=error.strerror or error) from None
    except ValueError as error:
        raise DataError("this is no .npy of numbers", where=path, found=error) from None


def main(argv=None) -> None:
    """``skeljax draw``."""
    parser = argparse.ArgumentParser(prog="skeljax draw", description="Draw a clip.")
    parser.add_argument("what", help="DATASET[:split], a store's .npz, or an array .npy/.npz")
    parser.add_argument("--clip", help="name of the clip (the first)")
    parser.add_argument("--layout", help="layout of an array: a name or a TOML file")
    parser.add_argument("--out", default="clip.png", help=".png: a strip; .gif: an animation")
    parser.add_argument("--frames", type=positive, default=6, help="frames of the strip")
    parser.add_argument("--up", default="y", help="axis upwards in 3-D: y, or z after prenorm3d")
    parser.add_argument("--data_dir", "--data-dir", help="where the datasets are")
    args = parser.parse_args(argv)
    suffix = choose("picture", pathlib.Path(args.out).suffix, (".png", ".gif"), where=args.out)
    keypoints, layout, title = load(args.what, args.clip, args.layout, args.data_dir)
    if suffix == ".gif":
        save_gif(args.out, keypoints, layout, up=args.up, title=title)
    else:
        figure = draw_clip(keypoints, layout, frames=args.frames, up=args.up, title=title)
        with files.atomic(args.out) as file:
            figure.savefig(file, format="png", dpi=150)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    run_cli(main)
