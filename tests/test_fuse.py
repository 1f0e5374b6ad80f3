"""Fusion: by name, with the published weights, loud where streams do not belong together."""

import json
import pickle

import numpy as np
import pytest

from skeljax import fuse, metrics, scores
from skeljax.errors import ConfigError, DataError
from skeljax.scores import Scores


def stream(seed=0, n=6, k=4, **fields):
    value = np.random.default_rng(seed).standard_normal((n, k)).astype(np.float32)
    given = {
        "name": np.array([f"c{i}" for i in range(n)]),
        "label": np.arange(n) % k,
        "source": f"s{seed}",
    }
    return Scores(value, **(given | fields))


def test_streams_are_matched_by_name_not_by_place():
    a, b = stream(0), stream(1)
    straight = fuse.fuse([a, b], [2, 1], "logits")
    shuffled = fuse.fuse([a, b.take([3, 1, 5, 0, 2, 4])], [2, 1], "logits")
    np.testing.assert_array_equal(straight.scores, shuffled.scores)
    np.testing.assert_allclose(straight.scores, 2 * a.scores + b.scores, rtol=1e-6)
    again = fuse.fuse([straight, b], [1, 1], "logits")
    np.testing.assert_allclose(again.scores, 2 * a.scores + 2 * b.scores, rtol=1e-6)
    with pytest.raises(DataError, match="fused logits"):
        fuse.fuse([straight, b], [1, 1], "probabilities")


def test_the_rule_of_probabilities():
    a, b = stream(0), stream(1)
    expected = (2 * metrics.softmax(a.scores) + metrics.softmax(b.scores)) / 3
    found = fuse.fuse([a, b], [2, 1], "probabilities")
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
    given = b.replace(scores=metrics.softmax(b.scores), kind="probabilities")
    same = fuse.fuse([a, given], [2, 1], "probabilities")
    np.testing.assert_allclose(same.scores, expected, rtol=1e-5)
    assert same.kind == "probabilities"
    with pytest.raises(DataError, match="holds probabilities"):
        fuse.fuse([a, given], [1, 1], "logits")


@pytest.mark.parametrize(
    "other, said",
    [
        (stream(1).take([0, 1, 2]), r"3 missing \(c3, c4, c5\)"),
        (stream(1, n=7), r"1 not in the other \(c6\)"),
        (stream(1, k=5, label=None), "different classes"),
        (stream(1, label=np.array([0, 1, 2, 3, 0, 2])), "clip c5: 2 and 1"),
        (stream(1, name=None), "--labels"),
    ],
)
def test_streams_that_do_not_belong_together(other, said):
    with pytest.raises(DataError, match=said):
        fuse.fuse([stream(0), other], [1, 1], "logits")


def test_wrong_weights_and_rules():
    pair = [stream(0), stream(1)]
    with pytest.raises(ConfigError, match="one weight a stream"):
        fuse.fuse(pair, [1], "logits")
    with pytest.raises(ConfigError, match="sum to 0"):
        fuse.fuse(pair, [1, -1], "probabilities")
    with pytest.raises(ConfigError, match="did you mean 'logits'"):
        fuse.fuse(pair, [1, 1], "logit")


def test_nameless_scores_are_matched_by_place_and_get_labels_from_a_file(tmp_path):
    a = stream(0, name=None, label=None)
    (tmp_path / "y.csv").write_text("name,label\n" + "".join(f"x{i},{i % 4}\n" for i in range(6)))
    named = fuse.attach_labels(a, tmp_path / "y.csv")
    assert named.name.tolist() == [f"x{i}" for i in range(6)]
    assert named.label.tolist() == [0, 1, 2, 3, 0, 1]
    counting = fuse.attach_labels(a.replace(name=np.arange(6).astype(str)), tmp_path / "y.csv")
    assert counting.label.tolist() == [0, 1, 2, 3, 0, 1]
    with pytest.raises(DataError, match="6 missing"):
        fuse.attach_labels(stream(0), tmp_path / "y.csv")
    (tmp_path / "y.txt").write_text("0 1 2")
    with pytest.raises(DataError, match="another number of clips"):
        fuse.attach_labels(a, tmp_path / "y.txt")


def test_verb_on_public_pickles(tmp_path, capsys):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 40)
    for i in range(4):
        value = np.eye(3)[truth] + rng.standard_normal((40, 3))
        (tmp_path / f"{i}.pkl").write_bytes(pickle.dumps(dict(enumerate(value))))
    np.save(tmp_path / "y.npy", truth)
    files = [str(tmp_path / f"{i}.pkl") for i in range(4)]
    out = tmp_path / "fused.npz"
    fuse.main(
        [*files, "--preset", "frhead-ucla", "--labels", str(tmp_path / "y.npy"), "--out", str(out)]
    )
    fused = scores.read(out)
    total = sum(w * scores.read(f).scores for w, f in zip((0.6, 0.6, 0.4, 0.4), files))
    np.testing.assert_allclose(fused.scores, total, rtol=1e-5, atol=1e-6)
    last = capsys.readouterr().out.splitlines()[5].split()
    assert last[:2] == ["fused", f"{100 * np.mean(total.argmax(1) == truth):.2f}"]


def test_a_preset_weighs_runs_by_their_stream_whatever_the_order(tmp_path):
    for name in ("bone_motion", "joint", "bone", "joint_motion"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps({"stream": name}))
    runs = sorted(tmp_path.iterdir())  # bone, bone_motion, joint, joint_motion
    assert fuse.preset_weights(fuse.PRESETS["frhead-120"], runs) == [0.75, 0.15, 0.6, 0.3]
    with pytest.raises(ConfigError, match="other streams"):
        fuse.preset_weights(fuse.PRESETS["frhead-120"], [runs[0], *runs[:3]])
    with pytest.raises(ConfigError, match="another number"):
        fuse.preset_weights(fuse.PRESETS["frhead-120"], runs[:2])


@pytest.mark.parametrize(
    "streams",
    [
        ("infogcn1", "infogcn1_motion", "joint_motion", "joint"),
        ("lst1", "lst1_motion", "lst6_motion", "lst6"),
        ("infogcn2", "infogcn7_motion", "joint_motion", "joint"),
        ("lst3", "lst12_motion", "joint_motion", "lst6"),
    ],
)
def test_the_presets_of_lst_know_the_streams_of_its_configs(streams, tmp_path):
    for name in streams:
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps({"stream": name}))
    runs = [tmp_path / name for name in streams]
    assert fuse.preset_weights(fuse.PRESETS["lst-4"], runs) == [0.8, 0.2, 0.2, 0.8]


@pytest.mark.parametrize(
    "argv, said",
    [
        (["a.npz", "b.npz"], "say how scores are summed"),
        (["a.npz", "--rule", "logits", "--preset", "brl-2"], "already says"),
        (["a.npz", "b.npz", "--preset", "brl2"], "did you mean 'brl-2'"),
        (["a.npz", "b.npz", "--rule", "logits", "--weights", "1,x"], "not numbers"),
    ],
)
def test_the_verb_says_what_is_wrong(argv, said):
    with pytest.raises(ConfigError, match=said):
        fuse.main(argv)
