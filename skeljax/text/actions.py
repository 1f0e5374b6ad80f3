"""What is said about each action: names, a sentence, and what each part of the body does."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import pathlib
import re
import tomllib
from collections.abc import Iterable

from skeljax.errors import ConfigError, DataError, choose

_FOLDER = pathlib.Path(__file__).parent / "descriptions"
LIMBS = ("head", "hand", "arm", "hip", "leg", "foot")
# part of a Layout: what is said of it
PARTS = {"head": ("head",), "hand": ("hand", "arm"), "hip": ("hip",), "foot": ("leg", "foot")}
_FIELDS = {"name", "synonyms", "sentence", *LIMBS}
_MOST_WORDS = 60  # CLIP takes 77 tokens


@dataclasses.dataclass(frozen=True)
class Action:
    """Texts about one class.

    Attributes:
      name: of the class.
      names: the name and its synonyms.
      sentence: the whole action in one sentence; may be empty.
      limbs: what head, hand, arm, hip, leg and foot do, in this order; all or none.
    """

    name: str
    names: tuple[str, ...]
    sentence: str = ""
    limbs: tuple[str, ...] = ()

    def whole(self, kind: str) -> tuple[str, ...]:
        """Texts for the whole body: ``synonym`` (all names), ``name`` or ``sentence``."""
        choose("global text", kind, ("synonym", "name", "sentence"), where="method.global_text")
        if kind == "synonym":
            return self.names
        return (self.name,) if kind == "name" else (self.sentence or self.name,)

    def part(self, part: str, fused: bool = False) -> str:
        """Text for ``head``, ``hand``, ``hip`` or ``foot``: the name and what its limbs do.

        Args:
          fused: join as LST's code does, which leaves no comma between the name and the hand and
            takes the pieces with their blanks.
        """
        if not self.limbs:
            return f"{self.name}, {part}"
        limbs = [self.limbs[LIMBS.index(limb)] for limb in PARTS[part]]
        if fused:
            return self.name + ("" if part == "hand" else ",") + ",".join(limbs)
        return ", ".join(text.strip() for text in (self.name, *limbs))


def shipped() -> list[str]:
    """Names of the descriptions that come with skeljax."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def by_line(source: str) -> bool:
    """Whether these are LST's line files, which go by the order of the labels, not by name."""
    return "," in source or source.endswith(".txt")


def load_actions(source: str) -> tuple[Action, ...]:
    """Descriptions in the order of their file.

    Args:
      source: name of shipped ones (``ntu120``), a ``.toml``, or ``parts.txt,synonyms.txt`` of
        LST's line formats (see `read_lines`).

    Raises:
      SkeljaxError: no such descriptions, or a file that is not in its form.
    """
    if by_line(source):
        paths = source.split(",")
        if len(paths) > 3:
            raise ConfigError(
                "too many text files", where=source, expected="PARTS[,SYNONYMS[,SENTENCES]]"
            )
        return read_lines(*map(_lines, paths))
    if not source.endswith(".toml"):
        source = _FOLDER / f"{choose('descriptions', source, shipped())}.toml"
    path = pathlib.Path(source).expanduser()
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError("cannot read the descriptions", where=path, found=error.strerror) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("the descriptions are no valid TOML", where=path, found=error) from None
    rows = spec.get("action")
    if not isinstance(rows, list) or not rows:
        raise ConfigError("no [[action]] in the file", where=path, do="see docs/language.md")
    return tuple(_action(row, f"{path}, action {i + 1}") for i, row in enumerate(rows))


def _action(row, where) -> Action:
    for field in row:
        choose("field of an action", field, _FIELDS, where=where)
    if not isinstance(row.get("name"), str):
        raise ConfigError("the action has no name", where=where)
    where = f"{where} ({row['name']})"
    synonyms = row.get("synonyms", [])
    texts = [row.get(field, "") for field in ("sentence", *LIMBS)]
    if not isinstance(synonyms, list) or not all(isinstance(t, str) for t in [*synonyms, *texts]):
        raise ConfigError("not text", where=where, expected='synonyms = ["..."], the rest "..."')
    sentence, *limbs = texts
    if any(limbs) and not all(limbs):
        missing = [limb for limb, text in zip(LIMBS, limbs) if not text]
        raise ConfigError(
            "only some parts of the body are described", where=where,
            found="nothing for " + ", ".join(missing), expected="all of " + ", ".join(LIMBS),
        )  # fmt: skip
    limbs = tuple(limbs) if all(limbs) else ()
    return Action(row["name"], (row["name"], *synonyms), sentence, limbs)


def read_lines(
    parts: Iterable[str], synonyms: Iterable[str] = (), sentences: Iterable[str] = ()
) -> tuple[Action, ...]:
    """Actions from LST's line formats, one class a line in the order of the labels.

    Args:
      parts: ``name;head;hand;arm;hip;leg;foot``.
      synonyms: ``name,synonym,synonym...``; without them the names stand alone.
      sentences: ``name,sentence`` or ``name;sentence``.

    Raises:
      ConfigError: a line of another form, or files of different lengths.
    """
    parts, synonyms, sentences = list(parts), list(synonyms), list(sentences)
    for other in (synonyms, sentences):
        if other and len(other) != len(parts):
            raise ConfigError(
                "the text files have different numbers of classes",
                found=f"{len(parts)} and {len(other)} lines",
            )
    actions = []
    for number, (line, names, sentence) in enumerate(
        itertools.zip_longest(parts, synonyms, sentences, fillvalue="")
    ):
        name, *limbs = line.strip().split(";")
        if len(limbs) != len(LIMBS):
            raise ConfigError(
                "a line of parts has 7 pieces between semicolons",
                where=f"line {number + 1}",
                found=f"{len(limbs) + 1}: {line[:60]!r}",
                expected="name;" + ";".join(LIMBS),
            )
        names = tuple(synonym_row(names)) if names else (name,)
        told = re.split("[,;]", sentence.strip(), maxsplit=1)[-1].strip()
        actions.append(Action(name, names, told, tuple(limbs)))
    return tuple(actions)


def synonym_row(line: str) -> list[str]:
    """Entries of one line of synonyms, blanks and all, as LST's code takes them."""
    return line.strip().split(",")


def _lines(path) -> list[str]:
    try:
        text = pathlib.Path(path.strip()).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read the text file", where=path, found=error) from None
    return [line for line in text.split("\n") if line.strip()]


def plain(name: str) -> str:
    """A class name without case and punctuation, as names are compared."""
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))


def for_classes(source: str, classes: Iterable[str]) -> tuple[Action, ...]:
    """The action of every class, in the order of the labels.

    Matched by name or, failing that, by a synonym; LST's line files go by the order of the labels,
    and those of 120 classes serve the first 60.

    Args:
      source: as of `load_actions`; empty takes the shipped descriptions that have all classes.

    Raises:
      ConfigError: a class has no description.
    """
    classes = list(classes)
    if not source:
        covering = (s for s in shipped() if not missing(load_actions(s), classes))
        source = next(covering, None)
        if source is None:
            raise ConfigError(
                "none of the shipped descriptions has all classes of this data",
                where="method.descriptions",
                expected="the name of one of " + ", ".join(shipped()) + ", or your own file",
                do="write a TOML file of them: docs/language.md",
            )
    actions = load_actions(source)
    if by_line(source):
        if len(actions) < len(classes):
            raise ConfigError(
                "fewer lines of text than classes", where=source,
                found=f"{len(actions)} lines", expected=f"{len(classes)}",
            )  # fmt: skip
        return actions[: len(classes)]
    absent = missing(actions, classes)
    if absent:
        known = [action.name for action in actions]
        near = difflib.get_close_matches(absent[0], known, n=1, cutoff=0.4)
        raise ConfigError(
            f"{len(absent)} of {len(classes)} classes have no description",
            where=source,
            found="nothing for " + ", ".join(map(repr, absent[:4])),
            expected=f"for example {near[0]!r}" if near else None,
            do="add them as [[action]], or as synonyms: docs/language.md",
        )
    index = _index(actions)
    return tuple(index[plain(name)] for name in classes)


def missing(actions: Iterable[Action], classes: Iterable[str]) -> list[str]:
    """Classes that no action is about."""
    index = _index(actions)
    return [name for name in classes if plain(name) not in index]


def _index(actions) -> dict[str, Action]:
    by_synonym = {plain(name): action for action in actions for name in action.names}
    return by_synonym | {plain(action.name): action for action in actions}


def line_faults(actions: tuple[Action, ...], classes: Iterable[str]) -> list[str]:
    """What is wrong with LST's line files for the classes of a dataset; a sentence each.

    Only what would harm: the public files repeat synonyms and need no sentences, and the lines of
    120 classes serve 60.
    """
    classes = list(classes)
    found = []
    if len(actions) < len(classes):
        found.append(f"{len(actions)} lines of text for {len(classes)} classes")
    return found + [
        f"line {number} ({action.name.strip()}): an empty text"
        for number, action in enumerate(actions[: len(classes)], 1)
        if not all(text.strip() for text in (action.name, *action.names, *action.limbs))
    ]


def faults(actions: tuple[Action, ...], classes: Iterable[str] | None = None) -> list[str]:
    """What is wrong with descriptions, alone or for the classes of a dataset; a sentence each."""
    found, seen = [], {}
    for action in actions:
        if not action.limbs:
            found.append(f"{action.name}: nothing about the parts of the body")
        if not action.sentence:
            found.append(f"{action.name}: no sentence")
        texts = [*action.names, action.sentence, *(action.part(part) for part in PARTS)]
        if any(len(text.split()) > _MOST_WORDS for text in texts):
            found.append(f"{action.name}: a text of more than {_MOST_WORDS} words")
        if not all(text.strip() for text in (*action.names, *action.limbs)):
            found.append(f"{action.name}: an empty text")
        for text in {plain(name) for name in action.names}:
            other = seen.setdefault(text, action)
            if other is not action:
                found.append(f"{action.name} and {other.name} share the name {text!r}")
        if len({plain(name) for name in action.names}) < len(action.names):
            found.append(f"{action.name}: a synonym stands twice")
    if classes is not None:
        classes = list(classes)
        found += [f"no description of {name!r}" for name in missing(actions, classes)]
        index = _index(actions)
        wanted = [index.get(plain(name)) for name in classes]
        found += [
            f"{a} and {b} share the description of {first.name!r}"
            for (a, first), (b, second) in itertools.combinations(zip(classes, wanted), 2)
            if first is not None and first is second
        ]
    return found
