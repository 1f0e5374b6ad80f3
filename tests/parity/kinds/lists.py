"""list/* and sample/*: names of splits, subsets, and the frames that are drawn."""

import hashlib
import zlib
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import split_names

from parity.shapes import classic, ctvm
from skeljax.data import clean, feeder, longtail, recipes, sample
from skeljax.data.store import Store, fit_bodies
from skeljax.data.streams import stream
from skeljax.datasets import ntu_names
from skeljax.readers import ntu, nw_ucla


def uniform_test(given, *, num_frames: int, clip_len: int, num_clips: int):
    return {"index": sample.uniform_test_np(num_frames, clip_len, num_clips).ravel()}


def uniform_train(given, *, num_frames: int, clip_len: int, seed: int):
    rng = np.random.RandomState(seed)
    return {"index": sample.uniform_train_np(num_frames, clip_len, rng)}


def linspace(given, *, num_frames: int, clip_len: int):
    return {"index": sample.linspace_np(num_frames, clip_len)}


def class_specific(given, *, num_classes: int, times: int, max: int, imbalance: float):
    counts = given["class_counts"]
    multiplier = feeder.class_specific(longtail.exponential_counts(num_classes, max, imbalance))
    labels = np.repeat(np.arange(num_classes), counts)
    order = feeder.epoch_order(0, 0, len(labels), 1, times, "class_specific", labels)
    seen = np.bincount(order.ravel(), minlength=len(labels))
    of_class = np.split(seen, np.cumsum(counts)[:-1])
    return {
        "class_prob": multiplier,
        "epoch_len": order.size,
        "per_class": np.array([clips.sum() for clips in of_class]),
        "per_sample_min": np.array([clips.min() for clips in of_class]),
        "per_sample_max": np.array([clips.max() for clips in of_class]),
    }


def semi_subset(given, *, percent: float, python_seed: int):
    return {"index": longtail.labelled_subset(given["label"], percent, python_seed)}


def _names(array) -> list[str]:
    return bytes(array).decode().split()


def longtail_list(given, *, num_classes: int, max: int, imbalance: float, seed: int):
    names = _names(given["standard_list"])
    labels = [longtail.ntu_label(name) for name in names]
    counts = longtail.exponential_counts(num_classes, max, imbalance)
    chosen = longtail.sample_list(names, labels, counts, seed)
    return {"lt_list": np.frombuffer(longtail.as_text(chosen).encode(), np.uint8)}


def longtail_prefix(given, *, num_classes: int, max: int, imbalance: float):
    names = _names(given["list"])
    labels = [longtail.ntu_label(name) for name in names]
    counts = longtail.exponential_counts(num_classes, max, imbalance)
    text = longtail.as_text(longtail.prefix_list(names, labels, counts))
    return {"sha256": np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)}


def longtail_nwucla(given, *, max: int, imbalance: float, seed: int):
    names, labels = given["train_names"].tolist(), given["train_labels"]
    counts = longtail.exponential_counts(10, max, imbalance)
    return {"lt_names": np.array(longtail.sample_list(names, labels, counts, seed))}


def ucla(given):
    files = nw_ucla.files(given.case.file("all_sqe.zip"))
    clips = {clip.name: clip for clip in nw_ucla.read(files)}
    found = {}
    for part, split in (("train", "train"), ("val", "test")):
        chosen = [clips[name] for name in split_names()[split]]
        found[f"{part}_names"] = np.array([clip.name for clip in chosen])
        found[f"{part}_label"] = np.array([clip.label for clip in chosen])
        found[f"{part}_length"] = np.array([clip.keypoints.shape[1] for clip in chosen])
    layout = classic("nw_ucla")
    recipe = recipes.ucla(layout)[1]
    store = Store.from_clips(chosen, layout=layout, classes=nw_ucla.CLASSES)
    data = recipes.device_data(store, recipe)
    render = jax.jit(recipes.render, static_argnums=0)
    for role, name, of in (
        ("val_joint_mean", "joint", np.asarray),
        ("val_joint_absmean_bone", "bone", np.abs),
    ):
        x = render(recipe, data, jnp.arange(len(store)), jax.random.key(0), stream(layout, name))
        found[role] = of(x).astype(np.float64).mean(axis=(1, 2, 3))
    return found


PUBLISHED = {
    "CS": ("ntu60", "xsub"), "CV": ("ntu60", "xview"),
    "CSub": ("ntu120", "xsub"), "CSet": ("ntu120", "xset"),
}  # fmt: skip


def ntu_splits(given):
    found = {}
    for role, dataset in (("ntu", "ntu60"), ("ntu120", "ntu120")):
        assert set(given[f"{role}_missing"]) == ntu_names.missing(dataset)
        available = ntu_names.available(dataset)
        found[f"{role}_names_crc32"] = zlib.crc32("\n".join(available).encode())
        found[f"{role}_count"] = len(available)
    for split, of in PUBLISHED.items():
        row = {name: i for i, name in enumerate(ntu_names.available(of[0]))}
        for part in ("train", "test"):
            names = ntu_names.split_names(*of)[part]
            rows = np.array([row[name] for name in names], np.int32)
            labels = np.array([longtail.ntu_label(name) for name in names], np.int32)
            found |= {
                f"{split}/{part}/{role}": value
                for role, value in {
                    "count": len(names),
                    "crc32_of_int32": zlib.crc32(rows.tobytes()),
                    "first20": rows[:20],
                    "last20": rows[-20:],
                    "first_names": np.array(names[:5]),
                    "last_names": np.array(names[-5:]),
                    "crc32_of_int32_labels": zlib.crc32(labels.tobytes()),
                    "class_count": np.bincount(labels),
                }.items()
            }
    return found


def ntu_gendata(
    given,
    *,
    benchmark: Literal["xsub", "xview"],
    part: Literal["train", "val"],
    ignored: list[str],
    max_frames: int = 300,
):
    (operation,) = (
        op for op in given.case.operations
        if op.args["benchmark"] == benchmark and op.args["part"] == part
    )  # fmt: skip
    clips = []
    for role, text in sorted(zip(operation.inputs["files"], given["files"])):
        name = role.rsplit("/", 1)[-1].removesuffix(".skeleton")
        split = ntu_names.split_of("ntu60", benchmark, name)
        if name not in ignored and split == {"train": "train", "val": "test"}[part]:
            clips.append(clean.listed(ntu.parse(bytes(text), name)))
    data = np.zeros((len(clips), 3, max_frames, 25, 2), np.float32)
    for row, clip in zip(data, clips):
        x = fit_bodies(clip.keypoints, 2)
        row[:, : x.shape[1]] = ctvm(x)
    return {
        "names": np.array([f"{clip.name}.skeleton" for clip in clips]),
        "labels": np.array([clip.label for clip in clips]),
        "data": data,
    }


KINDS = {
    "list/ntu_splits": ntu_splits,
    "list/ntu_gendata": ntu_gendata,
    "sample/uniform_test": uniform_test,
    "sample/uniform_train": uniform_train,
    "sample/linspace": linspace,
    "sample/class_specific": class_specific,
    "sample/semi_subset": semi_subset,
    "list/longtail": longtail_list,
    "list/longtail_prefix": longtail_prefix,
    "list/longtail_nwucla": longtail_nwucla,
    "list/ucla": ucla,
}
