"""What is in a dataset and what is wrong with it, in words: ``skeljax check synthetic``."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import pathlib
import sys
from typing import TYPE_CHECKING

import numpy as np

from skeljax import check_raw
from skeljax.errors import DataError, run_cli
from skeljax.layouts import Layout, get_layout, load_layout

if TYPE_CHECKING:  # it brings JAX, which a look at a layout does not need
    from skeljax.data.store import Store


def stores(what: str, data_dir=None) -> list[Store]:
    """All splits of a prepared dataset, of a folder of Store files, or one Store file.

    Raises:
      DataError: it is none of them, or is broken.
    """
    from skeljax.data.store import Store

    path = pathlib.Path(what).expanduser()
    if path.suffix == ".npz":
        return [Store.load(path)]
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        if not files:
            raise DataError("no packed splits in the folder", where=path, do="skeljax pack --help")
        return [Store.load(file) for file in files]
    from skeljax.datasets import open_dataset

    builder = open_dataset(what, data_dir)
    splits = builder.info.splits
    if not splits:
        raise DataError(
            f"{what} is not prepared", where=builder.data_path, do=f"skeljax prepare {what}"
        )
    return [Store.from_tfds(what, split, data_dir=data_dir) for split in splits]


def describe(store: Store) -> list[str]:
    """What one split holds, a line each."""
    layout = get_layout(store.layout)
    counts, length = store.class_counts, store.length
    bodies = _present(store).sum(1)
    low, high = store.frames.min((0, 1, 2)), store.frames.max((0, 1, 2))
    ranges = ", ".join(f"{a:.4g} to {b:.4g}" for a, b in zip(low, high))
    lines = {
        "clips": f"{len(store):,}, {(store.label < 0).sum():,} of them without a label",
        "classes": f"{len(counts)}, {counts.min()} to {counts.max()} clips each",
        "frames": f"{length.min()} to {length.max()} a clip, median {int(np.median(length))}; "
        f"{(length < 2).sum():,} clips of a single frame",
        "bodies": f"{bodies.min()} to {bodies.max()} a clip",
        "layout": f"{layout.name}, {layout.num_joints} joints x {layout.channels} channels",
        "range": ranges,
        "prepared": store.preparation,
        "fingerprint": store.fingerprint,
    }
    if store.dataset and store.preparation == "none":
        from skeljax.datasets.published import compare

        said = compare(store.dataset, store.split, len(store), int(length.sum()))
        lines |= {"complete": said} if said else {}
    return [f"  {name:<12}{value}" for name, value in lines.items()]


def faults(store: Store) -> list[str]:
    """What is wrong with one split, a sentence each."""
    layout, found = get_layout(store.layout), []

    def note(mask, what):
        if mask.any():
            names = store.name[mask]
            found.append(f"{len(names):,} {what}: {_some(names)}")

    finite = np.isfinite(store.frames).all((1, 2, 3))
    note(~np.logical_and.reduceat(finite, store.offset), "clips with NaN or infinite coordinates")
    note(~_present(store).any(1), "clips without any body")
    note(store.label >= len(store.classes), "clips whose label has no class")
    note(_copies(store), "clips whose frames are those of another clip")
    empty = [name for name, n in zip(store.classes, store.class_counts) if not n]
    if empty:
        found.append(f"{len(empty):,} classes without a clip: {_some(empty)}")
    if layout.confidence:
        score = store.frames[..., -1]
        if score.min() < 0 or score.max() > 1:
            found.append(f"confidence runs from {score.min():.3g} to {score.max():.3g}, not 0 to 1")
    return found


def overlaps(parts: list[Store]) -> list[str]:
    """Clips that a training and a test split share, by name."""
    found = []
    for first, second in itertools.combinations(parts, 2):
        if first.split.startswith("train") != second.split.startswith("train"):
            both = np.intersect1d(first.name, second.name)
            if len(both):
                found.append(
                    f"{len(both):,} clips are in {first.split} and in {second.split}: {_some(both)}"
                )
    return found


def _present(store: Store) -> np.ndarray:
    """(N, M) bool: whether each body is anywhere in each clip."""
    return np.logical_or.reduceat((store.frames != 0).any((2, 3)), store.offset)


def _copies(store: Store) -> np.ndarray:
    """(N,) bool: clips whose frames equal those of an earlier one."""
    seen, copies = set(), np.zeros(len(store), bool)
    for i in range(len(store)):
        digest = hashlib.sha256(np.ascontiguousarray(store.keypoints(i))).digest()
        copies[i] = digest in seen
        seen.add(digest)
    return copies


def histogram(store: Store) -> list[str]:
    """The clips of every class as a bar a line."""
    counts = store.class_counts
    width = max(map(len, store.classes))
    return [
        f"    {name.ljust(width)} {n:>6,} {'#' * int(np.ceil(40 * n / max(counts.max(), 1)))}"
        for name, n in zip(store.classes, counts)
    ]


def draw_samples(store: Store, folder: pathlib.Path, count: int = 3) -> list[str]:
    """Strips of the first, the middle and the last clip, as pictures."""
    from skeljax import draw, files

    written = []
    for i in sorted({0, len(store) // 2, len(store) - 1})[:count]:
        label = store.label[i]
        title = f"{store.name[i]}  {store.classes[label] if label >= 0 else ''}".strip()
        figure = draw.draw_clip(store.keypoints(i), get_layout(store.layout), title=title)
        path = folder / f"{store.split or 'clips'}_{store.name[i]}.png"
        with files.atomic(path) as file:
            figure.savefig(file, format="png", dpi=100)
        written.append(f"  drawn       {path}")
    return written


def _some(names, most: int = 5) -> str:
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


def describe_layout(layout: Layout) -> list[str]:
    """What a layout says, and what skeljax cannot do with it."""
    names = layout.joints
    roots = [name for v, name in enumerate(names) if layout.parents[v] == v]
    pairs = ", ".join(f"{names[a]}/{names[b]}" for a, b in layout.pairs)
    lines = [
        f"  {'joints':<12}{layout.num_joints}, {layout.channels} values each",
        f"  {'roots':<12}{', '.join(roots)}; centre {names[layout.centre]}",
        f"  {'pairs':<12}{pairs or 'none: flipping changes nothing'}",
    ]
    lines += [f"  {part:<12}{', '.join(names[v] for v in joints)}" for part, joints in layout.parts]
    if not layout.parts:
        lines.append("  no parts: language supervision (LST) cannot be used")
    if not layout.upper:
        lines.append("  no upper body: partial mixing (BRL) cannot be used")
    if layout.align_z is None:
        lines.append("  no align_z, align_x: prenorm3d cannot be used")
    return lines


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="skeljax check", description=__doc__.splitlines()[0])
    parser.add_argument("what", help="dataset, folder of packed splits, raw files or .toml")
    parser.add_argument(
        "--descriptions",
        help="texts of its classes for LST: a name, a .toml, or PARTS.txt[,SYNONYMS.txt]",
    )
    parser.add_argument("--data_dir", help="where datasets live (default: that of TFDS)")
    parser.add_argument("--classes", action="store_true", help="also the clips of every class")
    parser.add_argument("--draw", metavar="FOLDER", help="draw three clips of each split there")
    args = parser.parse_args(argv)
    if args.what.endswith(".toml"):
        print("\n".join(describe_layout(load_layout(args.what))))
        return 0
    raw = check_raw.describe(args.what)
    if raw:
        lines, wrong = raw
        print(args.what, *lines, sep="\n")
    else:
        parts = stores(args.what, args.data_dir)
        wrong = overlaps(parts)
        for store in parts:
            print(f"{store.dataset} {store.split}".strip() or args.what, *describe(store), sep="\n")
            if args.classes:
                print(*histogram(store), sep="\n")
            if args.draw:
                print(*draw_samples(store, pathlib.Path(args.draw)), sep="\n")
            wrong += [f"{store.split}: {fault}" for fault in faults(store)]
        if args.descriptions:
            from skeljax.text import actions

            told = actions.load_actions(args.descriptions)
            print(f"{args.descriptions}: {len(told)} actions described")
            judge = actions.line_faults if actions.by_line(args.descriptions) else actions.faults
            wrong += judge(told, parts[0].classes)
    print("\n".join(["", "wrong:", *(f"  {fault}" for fault in wrong)] if wrong else ["", "fine"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
