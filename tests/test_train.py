"""The trainer: it learns, it tells what it did, and bad input ends in one message."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import runs
import tiny
from skeljax import checkpoint, evaluate, job, predict, sharding, train
from skeljax.errors import CheckpointError, ConfigError, DataError
from skeljax.scores import read

RESULT_FIELDS = {
    "dataset", "protocol", "split", "method", "backbone", "stream", "recipe", "top1", "top5",
    "mean_class", "epoch", "which", "seed", "config", "wall_s", "hardware", "fingerprint",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(workdir, result) of a run long enough to learn."""
    workdir = tmp_path_factory.mktemp("run")
    config = tiny.config(data, train__epochs=24, train__test_best=True, train__log_every=0.0)
    return workdir, runs.run(config, workdir)


def test_it_learns(trained):
    workdir, result = trained
    assert result["top1"] >= 0.9
    losses = [row["train/loss"] for row in runs.rows(workdir) if "train/loss" in row]
    assert losses[-1] < 0.5 * losses[0]


def test_the_result_says_everything(trained):
    workdir, result = trained
    assert json.loads((workdir / "result.json").read_text()) == json.loads(json.dumps(result))
    assert set(result) >= RESULT_FIELDS
    assert (result["dataset"], result["which"], result["epoch"]) == ("tiny", "last", 24)
    best = json.loads((workdir / "result_best_test.json").read_text())
    tested = [(r["test/top1"], -r["step"]) for r in runs.rows(workdir) if "test/top1" in r]
    assert best["top1"] == pytest.approx(max(tested)[0], abs=1e-6)
    assert best["epoch"] == -max(tested)[1] / 5
    about = json.loads((workdir / "run.json").read_text())
    assert about["versions"]["jax"] == jax.__version__
    assert len(about["fingerprint"]) == 16


def test_tensorboard_has_what_metrics_has(trained):
    workdir, _ = trained
    told = {r["step"]: r["train/loss"] for r in runs.rows(workdir) if "train/loss" in r}
    assert runs.board(workdir)["train/loss"] == pytest.approx(told, rel=1e-4)


def test_some_checkpoints_stay(data, tmp_path):
    off = {"train__validate_every": 0, "train__test_last": False}
    runs.run(tiny.config(data, train__epochs=5, train__keep_every=2, **off), tmp_path)
    kept = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    assert kept == {2 * 5, 4 * 5, 5 * 5}


def test_one_program_serves_every_chunk_and_seed(data, tmp_path, monkeypatch):
    made, lowered = [], []
    make = train.make_chunk

    def spy(*args):
        made.append(make(*args))

        def take(*values):
            if len(lowered) < len(made):  # before the state is donated
                lowered.append(made[-1].lower(*values).as_text())
            return made[-1](*values)

        return take

    monkeypatch.setattr(train, "make_chunk", spy)
    for seed in (0, 1):
        runs.run(tiny.config(data, seed=seed, train__epochs=1), tmp_path / str(seed))
        assert made[-1]._cache_size() == 1
    assert lowered[0] == lowered[1]


def test_evaluate_repeats_the_result(trained, tmp_path, capsys):
    workdir, result = trained
    evaluate.main([str(workdir), "--out", str(tmp_path / "s.json"), "--metrics", "top1,per_class"])
    said = capsys.readouterr().out
    assert f"{100 * result['top1']:.2f} %" in said
    assert "class3" in said
    assert len(json.loads((tmp_path / "s.json").read_text())["scores"]) == 18


def test_padded_clips_are_never_counted(trained, data):
    """18 clips in batches of 8: the scores are those of the clips one by one."""
    workdir, _ = trained
    out = {}
    for batch in (8, 1):
        options = evaluate.parser().parse_args([str(workdir), "--batch", str(batch)])
        out[batch] = evaluate.evaluate_run(options)
    assert len(out[8].scores) == 18
    np.testing.assert_allclose(out[8].scores, out[1].scores, rtol=1e-4, atol=1e-4)


def test_a_part_can_be_held_out(data, tmp_path):
    config = tiny.config(data, data__val_by="subject", data__val_fraction=0.2)
    runs.run(config, tmp_path)
    keys = {key for row in runs.rows(tmp_path) for key in row}
    assert "val/top1" in keys
    assert "test/top1" not in keys


def test_warm_start_loads_what_fits(trained, tmp_path, capsys):
    workdir, _ = trained
    other = tiny.dataset(tmp_path / "data", classes=6)
    config = tiny.config(other, init_from=str(workdir), train__epochs=1, optim__base_lr=0.0)
    runs.run(config, tmp_path / "run")
    said = capsys.readouterr().out
    assert "params.head.kernel (16, 6), there (16, 4)" in said.split("re-initialised 2: ")[1]
    assert "unused 0" in said
    before, after = (runs.variables(w)["params"] for w in (workdir, tmp_path / "run"))
    assert runs.largest_difference(before["backbone"], after["backbone"]) == 0
    assert after["head"]["kernel"].shape == (16, 6)


def test_a_loss_that_is_no_number_names_step_and_clips(data, tmp_path):
    config = tiny.config(data, optim__base_lr=1e30)
    with pytest.raises(train.NonFinite, match=r"at step \d") as raised:
        runs.run(config, tmp_path)
    told = json.loads((tmp_path / "nonfinite.json").read_text())
    assert len(told["clips"]) == 8
    assert told["clips"][0] in str(raised.value)
    assert f"at step {told['step']}" in str(raised.value)


# -------------------------------------------------------------------------------- bad input


def _refused(error, match, config, workdir):
    with pytest.raises(error, match=match) as raised:
        runs.run(config, workdir)
    return str(raised.value)


def test_train_and_test_must_not_overlap(tmp_path):
    tiny.store(8, "train").save(tmp_path / "train.npz")
    tiny.store(8, "test").save(tmp_path / "test.npz")
    _refused(DataError, "clip000", tiny.config(tmp_path), tmp_path / "run")


@pytest.mark.parametrize(
    "field",
    ["train__batch", "test__batch", "train__save_every", "data__repeat"],
)
def test_numbers_that_cannot_be(field, data, tmp_path):
    config = tiny.config(data, **{field: 0})
    said = _refused(ConfigError, "too small", config, tmp_path)
    assert field.replace("__", ".") in said
    _refused(ConfigError, "too small", tiny.config(data, seed=-1), tmp_path)


def test_classes_that_differ_are_named(data, tmp_path):
    other = tiny.store(8, "test", first=1000)
    other = tiny.Store(**{**vars(other), "classes": ("class0", "class1", "class2", "clap")})
    tiny.store(8, "train").save(tmp_path / "train.npz")
    other.save(tmp_path / "test.npz")
    _refused(DataError, "4 and 4; clap, class3", tiny.config(tmp_path), tmp_path / "run")


def test_a_broken_run_json_is_named(data, tmp_path):
    (tmp_path / "run.json").write_text("{")
    _refused(CheckpointError, "no run folder", tiny.config(data), tmp_path)


def test_no_epoch_leaves_what_can_be_tested(data, tmp_path):
    config = tiny.config(data, train__epochs=0, train__test_best=True)
    result = runs.run(config, tmp_path)
    options = evaluate.parser().parse_args([str(tmp_path)])
    scores = evaluate.evaluate_run(options)
    assert (scores.scores.argmax(1) == scores.label).mean() == pytest.approx(result["top1"])


def test_what_packing_did_is_done_to_new_clips(tmp_path):
    """Packed clips keep their preparation, whatever config.data.prepare says."""
    made = {s: tiny.clips(8, first=n) for s, n in (("train", 0), ("test", 1000))}
    for split, clips in made.items():
        packed = tiny.Store.from_clips(
            clips, layout="ucla20", classes=tuple("abcd"), prepare="unit", split=split
        )
        packed.save(tmp_path / "data" / f"{split}.npz")
    runs.run(tiny.config(tmp_path / "data", train__epochs=0), tmp_path / "run")
    np.save(tmp_path / "new.npy", made["test"][0].keypoints)
    found = predict.look(tmp_path / "run", [tmp_path / "new.npy"])
    tested = read(tmp_path / "run").scores[0]
    np.testing.assert_allclose(found.logits[0], tested, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("option", [["--batch", "0"], ["--batch", "-3"], ["--out", "s.xyz"]])
def test_wrong_options_are_told_before_the_work(option, trained):
    with pytest.raises((SystemExit, ConfigError)) as raised:
        evaluate.main([str(trained[0]), *option])
    assert getattr(raised.value, "code", 2) == 2


def test_devices_that_come_twice():
    with pytest.raises(ConfigError, match="no such devices"):
        sharding.make_mesh("0,0")


def test_an_epoch_smaller_than_a_batch(tmp_path):
    data = tiny.dataset(tmp_path, train=5)
    _refused(ConfigError, "fewer clips than one batch", tiny.config(data), tmp_path / "run")


def test_a_dataset_that_is_not_there(tmp_path):
    config = tiny.config("nw_ucla", data__dir=str(tmp_path / "empty"))
    said = _refused(DataError, "not prepared", config, tmp_path / "run")
    assert "skeljax prepare nw_ucla --source PATH" in said


def test_a_folder_with_the_name_of_a_dataset(tmp_path, monkeypatch):
    """Where one was made for raw files, training asked for nw_ucla/train.npz."""
    monkeypatch.chdir(tmp_path)
    for folder in ("nw_ucla", "mine"):
        (tmp_path / folder / "raw").mkdir(parents=True)
    config = tiny.config("nw_ucla", data__dir=str(tmp_path / "empty"))
    with pytest.raises(DataError, match="not prepared"):
        job.load_split(config, "train")
    for name in ("mine", "mine/raw", "./nw_ucla"):
        with pytest.raises(DataError, match=f"{name}/train.npz".replace("./", "")):
            job.load_split(tiny.config(name), "train")
    tiny.dataset(tmp_path / "nw_ucla")
    assert len(job.load_split(config, "train")) == 40


def test_no_dataset(tmp_path):
    """A converted checkpoint of unknown data asked for ./test.npz."""
    with pytest.raises(ConfigError, match=r"data\.dataset[^$]*--dataset NAME[^$]*--config\.data"):
        job.load_split(tiny.config(""), "test")


def test_a_cut_store_names_the_file(data, tmp_path):
    whole = (data / "train.npz").read_bytes()
    (tmp_path / "train.npz").write_bytes(whole[: len(whole) // 2])
    _refused(DataError, "train.npz", tiny.config(tmp_path), tmp_path / "run")


def test_an_unknown_clip_in_a_list_of_names(data, tmp_path):
    (tmp_path / "some.txt").write_text("clip001\nclip999\n")
    config = tiny.config(data, data__train=str(tmp_path / "some.txt"))
    _refused(DataError, "clip999", config, tmp_path / "run")


def test_data_of_another_layout_than_the_run(trained, tmp_path):
    other = tiny.dataset(tmp_path, layout="coco17")
    with pytest.raises(ConfigError, match="coco17: 17 joints x 3 channels"):
        evaluate.main([str(trained[0]), "--dataset", str(other)])


def test_data_of_another_class_count_than_the_checkpoint(trained, tmp_path):
    other = tiny.dataset(tmp_path, classes=6)
    with pytest.raises(CheckpointError, match="another number of classes"):
        evaluate.main([str(trained[0]), "--dataset", str(other)])


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(CheckpointError, match="no run folder"):
        evaluate.main([str(tmp_path)])


def test_a_workdir_that_cannot_be_made(data, tmp_path):
    (tmp_path / "file").write_text("")
    _refused(CheckpointError, "cannot write", tiny.config(data), tmp_path / "file" / "run")


def test_no_space_to_save_keeps_the_last_checkpoint(data, tmp_path, monkeypatch):
    config = tiny.config(data, train__epochs=3)
    usage, asked = checkpoint.shutil.disk_usage, []

    def full_later(folder):
        asked.append(folder)
        return usage(folder) if len(asked) <= 2 else usage(folder)._replace(free=1000)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.shutil, "disk_usage", full_later)
        said = _refused(CheckpointError, "no space to save", config, tmp_path)
    assert "0.0 MB free" in said
    result = runs.run(config, tmp_path)
    assert result["epoch"] == 3
    assert [row["step"] for row in runs.rows(tmp_path) if "train/loss" in row][-1] == 15


def test_wrong_options_exit_with_2_and_the_right_name(data):
    wrong = {
        "--config.optim.base_lrr=1": "base_lr",
        "--config.optim.base_lr=fast": "could not convert",
        "--config.stream=bones": "did you mean 'bone'",
        "--config.model.dtype=float99": "float32",
        "--devices=77": "no such devices",
        "--wrkdir=x": "workdir",
    }
    for option, answer in wrong.items():
        process = runs.start(runs.command("supervised", data, "unused", option))
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 2, out
        assert answer in out
        assert "Traceback" not in out


def test_a_misspelt_config_word(tmp_path):
    command = [sys.executable, "-m", "skeljax.main", "--workdir", str(tmp_path), "--config"]
    done = subprocess.run(
        [*command, "configs/nwucla_ctrgcn.py:bnoe"], cwd=runs.REPO, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "did you mean 'bone'" in done.stderr


def test_nan_coordinates_name_the_clip():
    clips = tiny.clips(8)
    clips[3].keypoints[0, 2, 1] = np.nan
    with pytest.raises(DataError, match="clip003"):
        tiny.Store.from_clips(clips, layout="ucla20", classes=tuple("abcd"))
