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


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="skeljax pack", description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="holds labels.csv and one .npy or .npz a clip")
    parser.add_argument("--layout", required=True, help="name or TOML file of the joints")
    parser.add_argument("--out", required=True, help="folder for the packed splits")
    parser.add_argument("--prepare", default="none", help="whole-clip preparation, such as unit")
    parser.add_argument("--allow-missing", action="store_true", help="leave bad clips out")
    args = parser.parse_args(argv)
    stores = pack(
        args.folder, args.layout, args.out, prepare=args.prepare, allow_missing=args.allow_missing
    )
    for split, store in stores.items():
        print(f"{len(store):,} clips of {len(store.classes)} classes in {args.out}/{split}.npz")
    print(f"look at them:  skeljax check {args.out}")
    print(f"train on them: --config.data.dataset={args.out}")


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
