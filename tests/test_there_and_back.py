"""Checkpoints by the verbs alone: a gesture model of one's own joints, a run trained here."""

import json

import numpy as np
import pytest

import runs
import tiny
from skeljax import convert, predict
from test_convert import FLAVOURS, STGCN, save, tensors

torch = pytest.importorskip("torch")


def layout_file(path) -> str:
    """21 joints of a hand in the image under names of one's own."""
    fingers = [(f"finger{f}_{j}", f"finger{f}_{j - 1}") for f in range(5) for j in range(4)]
    rows = [["palm", "palm"], *([a, "palm" if a.endswith("_0") else b] for a, b in fingers)]
    path.write_text(f'dims = 2\ncentre = "palm"\njoints = {json.dumps(rows)}\n')
    return str(path)


def test_a_gesture_model_of_pyskl(tmp_path, capsys):
    """ST-GCN++ of six stages, which widens at the last, with what mmcv writes beside weights."""
    layout = layout_file(tmp_path / "hand.toml")
    sizes = {"width": 6, "depth": 6, "grow": (6,)}
    made = tensors(STGCN, layout, classes=40, **sizes, **FLAVOURS["plus"])
    score = {"best_score": np.float64(0.93), "best_ckpt": "best_top1_acc_epoch_115.pth"}
    meta = {"epoch": 120, "seed": np.int64(7), "config": "num_person=1", "hook_msgs": score}
    source = save(tmp_path / "j.pth", made, meta=meta, optimizer={"lr": np.float32(0.1)})
    (tmp_path / "names.txt").write_text("\n".join(f"gesture {k}" for k in range(40)))
    names, run = str(tmp_path / "names.txt"), str(tmp_path / "run")
    convert.main([str(source), "--to", run, "--layout", layout, "--classes", names])
    said = capsys.readouterr().out
    assert "40 classes, 21 joints x 2 values" in said and "depth 6, grow (6,)" in said
    assert "--prepare prenorm2d_auto" in said and "--bodies 1" in said

    hand = np.random.default_rng(0).uniform(size=(15, 21, 2)).astype(np.float32)
    np.save(tmp_path / "pixels.npy", 400 * hand + 90)
    predict.main([run, str(tmp_path / "pixels.npy"), "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert len(found["classes"]) == 5 and found["classes"][0]["class"].startswith("gesture ")
    assert 0.025 < found["classes"][0]["probability"] < 0.99

    convert.main([run, "--to", str(tmp_path / "back.pth")])
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert back.keys() == made.keys()
    for name, value in made.items():
        assert back[name].shape == value.shape, name
        np.testing.assert_array_equal(back[name].numpy(), value)


def test_a_run_of_ours_there_and_back(tmp_path, capsys):
    """What only its method has stays behind, and is named."""
    ours, back = tmp_path / "ours", tmp_path / "back"
    fields = {"train__epochs": 0, "train__validate_every": 0, "train__test_last": False}
    runs.run(tiny.config(tiny.dataset(tmp_path / "data"), "frhead", **fields), ours)
    capsys.readouterr()
    convert.main([str(ours), "--to", str(tmp_path / "a.pth")])
    assert "left out, only backbone and classifier go back: " in capsys.readouterr().out
    convert.main([str(tmp_path / "a.pth"), "--to", str(back)])
    assert "missing 0: none" in capsys.readouterr().out
    before, after = runs.variables(ours), runs.variables(back)
    for part in ("backbone", "head"):
        assert runs.largest_difference(before["params"][part], after["params"][part]) == 0
    statistics = [v["extra"]["batch_stats"] for v in (before, after)]
    assert runs.largest_difference(*statistics) == 0
