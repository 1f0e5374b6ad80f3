"""Northwestern-UCLA Multiview Action 3D."""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from skeljax.datasets.base import SkeletonBuilder
from skeljax.layouts import get_layout
from skeljax.progress import progress
from skeljax.readers import download, nw_ucla

SPLITS = ("train", "test", "train_lt10")


def split_names() -> dict[str, list[str]]:
    """Clip names of every split, in the published order."""
    folder = pathlib.Path(__file__).parent
    return {split: (folder / f"{split}.txt").read_text().split() for split in SPLITS}


class NwUcla(SkeletonBuilder):
    """1,484 Kinect v1 clips of ten actions; cameras 1 and 2 train, camera 3 tests."""

    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Needs all_sqe.zip or its folder; gets it from {nw_ucla.URL}."

    def _info(self) -> tfds.core.DatasetInfo:
        return self.skeleton_info(
            layout=get_layout(nw_ucla.LAYOUT),
            classes=nw_ucla.CLASSES,
            facts={"subject": (), "camera": (), "replication": ()},
            homepage="https://wangjiangb.github.io/my_data.html",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        sources = self.source or [self._manual(dl_manager)]
        files = [file for source in sources for file in nw_ucla.files(source)]
        return self.splits(nw_ucla.read(progress(files, "read")), split_names())

    def _manual(self, dl_manager) -> pathlib.Path:
        """The data as TFDS users place it, in the manual folder; downloaded where it is absent."""
        try:
            return pathlib.Path(dl_manager.manual_dir)
        except AssertionError:  # no such folder, or an empty one
            target = pathlib.Path(dl_manager.download_dir) / self.name / "all_sqe.zip"
            return download.fetch(nw_ucla.URL, target, do="or pass what you have as --source")
