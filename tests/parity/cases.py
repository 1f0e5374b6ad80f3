"""Parity cases as their KINDS.md describes them: loading, arguments, running, comparing.

A handler of a kind is ``handler(given, *, <args>) -> {role: value}``: `given` maps the roles of the
inputs to arrays, and the type hints of its keyword arguments are the kind's vocabulary.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import hashlib
import importlib.util
import inspect
import json
import os
import pathlib
import re
import types
import typing
import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = pathlib.Path(os.environ.get("SKELJAX_PARITY", ROOT.parent / "shared/parity"))
DATA = pathlib.Path(os.environ.get("SKELJAX_DATA", ROOT.parent / "shared/data"))
NOISE = 1e-12  # a float64 gradient norm below this is no gradient
WEIGHTS = pathlib.Path(os.environ.get("SKELJAX_WEIGHTS", ROOT.parent / "shared/data/weights"))


class Malformed(Exception):
    """The case says something its vocabulary does not know."""


class Absent(Exception):
    """A weights or data file that the case names is not on this machine."""


class Given(dict):
    """Inputs of one operation by role, and the case they are of."""

    def __init__(self, case: Case, values: Mapping):
        super().__init__(values)
        self.case = case


class Operation(typing.NamedTuple):
    kind: str
    args: dict
    inputs: dict  # role -> name(s) of arrays, files or expected values
    outputs: dict


@dataclasses.dataclass(frozen=True)
class Case:
    """One folder: `spec` is its case.json, `arrays` its data.npz."""

    path: pathlib.Path
    spec: dict
    arrays: dict[str, np.ndarray]

    @functools.cached_property
    def operations(self) -> list[Operation]:
        if self.spec["kind"].startswith("bundle/"):
            return [
                Operation(op["kind"], op.get("args", {}), op.get("in", {}), op.get("out", {}))
                for op in self.spec["operations"]
            ]
        inputs = {name: name for name in self.arrays if name.startswith("in/")}
        outputs = {name: name for name in [*self.stored, *self.expected_values]}
        return [Operation(self.spec["kind"], self.spec.get("args", {}), inputs, outputs)]

    @property
    def stored(self) -> list[str]:
        """Arrays that are results: all but inputs and weights."""
        return [name for name in self.arrays if not name.startswith(("in/", "t/"))]

    @property
    def expected_values(self) -> list[str]:
        return [f"expect/{name}" for name in self.spec.get("expect", {})]

    @property
    def unchecked(self) -> set[str]:
        listed = {name for names in self.spec.get("unchecked", {}).values() for name in names}
        return listed | self.rounding_noise

    @property
    def rounding_noise(self) -> set[str]:
        """Gradient norms under the model's own objective that are zero in exact arithmetic.

        The cases list those of the plain loss, not these: biases before a batch norm.
        """
        total = (name for name in self.arrays if name.startswith("train/total_grad_norm/"))
        return {name for name in total if 0 < self.arrays[name] < NOISE}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Tensors of the reference model: given in ``t/`` or made from their names."""
        aliases, explicit = self.spec.get("aliases", {}), set(self.spec.get("explicit", ()))
        return {
            name: self.arrays[f"t/{name}"] if name in explicit else fill(aliases.get(name, name), s)
            for name, s in self.spec["tensors"].items()
        }

    def weights(self) -> pathlib.Path:
        """The file of real weights the case names, found and checked."""
        return find(self.spec["weights"]["name"], self.spec["weights"]["sha256"], WEIGHTS)

    def checkpoint(self) -> pathlib.Path:
        """The same where PyTorch reads it."""
        path = self.weights()
        if importlib.util.find_spec("torch") is None:
            raise Absent(f"PyTorch, which reads {path.name}")
        return path

    def file(self, name: str) -> pathlib.Path:
        """A data file the case names by its base name, found and checked."""
        for full, digest in self.spec["files"].items():
            if pathlib.PurePath(full).name == pathlib.PurePath(name).name:
                return find(full, digest, DATA)
        raise Malformed(f"file {name!r} is not listed in 'files'")

    def value(self, name: str):
        """What a name of ``in`` or ``out`` stands for; a list of names is a list of values."""
        if isinstance(name, list):
            return [self.value(one) for one in name]
        if name.startswith("files/"):
            return self.file(name.removeprefix("files/"))
        if name.startswith("expect/"):
            return self.spec["expect"][name.removeprefix("expect/")]
        if "*" in name:
            return {key: self.arrays[full] for key, full in self.family(name).items()}
        if name not in self.arrays:
            raise Malformed(f"data.npz has no array {name!r}")
        return self.arrays[name]

    def family(self, pattern: str) -> dict[str, str]:
        """What the ``*`` of a pattern stands for -> the array's full name."""
        head, _, tail = pattern.partition("*")
        return {
            name[len(head) : len(name) - len(tail)]: name
            for name in self.arrays
            if name.startswith(head) and name.endswith(tail) and len(name) >= len(head + tail)
        }

    def run(self, kinds: Mapping[str, Callable]) -> list[str]:
        """Runs every operation and compares every stored result; returns what differs."""
        problems, seen = [], set(self.unchecked)
        for op in self.operations:
            given = Given(self, {_bare(r): self.value(name) for r, name in op.inputs.items()})
            handler = kinds[op.kind]
            found = handler(given, **bind(handler, op.args, op.kind))
            for name, value in self._results(op, found):
                if name not in self.unchecked:
                    problems += [f"{name}: {p}" for p in self.compare(name, value)]
                seen.add(name)
            seen.update(name for name in op.inputs.values() if isinstance(name, str))
        left = [name for name in [*self.stored, *self.expected_values] if name not in seen]
        return problems + [f"{name}: stored, but nothing computes it" for name in left]

    def _results(self, op: Operation, found: dict) -> Iterator[tuple[str, object]]:
        """(full name, computed value) of each result of an operation."""
        for role, names in op.outputs.items():
            if isinstance(names, list):
                value = _pick(found, role)
                if len(value) != len(names):
                    raise Malformed(f"{role}: {len(value)} results for {len(names)} names")
                yield from zip(names, value)
            elif "*" in names:
                for key, full in self.family(names).items():
                    if full not in self.unchecked:
                        yield full, _pick(found, role, key)
            elif names not in self.unchecked:
                yield names, _pick(found, role)

    def compare(self, name: str, got) -> list[str]:
        """Why a value is not the stored one; empty where it is."""
        if name.startswith("expect/"):
            want = self.value(name)
            return [] if _plain(got) == want else [f"got {_plain(got)!r:.200}, want {want!r:.200}"]
        want, got = self.arrays[name], np.asarray(got)
        if got.shape != want.shape:
            return [f"shape {got.shape}, want {want.shape}"]
        if want.dtype.kind in "iubUSO":
            wrong = np.asarray(got != want)
            return [f"{wrong.sum()} of {want.size} differ (exact)"] if wrong.any() else []
        tolerance = next(
            t for glob, t in self.spec["tolerance"].items() if fnmatch.fnmatchcase(name, glob)
        )
        return _close(got, want, **tolerance)


def _close(got, want, rtol, atol, relative_to_max=False) -> list[str]:
    got, want = got.astype(np.float64), want.astype(np.float64)
    scale = np.abs(want).max(initial=0.0) if relative_to_max else 1.0
    with np.errstate(invalid="ignore"):
        off = np.abs(got - want)
        good = (off <= rtol * np.abs(want) + atol * scale) | (got == want)
    good |= np.isnan(got) & np.isnan(want)
    if good.all():
        return []
    worst = np.unravel_index(
        np.nanargmax(np.where(good, -1.0, np.nan_to_num(off, nan=np.inf))), off.shape
    )
    return [
        f"{(~good).sum()} of {want.size} differ, at {tuple(map(int, worst))} got {got[worst]:.9g}, "
        f"want {want[worst]:.9g} (rtol {rtol:g}, atol {atol:g} x {scale:g})"
    ]


def _bare(role: str) -> str:
    return role.removeprefix("in/")


_WILDCARD = r"\*|<[^>]*>"


def _pick(found: dict, role: str, key: str | None = None):
    """The result of a role, or of the member `key` of a family of results."""
    if key is not None and isinstance(found.get(role), Mapping):
        found, names = found[role], [key]
    elif key is not None:
        names = [f"{role}/{key}", role]
        if re.search(_WILDCARD, role):
            names = [re.sub(_WILDCARD, lambda _: key, role), *names]
    else:
        names = [role, role.removeprefix("out/"), role.removeprefix("expect/")]
    for name in names:
        if name in found:
            return found[name]
    raise Malformed(f"no result {names[0]!r} among {', '.join(map(str, found)):.300}")


def _plain(value):
    """Arrays and tuples as the JSON values they would be stored as."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def load(path: pathlib.Path) -> Case:
    """The case of a folder."""
    with np.load(path / "data.npz", allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    return Case(path, json.loads((path / "case.json").read_text()), arrays)


def kinds_of(path: pathlib.Path) -> list[str]:
    """Kinds of the operations of a case, read from its case.json alone."""
    spec = json.loads((path / "case.json").read_text())
    return [op["kind"] for op in spec.get("operations", ())] or [spec["kind"]]


def find(name: str, digest: str, folder: pathlib.Path) -> pathlib.Path:
    """A file by its base name anywhere in a folder, if its sha256 is right.

    Raises:
      Absent: it is not there.
      Malformed: there are only other files of that name.
    """
    base = pathlib.PurePath(name).name
    named = anywhere(base, folder)
    if not named:
        raise Absent(f"no {base} in {folder}")
    for path in named:
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path
    raise Malformed(f"{named[0]} is another file: its sha256 is not {digest}")


@functools.cache
def anywhere(base: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """All files of a base name in a folder and the folders in it."""
    return sorted(path for path in folder.rglob(base) if path.is_file())


def fill(name: str, shape) -> np.ndarray:
    """The weight every case gives to the tensor `name`; a function of the name alone."""
    leaf, rng = name.rsplit(".", 1)[-1], np.random.default_rng(zlib.crc32(name.encode()))
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    spread = 0.1 if len(shape) <= 1 else 1 / np.sqrt(np.prod(shape[1:]))
    return np.asarray(spread * rng.standard_normal(shape), np.float32)


def bind(handler: Callable, args: dict, where: str) -> dict:
    """`args` checked against the type hints of a handler or dataclass; nested ones are built.

    Raises:
      Malformed: an argument that is unknown, missing, or of another type.
    """
    hints = typing.get_type_hints(handler)
    parameters = {
        name: p
        for name, p in inspect.signature(handler).parameters.items()
        if p.kind is p.KEYWORD_ONLY or dataclasses.is_dataclass(handler)
    }
    for name in args:
        if name not in parameters:
            raise Malformed(f"{where}: unknown argument {name!r}")
    bound = {}
    for name, parameter in parameters.items():
        if name in args:
            bound[name] = _bind_value(args[name], hints[name], f"{where} {name}")
        elif parameter.default is parameter.empty:
            raise Malformed(f"{where}: argument {name!r} is missing")
    return bound


def _bind_value(value, hint, where):
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise Malformed(f"{where}: {value!r} is no object")
        return hint(**bind(hint, value, where))
    if not _conforms(value, hint):
        raise Malformed(f"{where}: {value!r} is not {getattr(hint, '__name__', hint)}")
    return value


def _conforms(value, hint) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_conforms(value, one) for one in inner)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin is list:
        return isinstance(value, list) and all(_conforms(one, inner[0]) for one in value)
    if hint in (int, float):
        number = (int,) if hint is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, hint)
