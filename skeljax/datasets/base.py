"""What all builders share: the features of a clip, array_record files, bad files in a report."""

from __future__ import annotations

import inspect
import pathlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds

from skeljax.datasets.in_order import in_order
from skeljax.errors import DataError
from skeljax.layouts import Layout
from skeljax.progress import progress
from skeljax.readers import Clip
from skeljax.readers.checks import listing


class SkeletonBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder of skeleton clips that needs no TensorFlow.

    README.md, CITATIONS.bib and TAGS.txt are read from the folder of the subclass. Examples keep
    the order in which a subclass gives them: the published lists' order, on which score files rest.

    Args:
      source: files or folders of the raw data; what that may be is the reader's to say.
      allow_missing: build although files are bad or missing; they are listed on stderr and in
        ``builder.info.metadata["missing"]``. Splits of which nothing is there, as long-tailed ones
        of a handful of files, are left out and are in ``metadata["left_out"]``.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init_subclass__(cls, **kwargs):
        # TFDS would look for the folder by the module's name, which a checkout does not have.
        cls.pkg_dir_path = pathlib.Path(inspect.getfile(cls)).parent
        super().__init_subclass__(**kwargs)

    def __init__(self, *, source=(), allow_missing=False, file_format="array_record", **kwargs):
        self.source = [pathlib.Path(path) for path in source]
        self.allow_missing = allow_missing
        super().__init__(file_format=file_format, **kwargs)

    def _download_and_prepare(self, *args, **kwargs) -> None:
        with in_order():
            super()._download_and_prepare(*args, **kwargs)

    def skeleton_info(
        self,
        layout: Layout,
        classes: Sequence[str] | int,
        facts: Mapping[str, tuple[int, ...]],
        homepage: str | None = None,
    ) -> tfds.core.DatasetInfo:
        """Info of clips of one layout: keypoints (M, T, V, C), label, name, and integer `facts`
        of the shapes given. Where `classes` is a number, their names are set when it is built."""
        named = {"num_classes": classes} if isinstance(classes, int) else {"names": list(classes)}
        keypoints = tfds.features.Tensor(
            shape=(None, None, layout.num_joints, layout.channels),
            dtype=np.float32,
            encoding=tfds.features.Encoding.BYTES,
        )
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "keypoints": keypoints,
                    "label": tfds.features.ClassLabel(**named),
                    "name": tfds.features.Text(),
                    **{
                        fact: tfds.features.Tensor(shape=shape, dtype=np.int32)
                        for fact, shape in facts.items()
                    },
                }
            ),
            supervised_keys=("keypoints", "label"),
            homepage=homepage,
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(layout=layout.name, missing=[], left_out=[]),
        )

    def splits(self, results: Iterable[Clip | DataError], names: Mapping[str, Sequence[str]]):
        """Generators of all splits, after reading all of `results`: nothing bad gets on disk.

        Args:
          results: clips, and what is wrong with files that gave none.
          names: the clips of every split, in order.

        Raises:
          DataError: see `checked_splits`.
        """
        clips, faults = {}, []
        for result in results:
            if isinstance(result, DataError):
                faults.append(str(result))
            else:
                clips[result.name] = result
        return self.checked_splits(clips, faults, names, clips.__getitem__)

    def checked_splits(
        self,
        there: Collection[str],
        faults: list[str],
        names: Mapping[str, Sequence[str]],
        load: Callable[[str], Clip],
        ignored: Collection[str] = (),
    ):
        """Generators of all splits, whose clips are loaded one by one when they are written.

        Args:
          there: names of the clips that can be loaded.
          faults: what is wrong with files that gave no clip.
          names: the clips of every split, in order.
          load: gives the clip of a name.
          ignored: clips that are known and left out.

        Raises:
          DataError: files are bad, missing or on no list, and `allow_missing` is off; or no split
            has a clip. It lists the files.
        """
        wanted = set().union(*names.values())
        strange = sorted(set(there) - wanted - set(ignored))
        faults = faults + [f"{name} is on no list of {self.name}" for name in strange]
        missing = sorted(wanted - set(there))
        parts = {
            split: [name for name in listed if name in there] for split, listed in names.items()
        }
        chosen = {split: part for split, part in parts.items() if part}
        left_out = [split for split in parts if split not in chosen]
        if faults or missing:
            found = f"{len(wanted) - len(missing):,} good clips; {listing(faults, 'bad files')}\n"
            found += "    " + listing(missing, "clips missing")
            if left_out:
                found += f"\n    no clip of {', '.join(left_out)}: left out"
            if not (self.allow_missing and chosen):
                raise DataError(
                    f"{self.name} is not complete",
                    where=", ".join(map(str, self.source)) or None,
                    found=found,
                    expected=f"{len(wanted):,} clips",
                    do="get the files named above"
                    + ", or build without them: --allow-missing" * bool(chosen),
                )
            print(f"warning: {found}", file=sys.stderr)
        self.info.metadata["missing"] = missing
        self.info.metadata["left_out"] = left_out
        return {split: self._generate_examples(split, part, load) for split, part in chosen.items()}

    def _generate_examples(
        self, split: str, names: Sequence[str], load: Callable[[str], Clip]
    ) -> Iterator[tuple[str, dict]]:
        for name in progress(names, f"write {split}"):
            clip = load(name)
            example = {"keypoints": clip.keypoints, "label": clip.label, "name": clip.name}
            yield clip.name, example | clip.facts
