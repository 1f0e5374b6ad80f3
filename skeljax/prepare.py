"""Builds a dataset once, from what you have: ``skeljax prepare NAME --source PATH``.

Without TensorFlow and without the ``tfds`` command, which needs it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import pathlib
import shutil
import sys
import time

from skeljax.errors import DataError, run_cli
from skeljax.files import alone


def prepare(
    name: str, source=(), data_dir=None, *, allow_missing: bool = False, force: bool = False
):
    """The TFDS builder of `name`, its data on disk: built now unless it was there.

    Processes that ask for the same dataset at once wait for the first. A build that is stopped,
    however roughly, leaves nothing under the final name, and the next one clears what it left.

    Args:
      name: ``nw_ucla``, ``synthetic`` or with a config ``synthetic/coco17``.
      source: files or folders of the raw data; the dataset's README says which.
      data_dir: where datasets live; TFDS's own default (``TFDS_DATA_DIR``, ~/tensorflow_datasets).
      allow_missing: build although raw files are bad or missing.
      force: build anew; what was there comes back if that fails.

    Raises:
      ConfigError: no such dataset or config.
      DataError: the raw data is absent, bad or incomplete, or `data_dir` cannot be written.
    """

    from skeljax.datasets import open_dataset

    def open_builder():
        return open_dataset(name, data_dir, source=source, allow_missing=allow_missing)

    builder = open_builder()
    final = pathlib.Path(builder.data_path)
    if final.exists() and not force:
        return builder
    try:
        with alone(final.parent):
            old = _clear(final)
            if final.exists() and not force:  # another process was faster
                return open_builder()
            if final.exists():
                final.rename(old)
            try:
                _build(open_builder())
            finally:
                if old.exists() and not final.exists():
                    old.rename(final)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise DataError(
            "cannot build the dataset", where=final, found=error,
            do="mend that, or choose another folder with --data_dir",
        ) from None  # fmt: skip
    return open_builder()


def _clear(final: pathlib.Path) -> pathlib.Path:
    """Mends what a killed build left; gives the place where an old dataset waits for the new."""
    old = final.with_name(f"incomplete.old_{final.name}")
    if old.exists() and not final.exists():
        old.rename(final)
    for left in final.parent.glob(f"incomplete.*_{final.name}"):
        shutil.rmtree(left)
    return old


def _build(builder):
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()  # ours is on stderr and says when it ends
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare()


def summary(builder) -> str:
    """Where the data is, a table of its splits, and how to open it."""
    from skeljax.datasets.reread import read_clips

    info = builder.info
    rows = [("split", "clips", "classes", "clips/class", "frames/clip", "bodies")]
    for split, about in info.splits.items():
        counts = [0] * info.features["label"].num_classes
        bodies, frames = set(), set()
        for clip in read_clips(builder, split):  # one by one: NTU 120 is 4 GB
            counts[clip.label] += 1
            bodies.add(clip.keypoints.shape[0])
            frames.add(clip.keypoints.shape[1])
        spread = [f"{min(each)}-{max(each)}" for each in (counts, frames, bodies)]
        rows.append((split, f"{about.num_examples:,}", f"{sum(map(bool, counts))}", *spread))
    rows += [(split, "0", "-", "-", "-", "left out") for split in info.metadata.get("left_out", [])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    missing, first = len(info.metadata["missing"]), next(iter(info.splits))
    return "\n".join(
        [
            f"{builder.info.full_name} in {builder.data_path}"
            + (f", built without {missing:,} missing clips" if missing else ""),
            "",
            *(f"  {line.rstrip()}" for line in table),
            "",
            "  import skeljax.datasets, tensorflow_datasets as tfds",
            f'  clips = tfds.data_source("{_short(info)}", split="{first}"{_where(builder)})',
        ]
    )


def _short(info) -> str:
    return info.full_name.rpartition("/")[0]


def _where(builder) -> str:
    import tensorflow_datasets as tfds

    root = str(builder.data_dir_root)
    default = str(pathlib.Path(tfds.core.constants.DATA_DIR).expanduser())
    return "" if root == default else f', data_dir="{root}"'


def catalogue(data_dir) -> str:
    """One line a dataset and config: what it is, what it needs, and whether it is there."""
    from skeljax.datasets import BUILDERS, open_dataset

    lines = []
    for dataset, builder in BUILDERS.items():
        lines += [f"{dataset}: {builder.__doc__.splitlines()[0]}"]
        lines += [f"  {builder.MANUAL_DOWNLOAD_INSTRUCTIONS or 'Needs no files: it is generated.'}"]
        for config in builder.builder_configs or [""]:
            name = f"{dataset}/{config}".rstrip("/")
            path = pathlib.Path(open_dataset(name, data_dir).data_path)
            about = getattr(builder.builder_configs.get(config), "description", "")
            there = f"in {path}" if path.exists() else "not prepared yet"
            lines.append(f"  {name:<26} {about} [{there}]")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="skeljax prepare", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="dataset or dataset/config; see --list")
    parser.add_argument(
        "--source", action="append", default=[], metavar="PATH",
        help="zip or folder of the raw data; may be given several times",
    )  # fmt: skip
    parser.add_argument("--data_dir", help="where datasets live (default: that of TFDS)")
    parser.add_argument(
        "--allow-missing", action="store_true", help="build although files are bad or missing"
    )
    parser.add_argument("--force", action="store_true", help="build anew")
    parser.add_argument(
        "--export", metavar="FILE.pkl|FILE.npz|FOLDER",
        help="also write it as PYSKL, CTR-GCN or ST-GCN keep it",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="what can be prepared, and what is")
    args = parser.parse_args(argv)
    if args.list:
        print(catalogue(args.data_dir))
        return
    if not args.name:
        parser.error("which dataset? see --list")
    from skeljax.datasets import open_dataset

    start = time.monotonic()
    there = pathlib.Path(open_dataset(args.name, args.data_dir).data_path).exists()
    builder = prepare(
        args.name, args.source, args.data_dir,
        allow_missing=args.allow_missing, force=args.force,
    )  # fmt: skip
    if there and not args.force:
        print("nothing to do: it is there; --force builds it anew")
    else:
        print(f"built in {time.monotonic() - start:.0f} s")
    print(summary(builder))
    if args.export:
        from skeljax.export import export

        print("", *export(builder, args.export), sep="\n")


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
