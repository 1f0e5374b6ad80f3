"""Packs your own clips into files that skeljax trains on: ``skeljax pack FOLDER --layout FILE``."""

from __future__ import annotations

import argparse
import pathlib
import sys

from skeljax.errors import DataError, run_cli


def pack(folder, layout: str, out, *, prepare: str = "none", allow_missing: bool = False) -> dict:
    """Clips of a folder (see readers/arrays.py) to one Store file a split, ``OUT/train.npz`` ....

    Args:
      layout: a built-in name, or a TOML file (docs/own_data.md).
      prepare: whole-clip preparation, one of data.prepare_clip.PREPARATIONS.
      allow_missing: leave out clips whose files are bad; they are listed on stderr.

    Returns:
      Stores by split.

    Raises:
      DataError: the table is wrong, files are bad and `allow_missing` is off, or none is good.
      ConfigError: no such layout or preparation.
    """
    from skeljax.data.store import Store
    from skeljax.layouts import get_layout
    from skeljax.progress import progress
    from skeljax.readers import arrays
    from skeljax.readers.checks import listing

    layout = get_layout(layout)
    rows = arrays.table(folder)
    faults, splits = [], {}
    for result in progress(arrays.read(folder, layout), "read", len(rows)):
        if isinstance(result, DataError):
            faults.append(str(result))
        else:
            splits.setdefault(result.facts.pop("split", "train"), []).append(result)
    if faults:
        found = f"{len(rows) - len(faults):,} good clips; {listing(faults, 'bad files')}"
        if not (allow_missing and splits):
            raise DataError(
                "not every clip can be read", where=folder, found=found,
                do="mend them, or pack without them: --allow-missing",
            )  # fmt: skip
        print(f"warning: {found}", file=sys.stderr)
    stores = {
        split: Store.from_clips(
            clips,
            layout=layout,
            classes=arrays.classes(rows),
            prepare=prepare,
            dataset=pathlib.Path(folder).expanduser().resolve().name,
            split=split,
        )
        for split, clips in splits.items()
    }
    for split, store in stores.items():
        store.save(pathlib.Path(out).expanduser() / f"{split}.npz")
    return stores


def pack_pickle(path, layout: str, out, *, prepare: str = "none", protocol: str = "") -> dict:
    """A PYSKL annotation pickle (UCF101, HMDB51, FineGYM, NTU's 2-D ones ...) to ``OUT/train.npz``
    and ``OUT/test.npz``; of every frame the first two bodies, as PYSKL's GCNs take them.

    Args:
      protocol: which of its splits, where there are several: ``xsub`` for xsub_train and xsub_val,
        ``1`` for train1 and test1.

    Returns:
      Stores by split.

    Raises:
      DataError: no such pickle, or annotations that cannot be read.
      ConfigError: no such protocol, layout or preparation.
    """
    from skeljax.data.store import Store
    from skeljax.errors import choose
    from skeljax.layouts import get_layout
    from skeljax.readers import exchange

    splits, annotations = exchange.read_pyskl(path)
    if layout.endswith(".toml"):
        layout = str(pathlib.Path(layout).expanduser().resolve())
    name = get_layout(layout).name
    labels = [int(one.get("label", -1)) for one in annotations.values()]
    if min(labels, default=-1) < 0:
        raise DataError("annotations without a label, or none at all", where=path)
    p = protocol
    forms = {
        "train": (f"{p}_train", f"train{p}"),
        "test": (f"{p}_val", f"{p}_test", f"test{p}", f"val{p}"),
    }
    stores = {}
    for part, names in forms.items():
        key = next((one for one in names if one in splits), names[-1])
        listed = splits[choose("split", key, splits, where=str(path))]
        gone = [one for one in listed if one not in annotations]
        if gone:
            raise DataError(
                f"{len(gone):,} names of split {key} have no annotation", where=path,
                found=", ".join(gone[:5]),
            )  # fmt: skip
        clips = (exchange.pyskl_clip(annotations[one], name, path) for one in listed)
        stores[part] = Store.from_clips(
            clips,
            layout=layout,
            classes=[f"class {i}" for i in range(max(labels) + 1)],
            prepare=prepare,
            num_person=2,
            dataset=pathlib.Path(path).stem,
            split=part,
        )
    for part, store in stores.items():
        store.save(pathlib.Path(out).expanduser() / f"{part}.npz")
    return stores


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="skeljax pack", description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", help="holds labels.csv and one .npy, .npz, .json or .csv a clip; or PYSKL's .pkl"
    )
    parser.add_argument("--layout", required=True, help="name or TOML file of the joints")
    parser.add_argument("--out", required=True, help="folder for the packed splits")
    parser.add_argument("--prepare", default="none", help="whole-clip preparation, such as unit")
    parser.add_argument("--allow-missing", action="store_true", help="leave bad clips out")
    parser.add_argument("--protocol", default="", help="of a .pkl: xsub, xview, 1, 2 ...")
    args = parser.parse_args(argv)
    if args.folder.endswith(".pkl"):
        stores = pack_pickle(
            args.folder, args.layout, args.out, prepare=args.prepare, protocol=args.protocol
        )
    else:
        stores = pack(
            args.folder, args.layout, args.out,
            prepare=args.prepare, allow_missing=args.allow_missing,
        )  # fmt: skip
    for split, store in stores.items():
        print(f"{len(store):,} clips of {len(store.classes)} classes in {args.out}/{split}.npz")
    print(f"look at them:  skeljax check {args.out}")
    print(f"train on them: --config.data.dataset={args.out}")


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
