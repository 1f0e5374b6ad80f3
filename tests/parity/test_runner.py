"""The runner itself: that what should fail does, and that the counts are right."""

import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import sys
from typing import Literal

import numpy as np
import pytest

from parity import cases

FOLDER = pathlib.Path(__file__).parent
STRICT = {"*": {"rtol": 0, "atol": 0, "relative_to_max": False}}


def case(arrays, kind="k", **spec):
    spec = {"kind": kind, "args": {}, "tolerance": STRICT, "tensors": {}, "explicit": []} | spec
    return cases.Case(pathlib.Path("x"), spec, {k: np.asarray(v) for k, v in arrays.items()})


def run(arrays, handler, **spec):
    return case(arrays, **spec).run({"k": handler})


def test_roles_are_array_names_outside_a_bundle():
    def double(given):
        return {"y": 2 * given["x"], "grad/x": given["x"]}

    arrays = {"in/x": [1.0, 2.0], "out/y": [2.0, 4.0], "grad/x": [1.0, 2.0]}
    assert run(arrays, double) == []
    (problem,) = run(arrays | {"out/y": [2.0, 5.0]}, double)
    assert problem.startswith("out/y: 1 of 2 differ, at (1,) got 4, want 5")


def test_a_stored_result_that_nothing_computes_is_no_pass():
    with pytest.raises(cases.Malformed, match="no result 'out/z'"):
        run({"in/x": 1.0, "out/z": 1.0}, lambda given: {"y": 1.0})
    op = {"kind": "k", "args": {}, "in": {"x": "in/x"}, "out": {"y": "out/y"}}
    arrays = {"in/x": 1.0, "out/y": 1.0, "out/z": 1.0}
    found = run(arrays, lambda given: {"y": 1.0}, kind="bundle/b", operations=[op])
    assert found == ["out/z: stored, but nothing computes it"]


def test_bundles_map_roles_lists_families_and_expected_values():
    def handler(given):
        np.testing.assert_array_equal(given["pair"], [[1, 2], [3, 4]])
        assert set(given["family"]) == {"a/b", "c"}
        assert given["words"] == ["one"]
        return {
            "sums": [3, 7],
            "members": {key: 10 * value for key, value in given["family"].items()},
            "words": ("one", np.int64(2)),
        }

    arrays = {"in/p": [1, 2], "in/q": [3, 4], "in/f/a/b": 5, "in/f/c": 6}
    arrays |= {"out/p": 3, "out/q": 7, "out/f/a/b": 50, "out/f/c": 60}
    op = {
        "kind": "k",
        "in": {"pair": ["in/p", "in/q"], "family": "in/f/*", "words": "expect/said"},
        "out": {"sums": ["out/p", "out/q"], "members": "out/f/*", "words": "expect/heard"},
    }
    spec = {
        "kind": "bundle/b",
        "operations": [op],
        "expect": {"said": ["one"], "heard": ["one", 2]},
    }
    assert run(arrays, handler, **spec) == []
    spec["expect"]["heard"] = ["one", 3]
    assert "got ['one', 2], want ['one', 3]" in run(arrays, handler, **spec)[0]


def test_unchecked_arrays_need_not_be_computed():
    arrays = {"in/x": 1.0, "out/y": 1.0, "out/noise": 1.0}
    found = run(arrays, lambda given: {"y": 1.0}, unchecked={"rounding": ["out/noise"]})
    assert found == []


def test_the_first_tolerance_that_matches_wins():
    loose = {"rtol": 0, "atol": 0.1, "relative_to_max": False}
    arrays = {"out/a/b": [1.0], "out/c": [1.0]}
    got = {"a/b": [1.05], "c": [1.05]}
    found = run(arrays, lambda given: got, tolerance={"out/a*": loose} | STRICT)
    assert [problem.split(":")[0] for problem in found] == ["out/c"]
    assert len(run(arrays, lambda given: got, tolerance=STRICT | {"out/a*": loose})) == 2


@pytest.mark.parametrize(
    "got, want, relative, passes",
    [
        (1.05, 1.0, False, False),
        ([1.05, 10.0], [1.0, 10.0], True, True),
        ([1.2, 10.0], [1.0, 10.0], True, False),
        (np.nan, 1.0, False, False),
        (1.0, np.nan, False, False),
        (np.nan, np.nan, False, True),
        (np.inf, np.inf, False, True),
        (-np.inf, np.inf, False, False),
        (np.inf, 1.0, False, False),
        ([1.0], 1.0, False, False),
        (np.zeros((0, 2)), np.zeros((0, 2)), True, True),
        (np.zeros((0, 2)), np.zeros((0, 3)), True, False),
    ],
)
def test_floats_are_compared_with_tolerance_after_shapes(got, want, relative, passes):
    tolerance = {"*": {"rtol": 0, "atol": 0.01, "relative_to_max": relative}}
    found = run({"out/y": want}, lambda given: {"y": got}, tolerance=tolerance)
    assert (found == []) == passes, found


@pytest.mark.parametrize(
    "got, want, passes",
    [
        (np.int32([1, 2]), np.int64([1, 2]), True),
        (np.float32([1, 2]), np.int64([1, 2]), True),
        (np.float32([1, 2.001]), np.int64([1, 2]), False),
        (np.array(["a", "b"]), np.array(["a", "b "]), False),
        (np.array([True]), np.array([False]), False),
    ],
)
def test_integers_strings_and_bools_are_exact_whatever_the_tolerance(got, want, passes):
    loose = {"*": {"rtol": 1, "atol": 9, "relative_to_max": False}}
    found = run({"out/y": want}, lambda given: {"y": got}, tolerance=loose)
    assert (found == []) == passes


@dataclasses.dataclass(frozen=True)
class Inner:
    size: int
    names: list[str] | None = None


def handler(given, *, k: int, ratio: float = 0.5, mode: Literal["a", 1] = "a", inner: Inner):
    return {}


def test_arguments_bind_by_the_type_hints():
    bound = cases.bind(handler, {"k": 3, "ratio": 1, "inner": {"size": 2, "names": ["x"]}}, "kind")
    assert bound == {"k": 3, "ratio": 1, "inner": Inner(2, ["x"])}
    assert cases.bind(handler, {"k": 3, "mode": 1, "inner": {"size": 2}}, "kind")["mode"] == 1


@pytest.mark.parametrize(
    "args, said",
    [
        ({"k": 3}, "'inner' is missing"),
        ({"k": 3, "inner": {"size": 1}, "x": 1}, "unknown argument 'x'"),
        ({"k": 3, "inner": {"size": 1, "x": 1}}, "unknown argument 'x'"),
        ({"k": True, "inner": {"size": 1}}, "k: True is not int"),
        ({"k": 1.5, "inner": {"size": 1}}, "k: 1.5 is not int"),
        ({"k": 1, "ratio": "1", "inner": {"size": 1}}, "ratio"),
        ({"k": 1, "mode": "b", "inner": {"size": 1}}, "mode"),
        ({"k": 1, "mode": True, "inner": {"size": 1}}, "mode"),
        ({"k": 1, "inner": {"size": 1, "names": [1]}}, "names"),
        ({"k": 1, "inner": 4}, "no object"),
    ],
)
def test_arguments_outside_the_vocabulary(args, said):
    with pytest.raises(cases.Malformed, match=said):
        cases.bind(handler, args, "kind")


def test_state_dict_takes_given_filled_and_shared_tensors():
    tensors = {"a.weight": [2, 3], "b.weight": [2, 3], "c.PA": [2], "d.num_batches_tracked": []}
    spec = {"tensors": tensors, "explicit": ["c.PA"], "aliases": {"b.weight": "a.weight"}}
    state = case({"t/c.PA": [7.0, 8.0]}, **spec).state_dict()
    np.testing.assert_array_equal(state["a.weight"], state["b.weight"])
    np.testing.assert_array_equal(state["c.PA"], [7, 8])
    assert state["d.num_batches_tracked"].dtype == np.int64


def test_fill_is_that_of_the_cases():
    if not (cases.CASES / "fill.py").is_file():
        pytest.skip(f"no fill.py in {cases.CASES}")
    given = {}
    exec((cases.CASES / "fill.py").read_text(), given)
    for name, shape in {
        "l1.bn.weight": (5,), "l1.bn.bias": (5,), "l1.bn.running_var": (5,), "fc.weight": (4, 5),
        "l1.bn.running_mean": (5,), "conv.weight": (4, 5, 3, 1), "bn.num_batches_tracked": (),
        "logit_scale": (),
    }.items():  # fmt: skip
        want, got = given["fill"](name, shape), cases.fill(name, shape)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_files_are_found_by_base_name_and_checked(tmp_path):
    for folder, content in (("another", b"of this name"), ("deep", b"weights")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.pt").write_bytes(content)
    digest = hashlib.sha256(b"weights").hexdigest()
    assert cases.find("elsewhere/w.pt", digest, tmp_path) == tmp_path / "deep/w.pt"
    with pytest.raises(cases.Absent, match=r"no v\.pt"):
        cases.find("v.pt", digest, tmp_path)
    with pytest.raises(cases.Malformed, match="another file"):
        cases.find("w.pt", "0" * 64, tmp_path)


def _store(folder, name, kind="metric/topk", args=None, accuracy=0.5, **spec):
    path = folder / "made" / name
    path.mkdir(parents=True)
    op = {
        "kind": kind,
        "args": {"k": [1]} if args is None else args,
        "in": {"scores": "in/s", "label": "in/y"},
        "out": {"accuracy": "out/a"},
    }
    spec = {"kind": "bundle/metrics", "operations": [op], "tolerance": STRICT} | spec
    (path / "case.json").write_text(json.dumps(spec))
    np.savez(path / "data.npz", **{"in/s": np.eye(2), "in/y": [0, 0], "out/a": accuracy})


@pytest.mark.parametrize("workers", [0, 2])
def test_the_run_ends_with_the_counts(tmp_path, workers):
    _store(tmp_path, "right")
    _store(tmp_path, "also_right", args={"k": [1], "stream": None})
    _store(tmp_path, "wrong", accuracy=1.0)
    _store(tmp_path, "new_argument", args={"k": [1], "ties": "low"})
    _store(tmp_path, "new_kind", kind="metric/other")
    _store(tmp_path, "absent", kind="list/ucla", args={}, files={"none.zip": "0"})
    spec = json.loads((tmp_path / "made/absent/case.json").read_text())
    spec["operations"][0]["in"] = {"scores": "files/none.zip"}
    (tmp_path / "made/absent/case.json").write_text(json.dumps(spec))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", str(workers), FOLDER / "test_parity.py"],
        env=os.environ | {"SKELJAX_PARITY": str(tmp_path)},
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    assert lines[-1] == ("parity: 2 passed, 2 failed, 1 unsupported, 0 declined, 1 skipped of 6"), (
        done.stdout[-2000:]
    )
    assert done.returncode == 1
    assert any("made/new_argument" in line for line in lines)
