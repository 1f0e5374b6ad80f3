"""Layout: what the joints of a skeleton are. Built-in ones and a user's own are the same TOML."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import tomllib

import numpy as np

from skeljax.errors import ConfigError, choose

_FOLDER = pathlib.Path(__file__).parent


def _name(value) -> bool:
    return isinstance(value, str)


def _names(value) -> bool:
    return isinstance(value, list) and all(map(_name, value))


def _two(value) -> bool:
    return _names(value) and len(value) == 2


def _pairs(value) -> bool:
    return isinstance(value, list) and all(map(_two, value))


def _parts(value) -> bool:
    return isinstance(value, dict) and all(map(_names, value.values()))


# field: (whether a value of the file can be one, what it should be)
_FIELDS = {
    "name": (_name, "text"),
    "about": (_name, "text"),
    "dims": (lambda value: type(value) is int and value in (2, 3), "2 or 3"),
    "confidence": (lambda value: isinstance(value, bool), "true or false"),
    "joints": (_pairs, '[["hand", "elbow"], ...], a name and a parent each'),
    "edges": (_pairs, '[["hand", "elbow"], ...]'),
    "centre": (_name, "the name of a joint"),
    "centre_on": (_name, "the name of a joint"),
    "align_z": (_two, '["hip", "chest"], two joints'),
    "align_x": (_two, '["right", "left"], two joints'),
    "upper": (_names, '["hand", ...], names of joints'),
    "parts": (_parts, 'a table, head = ["nose", ...]'),
    "bone_parts": (_parts, 'a table, head = ["nose", ...]'),
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Joints of a skeleton and all that follows from them. V joints, 0-based.

    Attributes:
      name: its name, the file's stem.
      joints: V names. ``left``/``right`` in a name pairs it with its mirror image.
      parents: (V,) bone partner of every joint; a root is its own parent.
      edges: graph edges (child, parent), one a line of the file; they follow `parents` unless
        the file names others (two public code bases may hang a joint differently).
      centre: root of the graph, from which distances are counted.
      dims: coordinates a joint, 2 or 3.
      confidence: whether a confidence channel follows the coordinates.
      upper: joints of the upper body (partial mixup); the rest is the lower body.
      parts: joints of ``head``, ``hand``, ``hip``, ``foot`` (language supervision).
      bone_parts: the same for bone streams, where public code differs; else equal to `parts`.
      centre_on: joint that PYSKL-style normalisation puts in the origin.
      align_z: joints (from, to) whose direction that normalisation turns to +z.
      align_x: joints (to, from), as it is written in PYSKL, turned to +x.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    centre: int
    dims: int = 3
    confidence: bool = False
    upper: tuple[int, ...] = ()
    parts: tuple[tuple[str, tuple[int, ...]], ...] = ()
    bone_parts: tuple[tuple[str, tuple[int, ...]], ...] = ()
    centre_on: int = 0
    align_z: tuple[int, int] | None = None
    align_x: tuple[int, int] | None = None

    @property
    def num_joints(self) -> int:
        """V."""
        return len(self.joints)

    @property
    def channels(self) -> int:
        """C: coordinates, and the confidence where there is one."""
        return self.dims + self.confidence

    @functools.cached_property
    def lower(self) -> tuple[int, ...]:
        """Joints that are not of the upper body."""
        return tuple(v for v in range(self.num_joints) if v not in self.upper)

    @functools.cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) joints, by their names."""
        index = {name: v for v, name in enumerate(self.joints)}
        mirrored = (
            (v, index.get(name.replace("left", "right")))
            for name, v in index.items()
            if "left" in name
        )
        return tuple((v, w) for v, w in mirrored if w is not None)

    @functools.cached_property
    def mirror(self) -> np.ndarray:
        """(V,) permutation that swaps left and right."""
        order = np.arange(self.num_joints)
        for left, right in self.pairs:
            order[[left, right]] = right, left
        return order

    @functools.cached_property
    def depth(self) -> np.ndarray:
        """(V,) bones between each joint and the root of its chain of parents."""
        depth, up, parents = (
            np.zeros(self.num_joints, int),
            np.arange(self.num_joints),
            np.asarray(self.parents),
        )
        while (parents[up] != up).any():
            depth += parents[up] != up
            up = parents[up]
        return depth

    def ancestor(self, hops: int) -> np.ndarray:
        """(V,) the joint `hops` bones towards the root; itself where the chain is shorter."""
        parents = np.asarray(self.parents)
        up = np.arange(self.num_joints)
        for _ in range(hops):
            up = parents[up]
        return np.where(self.depth >= hops, up, np.arange(self.num_joints))


def layout_names() -> list[str]:
    """Names of the built-in layouts."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def get_layout(name: str | Layout) -> Layout:
    """A built-in layout by name (``ntu25``), or a user's by the path of its TOML file; a Layout
    as it is.

    Raises:
      ConfigError: unknown name, or a file that does not describe a skeleton.
    """
    return name if isinstance(name, Layout) else _load(str(name))


@functools.cache
def _load(name: str) -> Layout:
    if name.endswith(".toml"):
        return load_layout(name)
    if pathlib.Path(name).suffix:
        raise ConfigError(
            "a layout is a TOML file", where=name, expected="NAME.toml", do="see docs/own_data.md"
        )
    return load_layout(_FOLDER / f"{choose('layout', name, layout_names())}.toml")


def layout_from_json(values: dict) -> Layout:
    """The Layout whose `dataclasses.asdict` went through JSON."""

    def tupled(x):
        return tuple(map(tupled, x)) if isinstance(x, list) else x

    return Layout(**{name: tupled(value) for name, value in values.items()})


def load_layout(path) -> Layout:
    """Reads one layout file; docs/own_data.md describes the fields.

    Raises:
      ConfigError: names the file, the field, what was found and what was expected.
    """
    path = pathlib.Path(path).expanduser()
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("cannot read the layout", where=path, found=error.strerror) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, or a thousand brackets
        raise ConfigError("the layout is no valid TOML", where=path, found=error) from None
    for field, value in spec.items():
        fits, expected = _FIELDS[choose("layout field", field, _FIELDS, where=path)]
        if not fits(value):
            raise ConfigError(
                f"{field!r} of the layout is not what it should be", where=path,
                found=str(value)[:60], expected=expected,
            )  # fmt: skip
    for field in ("joints", "centre"):
        if field not in spec:
            raise ConfigError(f"the layout has no {field!r}", where=path, do="see docs/own_data.md")
    rows = spec["joints"]
    names = [name for name, _ in rows]
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise ConfigError("joint names must differ", where=path, found=", ".join(twice))
    index = {name: v for v, name in enumerate(names)}

    def joint(name) -> int:
        return index[choose("joint", name, index, where=path)]

    def joints(field) -> tuple[int, ...]:
        return tuple(joint(n) for n in spec.get(field, ()))

    parents = tuple(joint(parent) for _, parent in rows)
    _check_no_cycle(names, parents, path)
    other = {joint(child): joint(parent) for child, parent in spec.get("edges", ())}
    if len(other) < len(spec.get("edges", ())):
        raise ConfigError(
            "the graph is a tree: a joint hangs on one other", where=path,
            found="two `edges` of one joint", expected='[["joint", "what it hangs on"], ...]',
        )  # fmt: skip
    edges = tuple((v, other.get(v, p)) for v, p in enumerate(parents) if other.get(v, p) != v)
    parts = {
        field: tuple((n, tuple(joint(j) for j in part)) for n, part in spec.get(field, {}).items())
        for field in ("parts", "bone_parts")
    }
    return Layout(
        name=path.stem,
        joints=tuple(names),
        parents=parents,
        edges=edges,
        centre=joint(spec["centre"]),
        dims=spec.get("dims", 3),
        confidence=spec.get("confidence", False),
        upper=joints("upper"),
        parts=parts["parts"],
        bone_parts=parts["bone_parts"] or parts["parts"],
        centre_on=joint(spec.get("centre_on", spec["centre"])),
        align_z=joints("align_z") or None,
        align_x=joints("align_x") or None,
    )


def _check_no_cycle(names, parents, path):
    for start in range(len(parents)):
        seen, v = {start}, start
        while parents[v] != v:
            v = parents[v]
            if v in seen:
                raise ConfigError(
                    "the parents run in a circle", where=path, found=names[start],
                    expected="a root that is its own parent",
                )  # fmt: skip
            seen.add(v)
