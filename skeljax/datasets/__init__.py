"""The TFDS builders. Importing this package registers all of them:

    import skeljax.datasets
    import tensorflow_datasets as tfds
    tfds.data_source("nw_ucla", split="train_lt10")[0]["keypoints"]

It imports tensorflow_datasets (about a second), but neither tensorflow nor jax. In a checkout the
builders' folders are the top-level ``datasets/``, which is put on this package's path here; a wheel
holds them as its subpackages.
"""

import pathlib

from skeljax.errors import choose

_root = pathlib.Path(__file__).resolve().parents[2]
if (_root / "setup.cfg").is_file():
    __path__.append(str(_root / "datasets"))

from skeljax.datasets.kinetics_skeleton.kinetics_skeleton_dataset_builder import (  # noqa: E402
    KineticsSkeleton,
)
from skeljax.datasets.ntu60.ntu60_dataset_builder import Ntu60  # noqa: E402
from skeljax.datasets.ntu120.ntu120_dataset_builder import Ntu120  # noqa: E402
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import NwUcla  # noqa: E402
from skeljax.datasets.synthetic.synthetic_dataset_builder import Synthetic  # noqa: E402

BUILDERS = {
    builder.name: builder for builder in (Ntu60, Ntu120, NwUcla, KineticsSkeleton, Synthetic)
}


def open_dataset(name: str, data_dir=None, **kwargs):
    """The TFDS builder of ``dataset`` or ``dataset/config``; on disk or not.

    Raises:
      ConfigError: no such dataset or config.
    """
    dataset, _, config = name.partition("/")
    builder = BUILDERS[choose("dataset", dataset, BUILDERS)]
    if config:
        choose(f"config of {dataset}", config, builder.builder_configs)
    return builder(data_dir=data_dir, config=config or None, **kwargs)
