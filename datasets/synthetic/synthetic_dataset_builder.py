"""Synthetic motions: the data that needs no download."""

from __future__ import annotations

import tensorflow_datasets as tfds

from skeljax.datasets.base import SkeletonBuilder
from skeljax.layouts import get_layout
from skeljax.progress import progress
from skeljax.readers import synthetic


class Synthetic(SkeletonBuilder):
    """960 clips of twenty actions; one config a layout."""

    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="ntu25", description="25 joints, metres."),
        tfds.core.BuilderConfig(name="coco17", description="17 joints, pixels and a confidence."),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.skeleton_info(
            layout=get_layout(self.builder_config.name),
            classes=synthetic.CLASSES,
            facts=synthetic.FACTS[self.builder_config.name],
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # nothing to download
        names = {split: synthetic.names(split) for split in synthetic.SPLITS}
        every = [*names["train"], *names["test"]]
        made = (synthetic.make(name, self.builder_config.name) for name in every)
        return self.splits(progress(made, "make", len(every)), names)
