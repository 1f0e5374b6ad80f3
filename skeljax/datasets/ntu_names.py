"""Which NTU RGB+D clips there are, which are known to miss their skeleton, and the published splits
and long-tailed lists. All names: no raw file is needed for any of it."""

from __future__ import annotations

import functools
import pathlib
import re

import numpy as np

import skeljax.datasets
from skeljax.data import longtail
from skeljax.readers.ntu import facts

# setup: its performers. All were seen by three cameras, twice, in all actions of their set.
_PERFORMERS = """
S1:1-8 S2:3,7-14 S3:1,2,7,8,15-19 S4:3,7,8,20 S5:4,10,13,15-18,21 S6:1,7,8,15-17,19,22-24
S7:1,7,8,15-19,25-28 S8:1,7,8,15,19,25,29-36 S9:7,8,15-17,19,25 S10:7,8,13,15-19,21,25
S11:1,2,7,8,15-19,25,27,28,38 S12:7,8,15-19,25,27,28,37 S13:7,8,15-19,25,27,28,37
S14:7,8,15,17,19,25,27,37,39 S15:7,8,15-17,19,25,37 S16:7,8,19,21,25,39,40 S17:3,7-9,15-17,20
S18:8,41-45 S19:8,41,42,46-51 S20:8,41,43,44,52-54 S21:55-60 S22:61-67 S23:55-68 S24:57,60-64,67
S25:55,56,58,59,65,66,68 S26:8,41,44,49-51,69-72,74-77 S27:6,8,11,41,43,44,78-86
S28:8,41-43,46,48,70,73,87 S29:6,8,41,43,44,48,49,51,67,74,75,80,88-90
S30:8,11,41,43,44,48,67,75,76,81,85,88,91-96 S31:6,8,41-44,51,67,82,85,96-101
S32:8,41,43,44,67,102-106
"""
_SUBJECTS60 = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
_SUBJECTS120 = (
    *_SUBJECTS60,
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89,
    91, 92, 93, 94, 95, 97, 98, 100, 103,
)  # fmt: skip

# dataset and protocol: which fact decides, its values of the training split, clips of the
# long-tailed lists' first class.
PROTOCOLS = {
    ("ntu60", "xsub"): ("subject", _SUBJECTS60, 600),
    ("ntu60", "xview"): ("camera", (2, 3), 600),
    ("ntu120", "xsub"): ("subject", _SUBJECTS120, 600),
    ("ntu120", "xset"): ("setup", tuple(range(2, 33, 2)), 400),
}
IMBALANCE = {"train_lt10": 0.1, "train_lt50": 0.02, "train_lt100": 0.01}


def _folder(dataset: str) -> pathlib.Path:
    for root in skeljax.datasets.__path__:
        if (pathlib.Path(root) / dataset / "missing.txt").is_file():
            return pathlib.Path(root) / dataset
    raise FileNotFoundError(dataset)


def num_classes(dataset: str) -> int:
    return {"ntu60": 60, "ntu120": 120}[dataset]


@functools.cache
def recorded(dataset: str) -> tuple[str, ...]:
    """All clips that were recorded, sorted: 56,880 or 114,480."""
    names = []
    for setup, listed in re.findall(r"S(\d+):(\S+)", _PERFORMERS):
        setup = int(setup)
        if setup > 17 and dataset == "ntu60":
            continue
        performers = []
        for span in listed.split(","):
            first, _, last = span.partition("-")
            performers += range(int(first), int(last or first) + 1)
        first_action = 1 if setup <= 17 else 61
        names += [
            f"S{setup:03d}C{c:03d}P{p:03d}R{r:03d}A{a:03d}"
            for p in performers
            for c in (1, 2, 3)
            for r in (1, 2)
            for a in range(first_action, first_action + 60)
        ]
    return tuple(sorted(names))


@functools.cache
def missing(dataset: str) -> frozenset[str]:
    """The published list of samples with missing skeletons: 302 or 535."""
    return frozenset((_folder(dataset) / "missing.txt").read_text().split())


@functools.cache
def available(dataset: str) -> tuple[str, ...]:
    """The clips all published numbers use, sorted: 56,578 or 113,945."""
    return tuple(name for name in recorded(dataset) if name not in missing(dataset))


@functools.cache
def split_names(dataset: str, protocol: str) -> dict[str, list[str]]:
    """Names of train, test and the long-tailed parts of train, in the published order: by
    ascending subject, camera or setup, within it by name. Score files rest on that order."""
    fact, train, _ = PROTOCOLS[dataset, protocol]
    groups: dict[int, list[str]] = {}
    for name in available(dataset):
        groups.setdefault(facts(name)[fact], []).append(name)
    names = {
        "train": [name for key in sorted(groups) if key in train for name in groups[key]],
        "test": [name for key in sorted(groups) if key not in train for name in groups[key]],
    }
    return names | {
        split: longtailed(dataset, protocol, split, names["train"]) for split in IMBALANCE
    }


def split_of(dataset: str, protocol: str, name: str) -> str:
    """``train`` or ``test``, by the name of a clip."""
    fact, train, _ = PROTOCOLS[dataset, protocol]
    return "train" if facts(name)[fact] in train else "test"


def longtailed(dataset: str, protocol: str, split: str, train: list[str]) -> list[str]:
    """A published list (BRL). NTU 120's are drawn anew, which gives them bit for bit; those of NTU
    60 are not reproducible from any known order and are stored: their factor-10 list, of which the
    others are the first clips of every class."""
    most = PROTOCOLS[dataset, protocol][2]
    classes = num_classes(dataset)
    counts = longtail.exponential_counts(classes, most, IMBALANCE[split])
    labels = [longtail.ntu_label(name) for name in train]
    if dataset == "ntu120":
        return longtail.sample_list(train, labels, counts)
    stored = unpack(np.load(_folder(dataset) / f"{protocol}_lt10.npy"), train, labels)
    return longtail.prefix_list(stored, [longtail.ntu_label(name) for name in stored], counts)


def unpack(places: np.ndarray, train: list[str], labels: list[int]) -> list[str]:
    """The list that `pack` made small."""
    members: dict[int, list[str]] = {}
    for name, label in sorted(zip(train, labels)):
        members.setdefault(label, []).append(name)
    start = np.flatnonzero(places == _NEXT)
    parts = np.split(places, start)[1:]
    return [members[c][i] for c, part in enumerate(parts) for i in part[1:]]


def pack(chosen: list[str], train: list[str], labels: list[int]) -> np.ndarray:
    """uint16: for each class a mark, then the place of each chosen clip among the class's sorted
    training clips."""
    label = dict(zip(train, labels))
    place: dict[str, int] = {}
    seen: dict[int, int] = {}
    for name in sorted(train):
        place[name] = seen[label[name]] = seen.get(label[name], -1) + 1
    out = []
    for c in range(max(labels) + 1):
        out += [_NEXT, *(place[name] for name in chosen if label[name] == c)]
    return np.array(out, np.uint16)


_NEXT = 65535
