"""A row of a table: streams as if trained alone, fused by weights; it goes on when stopped."""

import json
import shutil

import numpy as np
import pytest

import runs
import tiny
from skeljax import metrics, presets, row, scores
from skeljax.errors import ConfigError
from skeljax.sharding import make_mesh
from skeljax.stop import Stop

FUSIONS = {"two": {"joint": 3, "bone": 1}, "bone_alone": {"bone": 2.0}}


def config(data, rule="probabilities", **fields):
    made = tiny.config(data, **{"train__epochs": 1, "train__test_best": True} | fields)
    presets.use_row(made, ("joint", "bone"), FUSIONS, rule=rule)
    return made


def train(made, workdir):
    with Stop() as stop:
        return row.train_row(made, workdir, make_mesh("1"), stop)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.dataset(tmp_path_factory.mktemp("data"), train=16, test=9)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("row")
    return workdir, train(config(data), workdir)


def test_the_streams_are_as_if_trained_alone(data, trained, tmp_path):
    workdir, _ = trained
    runs.run(tiny.config(data, train__epochs=1, stream="bone"), tmp_path / "bone")
    alone, together = (runs.variables(f / "bone") for f in (tmp_path, workdir))
    assert runs.largest_difference(alone, together) == 0


def test_the_row(trained, capsys):
    workdir, found = trained
    joint, bone = (scores.read(workdir / s / "scores.npz") for s in ("joint", "bone"))
    p, q = metrics.softmax(joint.scores), metrics.softmax(bone.scores)
    right = np.argmax(0.75 * p + 0.25 * q, axis=1) == joint.label
    assert found["fusions"]["two"]["top1"] == pytest.approx(right.mean())
    assert found["fusions"]["bone_alone"]["top1"] == found["streams"]["bone"]["top1"]
    assert list(found["fusions"]) == ["bone_alone", "two"], "the smaller fusion first"
    for name in ("joint", "bone"):
        result = json.loads((workdir / name / "result.json").read_text())
        assert found["streams"][name]["top1"] == result["top1"]
        assert result["stream"] == name
    assert json.loads((workdir / "row.json").read_text()) == json.loads(json.dumps(found))
    header, top1, *_ = (line.split() for line in (workdir / "row.txt").read_text().splitlines())
    assert header[-4:] == ["joint", "bone", "bone_alone", "two"]
    assert top1[-1] == f"{100 * right.mean():.2f}"
    assert top1[:3] == ["tiny", "train", "3D"]
    assert scores.read(workdir / "two.npz").kind == "probabilities"


def test_a_row_of_logits(data, trained, tmp_path):
    """The streams are those of the other row: the rule is not of their training."""
    workdir, _ = trained
    for stream in ("joint", "bone"):
        shutil.copytree(workdir / stream, tmp_path / stream)
    found = train(config(data, rule="logits"), tmp_path)
    joint, bone = (scores.read(workdir / s / "scores.npz") for s in ("joint", "bone"))
    right = np.argmax(3 * joint.scores + bone.scores, axis=1) == joint.label
    assert found["fusions"]["two"]["top1"] == pytest.approx(right.mean())
    assert found["fusions"]["two"]["rule"] == "logits"
    fused = scores.read(tmp_path / "two.npz")
    assert fused.kind == "sums"
    np.testing.assert_allclose(fused.scores, 3 * joint.scores + bone.scores, rtol=1e-5)


def test_the_row_of_the_best_epochs_stands_apart(trained):
    workdir, _ = trained
    best = json.loads((workdir / "row_best_test.json").read_text())
    assert best["which"] == "best_test"
    for name, found in best["streams"].items():
        result = json.loads((workdir / name / "result_best_test.json").read_text())
        assert found["top1"] == result["top1"]
    assert "best_test" in (workdir / "row.txt").read_text()
    assert (workdir / "two_best_test.npz").is_file()


def test_what_is_trained_is_not_trained_again(data, trained, monkeypatch):
    workdir, found = trained
    monkeypatch.setattr(row, "train", lambda *a: pytest.fail("trained again"))
    again = train(config(data), workdir)
    assert again | {"command": 0} == found | {"command": 0}
    with pytest.raises(ConfigError, match="momentum was"):
        train(config(data, optim__momentum=0.5), workdir)


def test_a_stopped_row_says_nothing_and_goes_on(data, trained, tmp_path, monkeypatch):
    workdir, _ = trained
    asked = []

    def stopped_in_the_second(one, folder, *_):
        asked.append(one.stream)
        if len(asked) == 2:
            return None
        return shutil.copytree(workdir / one.stream, folder)

    monkeypatch.setattr(row, "train", stopped_in_the_second)
    assert train(config(data), tmp_path) is None
    assert not (tmp_path / "row.json").exists()
    assert train(config(data), tmp_path)
    assert asked == ["joint", "bone", "bone"]


def test_a_shorter_stream_has_its_share_of_the_epochs(data, trained, tmp_path, monkeypatch):
    asked = {}

    def note(one, folder, *_):
        asked[one.stream] = one.train.epochs
        return shutil.copytree(trained[0] / one.stream, folder)

    monkeypatch.setattr(row, "train", note)
    made = config(data, train__epochs=80)
    presets.use_row(made, ("joint", "bone"), FUSIONS, epochs={"bone": 70})
    for total, bone in ((80, 70), (8, 7), (1, 1)):
        made.train.epochs = total
        assert train(made, tmp_path / str(total))
        assert asked == {"joint": total, "bone": bone}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"row__rule": "sum"}, "unknown rule 'sum'"),
        ({"row__streams": ("joint", "bonne")}, "did you mean 'bone'"),
        ({"row__streams": ("joint",)}, "row.fusions."),
        ({"train__test_last": False}, "tested streams"),
        ({"row__epochs": {"bone": 70}}, "share of train.epochs"),
        ({"row__fusions": {"two": {"joint": 1.0, "bone": -1.0}}}, "not sum to 0"),
        ({"row__rule": "logits", "recipe__test_clips": 10}, "will give probabilities"),
        ({"row__rule": "logits", "method__name": "skeletonclr"}, "will give probabilities"),
    ],
)
def test_mistakes_are_told_before_the_first_step(data, tmp_path, change, message):
    made = config(data)
    for field, value in change.items():
        part, name = field.split("__")
        made[part][name] = value
    with pytest.raises(ConfigError, match=message):
        train(made, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # 20 s: a process that compiles a network
def test_main_runs_it(data, tmp_path):
    text = f"""
import sys
sys.path.append({str(runs.REPO / "tests")!r})
import test_row
get_config = lambda text: test_row.config(text)
"""
    (tmp_path / "a_config.py").write_text(text)
    command = [runs.sys.executable, "-m", "skeljax.main", "--config"]
    command += [f"{tmp_path}/a_config.py:{data}", "--workdir", str(tmp_path / "run")]
    out = runs.finish(runs.start(command))
    assert f"2 of 2: {tmp_path}/run/bone" in out
    assert (tmp_path / "run" / "row.txt").read_text() in out
