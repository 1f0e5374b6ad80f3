"""The self-supervised table by one command, stopped in the middle and gone on with."""

import json
import signal
import sys

import pytest

import runs
from skeljax.readers import synthetic

SMALL = {
    "model.width": 4,
    "model.depth": 1,
    "model.grow": (1,),
    "model.last_width": 8,
    "method.stride": 2,
    "method.queue": 128,
    "recipe.frames": 16,
    "train.epochs": 2,
    "train.validate_every": 2,
}


@pytest.mark.slow  # two minutes of CPU
def test_the_table_goes_on_where_it_was_stopped(tmp_path):
    names = synthetic.names("train")
    for part, some in (("train", names[:128]), ("test", names[-60:])):
        (tmp_path / f"{part}.txt").write_text("\n".join(some))
    command = [sys.executable, "-m", "skeljax.main", "--workdir", str(tmp_path / "table")]
    command += ["--config", "configs/synthetic_skelemixclr.py:all,cpu"]
    command += [f"--config.{field}={value}" for field, value in SMALL.items()]
    command += [f"--config.data.{part}={tmp_path / part}.txt" for part in ("train", "test")]

    process, told = runs.start(command), ""
    for line in process.stdout:
        told += line
        if "skelemixclr/pretraining" in told and line.startswith("epoch   1/"):
            process.send_signal(signal.SIGTERM)
            break
    told += process.communicate(timeout=900)[0]
    assert process.returncode == 0, told
    assert "stopped at step" in told and not (tmp_path / "table" / "table.json").exists()

    out = runs.finish(runs.start(command))
    assert "random/pretraining" not in out and "skeletonclr/linear" not in out, "trained already"
    assert "resumed at step" in out
    table = json.loads((tmp_path / "table" / "table.json").read_text())
    assert list(table) == ["random", "skeletonclr", "skelemixclr", "skelemixclr_plus"]
    for method, found in table.items():
        shown = [
            runs.rows(tmp_path / "table" / method / "linear")[-1]["test/top1"],
            found["linear"],
        ]
        assert shown[0] == pytest.approx(shown[1], abs=1e-6)
        assert 0 <= found["knn"] <= 1 and found["linear_best"] >= found["linear"]
        assert f"{100 * found['linear_best']:.2f}" in out
    last = (tmp_path / "table" / "table.txt").read_text()
    assert last in out and last.splitlines()[0].startswith("encoder")
