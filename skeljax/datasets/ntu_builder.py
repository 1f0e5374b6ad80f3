"""What the builders of NTU RGB+D 60 and 120 share: any source, any protocol, any cleaning."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import tensorflow_datasets as tfds

from skeljax.data.clean import CLEANINGS
from skeljax.datasets import imports, ntu_names
from skeljax.datasets.base import SkeletonBuilder
from skeljax.datasets.shelf import Item, Shelf, shelved
from skeljax.errors import DataError
from skeljax.layouts import get_layout
from skeljax.progress import progress
from skeljax.readers import Clip, ntu
from skeljax.readers.ntu_classes import CLASSES
from skeljax.readers.sources import RawFile

_CHAIN = {
    "ctrgcn": "bodies chosen and centred as by CTR-GCN, FR-Head and LST",
    "pyskl": "bodies chosen as by PYSKL and BRL",
    "listed": "the first two bodies as listed, as by ST-GCN and the contrastive methods",
}


def configs(dataset: str) -> list[tfds.core.BuilderConfig]:
    """One config a protocol and cleaning: ``xsub``, ``xsub_pyskl``, ``xsub_listed`` ..."""
    return [
        tfds.core.BuilderConfig(
            name=protocol if cleaning == "ctrgcn" else f"{protocol}_{cleaning}",
            description=f"{protocol}; {_CHAIN[cleaning]}.",
        )
        for cleaning in CLEANINGS
        for of, protocol in ntu_names.PROTOCOLS
        if of == dataset
    ]


class NtuBuilder(SkeletonBuilder, skip_registration=True):
    """A builder of one of both sets; the subclass's name says which."""

    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012

    @property
    def protocol(self) -> str:
        return self.builder_config.name.partition("_")[0]

    @property
    def cleaning(self) -> str:
        return self.builder_config.name.partition("_")[2] or "ctrgcn"

    def _info(self) -> tfds.core.DatasetInfo:
        return self.skeleton_info(
            layout=get_layout(ntu.LAYOUT),
            classes=CLASSES[: ntu_names.num_classes(self.name)],
            facts={"setup": (), "camera": (), "subject": (), "replication": ()},
            homepage=ntu.URL,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        names = ntu_names.split_names(self.name, self.protocol)
        there: dict[str, Callable[[str], Clip]] = {}
        faults: list[str] = []
        for source in self.source or [self._manual(dl_manager)]:
            names_here, load, wrong = self._open(source, names)
            faults += wrong
            for name in names_here:
                if name in there:
                    faults.append(f"{name} is in more than one source; the first is taken")
                there.setdefault(name, load)
        usable, known = ntu_names.available(self.name), ntu_names.missing(self.name)
        here = sum(name in there for name in usable)
        print(
            f"{self.name}: {here:,} of {len(usable):,} usable clips, {len(usable) - here:,} not "
            f"found; the {len(known):,} on the owners' list of missing skeletons are left out",
            file=sys.stderr,
        )
        ignored = {*ntu_names.recorded("ntu120")} - {*usable}
        return self.checked_splits(there, faults, names, lambda name: there[name](name), ignored)

    def _manual(self, dl_manager) -> pathlib.Path:
        try:
            return pathlib.Path(dl_manager.manual_dir)
        except AssertionError:  # no such folder, or an empty one
            raise DataError(
                f"{self.name} cannot be downloaded without the owners' permission",
                expected=", ".join(ntu.ARCHIVES[: 1 if self.name == "ntu60" else 2]),
                do=f"get it as the README says, then skeljax prepare {self.name}/"
                f"{self.builder_config.name} --source FOLDER",
            ) from None

    def _open(
        self, source: pathlib.Path, names: dict[str, list[str]]
    ) -> tuple[Iterable[str], Callable[[str], Clip], list[str]]:
        """Names in a source, how to load one, and what is wrong with it."""
        imported = imports.open_ntu(source, self.cleaning, self.name, names)
        if imported:
            return imported
        root = pathlib.Path(self.data_dir_root) / "skeljax_parsed"
        names_here, faults = {}, []
        for files in _halves(ntu.files(source), self.name):
            shelf = shelved(root, "ntu", files, lambda files=files: _parsed(files))
            faults += shelf.faults
            for name, meta in shelf.meta.items():
                if meta["ids"]:
                    names_here[name] = shelf
                elif name not in ntu_names.missing("ntu120"):
                    faults.append(f"{name}: no frame has a body")
        clean = CLEANINGS[self.cleaning]
        return names_here, lambda name: clean(_recording(names_here[name], name)), faults


def _halves(files: Sequence[RawFile], dataset: str) -> Iterator[list[RawFile]]:
    """The files by archive or folder, those of NTU 60 and those that 120 adds apart: both sets
    then share what they share."""
    groups: dict[tuple[str, bool], list[RawFile]] = {}
    for file in files:
        place = file.path if file.member else str(pathlib.Path(file.path).parent)
        added = ntu.facts(file.stem).get("setup", 0) > 17
        if not (added and dataset == "ntu60"):
            groups.setdefault((place, added), []).append(file)
    yield from groups.values()


def _parsed(files) -> Iterator[Item | DataError]:
    for result in progress(ntu.read(files), "parse", len(files)):
        if isinstance(result, DataError):
            yield result
        else:
            arrays = {"points": result.points, "frame": result.frame, "body": result.body}
            yield result.name, arrays, {"num_frames": result.num_frames, "ids": list(result.ids)}


def _recording(shelf: Shelf, name: str) -> ntu.Recording:
    arrays, meta = shelf[name]
    return ntu.Recording(name, meta["num_frames"], ids=tuple(meta["ids"]), **arrays)
