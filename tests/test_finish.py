"""The end of a training: which checkpoints are tested and reported."""

import json
import types

import numpy as np
import pytest

from skeljax import evaluate
from skeljax.scores import Scores
from skeljax.sharding import make_mesh


@pytest.mark.parametrize("which", ["last", "best_test"])
def test_a_run_whose_best_epoch_alone_is_tested_is_reported_too(which, tmp_path, monkeypatch):
    """With train.test_last=False the report asked for scores.npz, which nobody had written."""
    label = np.array([0, 1, 1])
    made = Scores(np.eye(2, dtype=np.float32)[label], np.array(["a", "b", "c"]), label)
    facts = types.SimpleNamespace(class_counts=np.array([1, 2]), steps_per_epoch=5)
    judge = types.SimpleNamespace(
        job=types.SimpleNamespace(facts=facts),
        mesh=make_mesh("1"),
        scores=lambda *_: made,
        protocol="",
    )
    tested = [(which, {"params": {}, "extra": {}}, 10)]
    monkeypatch.setattr(evaluate, "_candidates", lambda *_: tested)
    monkeypatch.setattr(evaluate.rundir, "read", lambda _: {})
    monkeypatch.setattr(evaluate, "result_row", lambda _: {"dataset": "toy", "protocol": ""})
    result = evaluate.finish(tmp_path, None, judge, None, "test", 1.0)
    assert (result["which"], result["epoch"], result["top1"]) == (which, 2.0, 1.0)
    ending = "" if which == "last" else "_best_test"
    assert json.loads((tmp_path / f"result{ending}.json").read_text()) == result
    assert "top-1 100.00" in (tmp_path / "report/report.txt").read_text()
