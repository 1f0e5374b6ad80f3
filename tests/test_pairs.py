"""The confusable pairs of made-up scores."""

import csv

import numpy as np

from skeljax import pairs, report, scores
from skeljax.scores import Scores

LABEL = np.array([0, 0, 1, 1, 2, 2, 3, 3])
BEFORE = np.array([1, 1, 0, 1, 2, 3, 3, 3])  # 0/1 three times, 2/3 once
NOW = np.array([0, 1, 1, 1, 2, 3, 2, 3])  # 0/1 once, 2/3 twice


def _scores(predicted):
    """The prediction first and the true class second, with the others far behind."""
    return (2 * np.eye(4)[predicted] + np.eye(4)[LABEL]).astype(np.float32)


def test_pairs_by_their_change():
    first, second = pairs.confusable(_scores(BEFORE), _scores(NOW), LABEL)
    assert first == (0, 1, 4, (3, 1), (0.25, 0.75))
    assert second == (2, 3, 4, (1, 2), (0.75, 0.5))


def test_the_choice_favours_neither_side():
    here = pairs.confusable(_scores(BEFORE), _scores(NOW), LABEL, top=1)
    there = pairs.confusable(_scores(NOW), _scores(BEFORE), LABEL, top=1)
    assert [p[:3] for p in here] == [p[:3] for p in there] == [(0, 1, 4)]
    assert here[0].mistaken == there[0].mistaken[::-1]


def test_apart_does_not_ask_the_other_classes():
    """Both clips of class 0 go to 3, but are told from 1 all the same."""
    now = _scores(np.array([3, 3, 0, 1, 2, 2, 3, 3]))
    (pair,) = [p for p in pairs.confusable(now, now, LABEL) if (p.a, p.b) == (0, 1)]
    assert pair.mistaken == (1, 1) and pair.apart == (0.75, 0.75)


def test_a_report_has_them(tmp_path):
    names, classes = np.array([f"c{i}" for i in range(8)]), np.array(["sit", "stand", "hop", "run"])
    for folder, predicted in (("before", BEFORE), ("now", NOW)):
        (tmp_path / folder).mkdir()
        made = Scores(_scores(predicted), names, LABEL, classes=classes)
        scores.write(tmp_path / folder / "scores.npz", made)
    text = report.write_report(tmp_path / "now", baseline=tmp_path / "before")
    assert "inside these pairs 4 clips were mistaken, now 3; elsewhere 0, now 0" in text
    with open(tmp_path / "now/report/pairs.csv") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["sit", "stand", "4", "3", "1", "-2", "25.00", "75.00"]
    assert (tmp_path / "now/report/pairs.png").stat().st_size > 1000
    alone = report.write_report(tmp_path / "before")
    assert "confusable" not in alone and not (tmp_path / "before/report/pairs.png").exists()


def test_nothing_to_tell_where_nothing_is_mistaken():
    assert pairs.confusable(_scores(LABEL), _scores(LABEL), LABEL) == []
