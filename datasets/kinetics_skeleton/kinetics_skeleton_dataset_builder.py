"""Kinetics-Skeleton: poses estimated in the videos of Kinetics 400."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import tensorflow_datasets as tfds

from skeljax.datasets.base import SkeletonBuilder
from skeljax.datasets.shelf import Item, shelved
from skeljax.errors import DataError
from skeljax.layouts import get_layout
from skeljax.progress import progress
from skeljax.readers import Clip, exchange, kinetics
from skeljax.readers.kinetics_classes import CLASSES

_BOX_SCORE = {"train": 0.5, "test": None}  # as published: detections below do not train


class KineticsSkeleton(SkeletonBuilder):
    """About 260,000 clips of 400 actions; the best two poses of each frame, with confidence."""

    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(
            name="openpose", description="ST-GCN's: 18 joints, fractions of the image, centred."
        ),
        tfds.core.BuilderConfig(name="hrnet", description="PYSKL's: 17 joints, pixels."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Needs kinetics-skeleton.zip of ST-GCN (openpose), or k400_hrnet.pkl and kpfiles.zip of "
        "PYSKL (hrnet); the README says where they are."
    )

    def _info(self) -> tfds.core.DatasetInfo:
        hrnet = self.builder_config.name == "hrnet"
        return self.skeleton_info(
            layout=get_layout("coco17" if hrnet else "openpose18"),
            classes=len(CLASSES),
            facts={"img_shape": (2,)} if hrnet else {},
            homepage="https://github.com/yysijie/st-gcn",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        sources = self.source or [self._manual(dl_manager)]
        if self.builder_config.name == "hrnet":
            return self._hrnet(sources)
        return self._openpose(sources)

    def _manual(self, dl_manager) -> pathlib.Path:
        try:
            return pathlib.Path(dl_manager.manual_dir)
        except AssertionError:  # no such folder, or an empty one
            raise DataError(
                "Kinetics-Skeleton is not downloaded by itself",
                do=f"get it as its README says, then skeljax prepare {self.name}/"
                f"{self.builder_config.name} --source PATH",
            ) from None

    def _name_classes(self, words: dict[int, str]) -> None:
        """The names that the files give, and the published ones for the rest."""
        names = [words.get(i) or name for i, name in enumerate(CLASSES)]
        self.info.features["label"].names = names

    def _openpose(self, sources):
        files = [file for source in sources for file in kinetics.openpose_files(source)]
        root = pathlib.Path(self.data_dir_root) / "skeljax_parsed"
        shelf = shelved(root, "kinetics", files, lambda: _parsed(files))
        names, words = {"train": [], "test": []}, {}
        for name in sorted(shelf):
            about = shelf.meta[name]
            names[about["part"]].append(name)
            words[about["label"]] = about["class"]
        self._name_classes(words)

        def load(name: str) -> Clip:
            arrays, about = shelf[name]
            return Clip(name, arrays["keypoints"], about["label"], "openpose18")

        return self.checked_splits(shelf, shelf.faults, names, load)

    def _hrnet(self, sources):
        index = [path for path in sources if path.suffix == ".pkl"]
        others = [path for path in sources if path.suffix != ".pkl"]
        if len(index) != 1 or not others:
            raise DataError(
                "the HRNet form is an index and the keypoints it names",
                found=", ".join(map(str, sources)),
                expected="--source k400_hrnet.pkl --source kpfiles (folder or zip)",
            )
        splits, annotations = exchange.read_pyskl(index[0])
        files = {}
        for source in others:
            files |= kinetics.kpfiles(source)
        names = {"train": splits.get("train", []), "test": splits.get("val", [])}
        part = {name: split for split, listed in names.items() for name in listed}
        raw = {
            name: files.get(pathlib.PurePosixPath(str(one.get("raw_file"))).name)
            for name, one in annotations.items()
        }
        self._name_classes({})

        def load(name: str) -> Clip:
            return kinetics.hrnet_clip(annotations[name], raw[name], _BOX_SCORE[part[name]])

        there = [name for name in annotations if raw[name] and name in part]
        unused = set(annotations) - set(there)
        return self.checked_splits(there, [], names, load, ignored=unused)


def _parsed(files) -> Iterator[Item | DataError]:
    for clip in progress(kinetics.read_openpose(files), "parse", len(files)):
        if isinstance(clip, DataError):
            yield clip
        else:
            keypoints = kinetics.best_scored(clip.keypoints)
            yield clip.name, {"keypoints": keypoints}, {"label": clip.label, **clip.facts}
