"""A long-tailed training list of any dataset: ``skeljax longtail ntu60/xsub --factor 100``.

The list is a text file of names, one a line; a config takes it as its training split.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import numpy as np

from skeljax.data import longtail
from skeljax.errors import DataError, choose, positive, run_cli
from skeljax.files import atomic

SHAPES = {"exponential": longtail.exponential_counts, "step": longtail.step_counts}


def training_names(name: str, split: str = "train", data_dir=None) -> tuple[list[str], list[int]]:
    """Names and labels of a split, in its order. The NTU lists need no data on disk.

    Args:
      name: of a dataset, or a folder of `skeljax pack`.

    Raises:
      ConfigError: no such dataset or split.
      DataError: it is not prepared.
    """
    from skeljax.data.store import Store  # jax and TFDS, seconds to import
    from skeljax.datasets import ntu_names, open_dataset
    from skeljax.job import is_packed

    if is_packed(name):
        store = Store.load(pathlib.Path(name).expanduser() / f"{split}.npz")
        return store.name.tolist(), store.label.tolist()
    builder = open_dataset(name, data_dir)
    if builder.name in ("ntu60", "ntu120"):
        splits = ntu_names.split_names(builder.name, builder.protocol)
        names = splits[choose("split", split, splits)]
        return names, [longtail.ntu_label(one) for one in names]
    if not builder.info.splits:
        raise DataError(
            f"{name} is not prepared", where=builder.data_path, do=f"skeljax prepare {name}"
        )
    choose("split", split, builder.info.splits)
    clips = [(one["name"].decode(), int(one["label"])) for one in builder.as_data_source(split)]
    return [one for one, _ in clips], [label for _, label in clips]


def most_possible(class_counts, imbalance: float, shape: str = "exponential") -> int:
    """The largest first class for which every class has clips enough.

    Raises:
      DataError: not even one of one clip.
    """
    for most in range(int(max(class_counts)), 0, -1):
        counts = SHAPES[shape](len(class_counts), most, imbalance)
        if (counts <= class_counts).all():
            if counts.min() > 0:
                return most
            break
    raise DataError(
        "no class may be without a clip", found=f"classes of {min(class_counts)} clips and more",
        do="take a smaller --factor",
    )  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="skeljax longtail", description=__doc__.splitlines()[0])
    parser.add_argument("name", help="dataset, dataset/config, or a folder of skeljax pack")
    parser.add_argument("--factor", type=float, default=100, help="first class over last")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--most", type=positive, help="clips of the first class (default: what it has)"
    )
    parser.add_argument("--shape", choices=SHAPES, default="exponential")
    parser.add_argument("--split", default="train", help="from which the clips are drawn")
    parser.add_argument("--out", metavar="FILE", help="default: print the names")
    parser.add_argument("--data_dir", help="where datasets live (default: that of TFDS)")
    args = parser.parse_args(argv)
    if args.factor < 1:
        parser.error("--factor is at least 1")
    names, labels = training_names(args.name, args.split, args.data_dir)
    if min(labels, default=-1) < 0:
        raise DataError(
            "a long tail is of classes, but there are clips without a label", where=args.name,
            found=f"{sum(label < 0 for label in labels):,} of {len(labels):,} clips",
        )  # fmt: skip
    there = np.bincount(labels)
    imbalance = 1 / args.factor
    most = args.most or most_possible(there, imbalance, args.shape)
    counts = SHAPES[args.shape](len(there), most, imbalance)
    chosen = longtail.sample_list(names, labels, counts, args.seed)
    text = longtail.as_text(chosen)
    if not args.out:
        print(text)
        return
    with atomic(args.out) as file:
        file.write(text.encode())
    print(f"{args.out}: {len(chosen):,} of {len(names):,} clips, {most} to {counts[-1]} a class")


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
