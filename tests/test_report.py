"""Reports of made-up runs whose numbers are known."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from skeljax import fuse, plots, report, scores
from skeljax.errors import DataError
from skeljax.scores import Scores

CLASSES = np.array(["wave", "sit down", "kick, twice"])


def make_run(folder, predicted, label, counts=(300, 60, 5), log=True, **fields):
    folder.mkdir()
    logits = 4 * np.eye(3, dtype=np.float32)[predicted]
    names = np.array([f"c{i}" for i in range(len(label))])
    given = {"classes": CLASSES, "train_counts": np.array(counts)} | fields
    scores.write(folder / "scores.npz", Scores(logits, names, np.array(label), **given))
    about = {"dataset": "toy", "method": "brl", "stream": folder.name, "epoch": 3, "which": "last"}
    (folder / "result.json").write_text(json.dumps(about))
    if log:
        lines = [{"step": i, "epoch": i / 2, "train/loss": 1 / i} for i in range(1, 7)]
        lines += [{"step": i, "epoch": i / 2, "test/top1": 0.1 * i} for i in range(2, 7, 2)]
        text = "\n".join(json.dumps(line) for line in lines)
        (folder / "metrics.jsonl").write_text(text + '\n{"step": 7, "tr')
    return folder


LABEL = [0, 0, 0, 0, 1, 1, 2, 2]
JOINT = [0, 0, 0, 1, 1, 1, 0, 2]  # right: 3/4, 2/2, 1/2
BONE = [0, 0, 0, 0, 1, 0, 0, 2]  # right: 4/4, 1/2, 1/2


def test_text_and_files(tmp_path):
    text = report.write_report(make_run(tmp_path / "joint", JOINT, LABEL))
    assert "top-1 75.00, top-5 100.00, mean class 75.00 %" in text
    confidence = np.exp(4) / (np.exp(4) + 2)
    assert f"(ECE) {100 * (confidence - 0.75):.2f}" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["many", "1", "300", "to", "300", "75.00"] in lines
    assert ["few", "1", "5", "to", "5", "50.00"] in lines
    assert ["kick,", "twice", "wave", "1", "50.0%"] in lines
    worst = text[text.index("the worst first") :].splitlines()[2]
    assert worst.split() == ["2", "kick,", "twice", "5", "2", "50.00"]
    folder = tmp_path / "joint/report"
    assert (folder / "report.txt").read_text() == text + "\n"
    with open(folder / "per_class.csv") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [
        ["0", "wave", "300", "4", "75.00"],
        ["1", "sit down", "60", "2", "100.00"],
        ["2", "kick, twice", "5", "2", "50.00"],
    ]
    with open(folder / "confusion.csv") as file:
        assert list(csv.reader(file)) == [
            ["true", *CLASSES], ["wave", "3", "1", "0"], ["sit down", "0", "2", "0"],
            ["kick, twice", "1", "0", "1"],
        ]  # fmt: skip
    pictures = sorted(path.name for path in folder.glob("*.png"))
    assert pictures == ["calibration.png", "confusion.png", "curve.png", "frequency.png"]
    for picture in pictures:
        pixels = np.asarray(Image.open(folder / picture).convert("L"))
        assert pixels.shape[0] > 100 and pixels.std() > 5


def test_an_even_training_set_has_no_groups_and_no_log_no_curve(tmp_path):
    run = make_run(tmp_path / "joint", JOINT, LABEL, counts=(100, 90, 80), log=False)
    assert "many" not in report.write_report(run)
    pictures = sorted(path.name for path in (run / "report").glob("*.png"))
    assert pictures == ["calibration.png", "confusion.png"]
    assert not (run / "report/groups.csv").exists()


def test_a_class_without_test_clips_is_in_no_picture(tmp_path, monkeypatch):
    """It stood there with 0 % and a gain of 0."""
    frequency, gains, drawn = plots.frequency, plots.gains, []
    monkeypatch.setattr(plots, "frequency", lambda *a: drawn.append(frequency(*a)) or drawn[-1])
    monkeypatch.setattr(plots, "gains", lambda *a: drawn.append(gains(*a)) or drawn[-1])
    label, counts = [0, 0, 0, 0, 2, 2], (300, 200, 5)
    run = make_run(tmp_path / "joint", [0, 0, 0, 1, 0, 2], label, counts)
    base = make_run(tmp_path / "bone", [0, 0, 0, 0, 0, 0], label, counts)
    report.write_report(run, baseline=base)
    (by_count,), (by_gain,) = (figure.axes for figure in drawn)
    assert by_count.collections[0].get_offsets().tolist() == [[300, 75], [5, 50]]
    assert [text.get_text() for text in by_count.texts] == ["many 75.0", "few 50.0"]
    assert [text.get_text() for text in by_gain.get_yticklabels()] == ["wave", "kick, twice"]


def test_fused_logits_have_no_calibration(tmp_path):
    """Those of `2 2 1 1` had another one than those of the same weights that sum to 1."""
    runs = [make_run(tmp_path / n, p, LABEL) for n, p in (("joint", JOINT), ("bone", BONE))]
    for rule, told in (("logits", False), ("probabilities", True)):
        file = tmp_path / f"{rule}.npz"
        scores.write(file, fuse.fuse([scores.read(run) for run in runs], [2, 1], rule))
        text = report.write_report(file, out=tmp_path / rule)
        assert ("(ECE)" in text) == (tmp_path / rule / "calibration.png").exists() == told
        assert (report.table([file])[1][9] != "-") == told


def test_gains_over_a_baseline_in_another_order(tmp_path):
    run = make_run(tmp_path / "joint", JOINT, LABEL)
    base = make_run(tmp_path / "bone", BONE, LABEL)
    shuffled = scores.read(base).take([7, 2, 5, 0, 1, 6, 3, 4])
    scores.write(base / "scores.npz", shuffled)
    text = report.write_report(run, baseline=base, out=tmp_path / "out")
    with open(tmp_path / "out/per_class.csv") as file:
        gains = {row[1]: row[5] for row in csv.reader(file)}
    assert gains == {
        "name": "gain", "wave": "-25.00", "sit down": "+50.00", "kick, twice": "+0.00"
    }  # fmt: skip
    with open(tmp_path / "out/groups.csv") as file:
        groups = list(csv.reader(file))
    assert groups[0] == ["group", "classes", "training clips", "mean class %", "gain"]
    assert groups[1:] == [
        [name, "1", f"{n} to {n}", accuracy, gains[c]]
        for names in (("many", "medium", "few"), ("head", "middle", "tail"))
        for name, n, accuracy, c in zip(names, (300, 60, 5), ("75.00", "100.00", "50.00"), CLASSES)
    ]
    assert "+50.00" in text and (tmp_path / "out/gains.png").exists()


def test_a_baseline_on_other_clips_is_refused(tmp_path):
    run = make_run(tmp_path / "joint", JOINT, LABEL)
    other = make_run(tmp_path / "bone", BONE[:7], LABEL[:7])
    with pytest.raises(DataError, match=r"1 missing \(c7\)"):
        report.write_report(run, baseline=other)
    relabelled = make_run(tmp_path / "skip", BONE, [0, 0, 0, 0, 1, 1, 2, 1])
    with pytest.raises(DataError, match="other clips, classes or labels"):
        report.write_report(run, baseline=relabelled)


def test_scores_alone_will_do_but_not_without_labels(tmp_path):
    run = make_run(tmp_path / "joint", JOINT, LABEL)
    scores.write(tmp_path / "s.csv", scores.read(run))
    assert "top-1 75.00" in report.write_report(tmp_path / "s.csv", out=tmp_path / "o")
    scores.write(tmp_path / "s.pkl", scores.read(run))
    assert report.table([tmp_path / "s.csv", run])[1][-6:] == ["-"] * 6
    with pytest.raises(DataError, match="no labels"):
        report.write_report(tmp_path / "s.pkl")


def test_a_class_without_test_clips_is_told_apart_from_one_that_fails(tmp_path):
    run = make_run(tmp_path / "joint", [0, 1, 0, 0], [0, 0, 1, 1])
    text = report.write_report(run)
    lines = [line.split() for line in text.splitlines()]
    assert ["2", "kick,", "twice", "5", "0", "-"] in lines
    assert ["1", "sit", "down", "60", "2", "0.00"] in lines


def test_verb_tells_several_runs_in_one_table(tmp_path, capsys):
    runs = [make_run(tmp_path / name, p, LABEL) for name, p in (("joint", JOINT), ("bone", BONE))]
    report.main([*map(str, runs), "--out", str(tmp_path / "out")])
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said[0][-6:] == ["many", "medium", "few", "head", "middle", "tail"]
    numbers = ["75.00", "100.00", "75.00", "21.47", "75.00", "100.00", "50.00"]
    assert said[1] == ["joint", "toy", "-", "brl", "-", "joint", *numbers, *numbers[-3:]]
    assert said[2][6:9] == ["75.00", "100.00", "66.67"]
    with open(tmp_path / "out/runs.csv") as file:
        assert [row[0] for row in csv.reader(file)] == ["run", "joint", "bone"]
    assert (tmp_path / "out/bone/confusion.png").exists()


def test_runs_of_one_name_and_files_of_one_folder_are_kept_apart(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        make_run(tmp_path / place / "joint", JOINT if place == "a" else BONE, LABEL)
    runs = [tmp_path / place / "joint" for place in ("a", "b")]
    report.main([*map(str, runs), "--out", str(tmp_path / "out")])
    found = sorted(path.read_text() for path in tmp_path.glob("out/*/confusion.csv"))
    assert len(found) == 2 and found[0] != found[1]
    files = [tmp_path / f"{name}.json" for name in ("two", "four")]
    for file, run in zip(files, runs):
        scores.write(file, scores.read(run))
    report.main([*map(str, files)])
    best = runs[0] / "scores_best_test.npz"
    scores.write(best, scores.read(runs[1]))
    report.main([str(runs[0])])
    report.main([str(best)])
    assert "stream joint" in (runs[0] / "report/report.txt").read_text(), (
        "that of the last epoch stands"
    )
    for file in (*files, best):
        assert (file.parent / "report" / file.name / "report.txt").is_file()
