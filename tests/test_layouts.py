"""Layout files of one's own: what is wrong in them is said, with the file and the field."""

import pytest

from skeljax.errors import ConfigError
from skeljax.layouts import get_layout

GOOD = """
centre = "a"
joints = [["a", "a"], ["b", "a"], ["c", "b"]]
"""
WRONG = {
    "edges": ('[["a"]]', '[["a", "b", "c"]]', '"ab"', "5", '[["a", 5]]', '[["a", ["b"]]]'),
    "dims": ('"2"', "4", "0", "2.0", "true", "[2]"),
    "confidence": ('"no"', "1", "[true]"),
    "joints": ("5", '"abc"', '[[["a"], "a"]]', '[["a"]]', "[5]", "{a = 1}"),
    "centre": ("0", '["a"]'),
    "parts": ('["a"]', '{head = "a"}', "{head = [[1]]}"),
    "upper": ("3", '"abc"', "[3]"),
    "align_z": ('["a"]', '"ab"', "[0, 1]"),
    "about": ("5",),
}


@pytest.mark.parametrize("field, value", [(f, v) for f, values in WRONG.items() for v in values])
def test_a_value_of_the_wrong_kind(field, value, tmp_path):
    rest = [line for line in GOOD.splitlines() if not line.startswith(field)]
    (tmp_path / "mine.toml").write_text("\n".join([*rest, f"{field} = {value}"]))
    with pytest.raises(ConfigError, match=rf"'{field}'[^$]*mine\.toml[^$]*found:[^$]*expected:"):
        get_layout(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"centre = '\xff'", "no valid TOML"),
        (b"a = " + b"[" * 5000, "no valid TOML"),
        (b"centre = 'a'", "no 'joints'"),
        (b"centre = 'a'\njoints = []", "unknown joint 'a'"),
        (b"centre = 'a'\njoints = [['a', 'a'], ['a', 'a']]", "must differ"),
        (b"centre = 'a'\njoints = [['a', 'b'], ['b', 'a']]", "in a circle"),
        (GOOD.encode() + b"edges = [['c', 'a'], ['c', 'b']]", "is a tree"),
        (b"center = 'a'", "did you mean 'centre'"),
    ],
)
def test_a_file_that_describes_no_skeleton(content, message, tmp_path):
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{message}[^$]*mine\.toml"):
        get_layout(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("name", ["mine.json", "folder/mine.yaml"])
def test_another_kind_of_file(name):
    with pytest.raises(ConfigError, match=rf"TOML file[^$]*{name}"):
        get_layout(name)
