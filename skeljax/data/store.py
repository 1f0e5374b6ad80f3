"""Store: the clips of one split as flat arrays, ready for the device."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from skeljax.data.prepare_clip import PREPARATIONS
from skeljax.errors import DataError, choose
from skeljax.files import atomic, read_npz
from skeljax.layouts import Layout, get_layout, layout_from_json, layout_names
from skeljax.readers.clip import Clip

_ARRAYS = ("frames", "offset", "length", "label", "name")
_WORDS = ("classes", "layout", "dataset", "split", "preparation")


@dataclass(frozen=True, eq=False)
class Store:
    """The N clips of one split; nothing is padded in time.

    Attributes:
      frames: (F,M,V,C) float32 or float16, all frames of all clips; absent bodies are zero.
      offset, length: (N,) int32, clip i is frames[offset[i] : offset[i] + length[i]].
      label: (N,) int32, -1 where unknown.
      name: (N,) str, unique.
      facts: further columns (N,), such as subject and camera.
      classes: names of the K classes.
      layout: name of the Layout if it is built in, else the Layout itself.
      dataset, split, preparation: where the clips come from and what was done to them.
    """

    frames: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    label: np.ndarray
    name: np.ndarray
    facts: dict[str, np.ndarray] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    layout: str | Layout = ""
    dataset: str = ""
    split: str = ""
    preparation: str = "none"

    def __len__(self) -> int:
        return len(self.length)

    @property
    def bodies(self) -> int:
        """M."""
        return self.frames.shape[1]

    @property
    def class_counts(self) -> np.ndarray:
        """(K,) int64 clips of each class."""
        return np.bincount(self.label[self.label >= 0], minlength=len(self.classes))

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hex digits of a hash of names, labels, lengths, frames and preparation."""
        digest = hashlib.sha256("\n".join([self.preparation, *self.name]).encode())
        for array in (self.label, self.length, self.frames):
            digest.update(str(array.dtype).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def with_bodies(self, num_person: int) -> Store:
        """The same clips with M = `num_person`: absent bodies are zero, further ones cut off."""
        by_body = fit_bodies(np.moveaxis(self.frames, 1, 0), num_person)
        return replace(self, frames=np.moveaxis(by_body, 0, 1))

    def keypoints(self, i: int) -> np.ndarray:
        """(M,T,V,C) of clip i."""
        start = self.offset[i]
        return np.moveaxis(self.frames[start : start + self.length[i]], 0, 1)

    def select(self, index) -> Store:
        """The clips at `index` (integers or a mask), in that order; frames are copied."""
        index = np.arange(len(self))[index]
        if not len(index):
            raise DataError("no clip is selected", where=f"{self.dataset} {self.split}")
        rows = [np.arange(self.length[i]) + self.offset[i] for i in index]
        length = self.length[index]
        return replace(
            self,
            frames=self.frames[np.concatenate(rows)],
            offset=_offsets(length),
            length=length,
            label=self.label[index],
            name=self.name[index],
            facts={key: column[index] for key, column in self.facts.items()},
        )

    def named(self, names: Sequence[str]) -> Store:
        """The clips with these names, in that order.

        Raises:
          DataError: names that are not here.
        """
        row = {name: i for i, name in enumerate(self.name)}
        unknown = [name for name in names if name not in row]
        if unknown:
            raise DataError(
                f"{len(unknown)} of {len(names)} names are not in the data",
                where=f"{self.dataset} {self.split}",
                found=", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else ""),
                expected=f"names such as {self.name[0]}",
            )
        return self.select([row[name] for name in names])

    @classmethod
    def from_clips(
        cls,
        clips: Iterable[Clip],
        *,
        layout: str | Layout,
        classes: Sequence[str],
        prepare: str = "none",
        num_person: int | None = None,
        dtype=np.float32,
        dataset: str = "",
        split: str = "",
    ) -> Store:
        """Checks, prepares and packs clips.

        Args:
          layout: of every clip; a name, a TOML file or the Layout.
          prepare: one of PREPARATIONS.
          num_person: M; default the most bodies of any clip. Further bodies are cut off.
          dtype: np.float32 or np.float16, of the stored frames; preparation runs in float32.

        Raises:
          DataError: no clip, no frame, NaN, wrong joints or channels, label out of range,
            name twice.
        """
        shape = get_layout(layout)
        change = PREPARATIONS[choose("preparation", prepare, PREPARATIONS)]
        prepared = []
        for clip in clips:
            _check(clip, shape, len(classes))
            changed = change(clip, shape)
            if changed.keypoints is not clip.keypoints or clip.keypoints.dtype != dtype:
                with np.errstate(over="ignore"):  # beyond float16 it is found to be infinite
                    changed = changed.replace(keypoints=changed.keypoints.astype(dtype))
                _check_finite(changed, f" after {prepare}, stored as {np.dtype(dtype)}")
            prepared.append(changed)
        where = f"{dataset} {split}".strip() or None
        if not prepared:
            raise DataError("the split is empty", where=where)
        name = np.array([clip.name for clip in prepared])
        unique, times = np.unique(name, return_counts=True)
        if (times > 1).any():
            raise DataError(
                "clip names must differ", where=where, found=", ".join(unique[times > 1][:5])
            )
        persons = num_person or max(len(clip.keypoints) for clip in prepared)
        length = np.array([clip.keypoints.shape[1] for clip in prepared], np.int32)
        offset = _offsets(length)
        label = [-1 if clip.label is None else clip.label for clip in prepared]
        facts = _columns([clip.facts for clip in prepared])
        frames = np.zeros((length.sum(), persons, *prepared[0].keypoints.shape[2:]), dtype)
        for start in offset[::-1]:  # a clip goes when its frames are there: few are twice in memory
            x = prepared.pop().keypoints[:persons]
            frames[start : start + x.shape[1], : len(x)] = x.swapaxes(0, 1)
        return cls(
            frames=frames,
            offset=offset,
            length=length,
            label=np.array(label, np.int32),
            name=name,
            facts=facts,
            classes=tuple(classes),
            layout=shape.name if _built_in(shape) else shape,
            dataset=dataset,
            split=split,
            preparation=prepare,
        )

    @classmethod
    def from_tfds(
        cls,
        dataset: str,
        split: str,
        *,
        data_dir: str | None = None,
        prepare: str = "none",
        num_person: int | None = None,
        dtype=np.float32,
    ) -> Store:
        """Reads a prepared TFDS dataset, such as ``nw_ucla`` or ``ntu60/xsub``.

        Raises:
          ConfigError: unknown dataset, config or split.
          DataError: it is not prepared yet; names the command.
        """
        from skeljax.datasets import open_dataset
        from skeljax.datasets.reread import read_clips

        builder = open_dataset(dataset, data_dir)
        if not builder.info.splits:
            source = "" if builder.name == "synthetic" else " --source PATH"
            place = f" --data_dir {data_dir}" if data_dir else ""
            raise DataError(
                f"dataset {dataset!r} is not prepared",
                where=builder.data_dir,
                do=f"skeljax prepare {dataset}{source}{place}",
            )
        if split in builder.info.metadata.get("left_out", []):
            raise DataError(
                f"split {split!r} was left out: none of its raw files was there",
                where=builder.data_dir, do=f"skeljax prepare {dataset} --force --source PATH",
            )  # fmt: skip
        choose("split", split, builder.info.splits, where=dataset)
        return cls.from_clips(
            read_clips(builder, split),
            layout=builder.info.metadata["layout"],
            classes=builder.info.features["label"].names,
            prepare=prepare,
            num_person=num_person,
            dtype=dtype,
            dataset=dataset,
            split=split,
        )

    def save(self, path) -> None:
        """Writes one .npz, whole or not at all."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays |= {f"facts/{name}": column for name, column in self.facts.items()}
        words = {name: getattr(self, name) for name in _WORDS}
        if isinstance(self.layout, Layout):
            words["layout"] = asdict(self.layout)
        with atomic(path) as file:
            np.savez(file, words=json.dumps(words), **arrays)

    @classmethod
    def load(cls, path) -> Store:
        """Reads a file of `save`.

        Raises:
          DataError: missing, truncated or foreign file; names it.
        """
        arrays = read_npz(path, needs=("words", *_ARRAYS))
        words = json.loads(str(arrays.pop("words")))
        facts = {key[6:]: arrays.pop(key) for key in list(arrays) if key.startswith("facts/")}
        words["classes"] = tuple(words["classes"])
        if isinstance(words["layout"], dict):
            words["layout"] = layout_from_json(words["layout"])
        return cls(**arrays, facts=facts, **words)


def check_disjoint(train: Store, test: Store) -> None:
    """Raises a DataError if a clip is in both."""
    both = np.intersect1d(train.name, test.name)
    if len(both):
        raise DataError(
            f"{len(both)} clips are in train and in test",
            where=f"{train.dataset} {train.split}, {test.dataset} {test.split}",
            found=", ".join(both[:5]),
        )


def fit_bodies(keypoints: np.ndarray, num_person: int) -> np.ndarray:
    """(M,T,V,C) with `num_person` bodies: zeros for absent ones, further ones cut off."""
    out = np.zeros((num_person, *keypoints.shape[1:]), keypoints.dtype)
    bodies = min(num_person, len(keypoints))
    out[:bodies] = keypoints[:bodies]
    return out


def _built_in(layout: Layout) -> bool:
    return layout.name in layout_names() and get_layout(layout.name) == layout


def _offsets(length: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int32)


def _check(clip: Clip, layout: Layout, classes: int) -> None:
    x = clip.keypoints
    expected = ("M", "T", layout.num_joints, layout.channels)
    if x.ndim != 4 or x.shape[2:] != expected[2:]:
        raise DataError(
            f"the clip does not fit layout {layout.name!r}",
            where=clip.name,
            found=f"shape {x.shape}",
            expected="(" + ", ".join(map(str, expected)) + ")",
        )
    if not x.shape[0] or not x.shape[1]:
        raise DataError("the clip has no frame", where=clip.name, found=f"shape {x.shape}")
    _check_finite(clip)
    if clip.label is not None and not 0 <= clip.label < classes:
        raise DataError(
            "the label is out of range", where=clip.name, found=clip.label,
            expected=f"0 to {classes - 1}",
        )  # fmt: skip


def _check_finite(clip: Clip, stage: str = "") -> None:
    if not np.isfinite(clip.keypoints).all():
        finite = np.isfinite(clip.keypoints).all(axis=(0, 2, 3))
        raise DataError(
            f"coordinates are NaN or infinite{stage}",
            where=f"{clip.name}, frame {np.argmin(finite)}",
            found=f"{(~finite).sum()} such frames",
        )


def _columns(facts: list[dict]) -> dict[str, np.ndarray]:
    """Facts that every clip has, as columns."""
    shared = set(facts[0]).intersection(*facts[1:])
    return {key: np.array([row[key] for row in facts]) for key in sorted(shared)}
