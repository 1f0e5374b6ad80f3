"""What a run tells reaches its files, and a disk that is full is one message."""

import errno

import numpy as np
import pytest

import runs
import tiny
from skeljax import train
from skeljax.errors import CheckpointError, run_cli
from skeljax.logbook import Logbook, read_metrics


def test_rows_reach_both_files(tmp_path):
    for resumed, steps in ((0, (1, 2)), (1, (2, 3))):
        log = Logbook(tmp_path, resumed_step=resumed)
        for step in steps:
            log.write(step, {"epoch": step / 2, "train/loss": 10.0 * step + resumed})
        log.close()
    losses = {1: 10, 2: 21, 3: 31}
    assert {row["step"]: row["train/loss"] for row in runs.rows(tmp_path)} == losses
    assert runs.board(tmp_path) == {"epoch": {1: 0.5, 2: 1, 3: 1.5}, "train/loss": losses}


def test_a_disk_that_fills_up_while_training(tmp_path):
    log = Logbook(tmp_path)
    message = r"cannot write the run folder[^$]*free some space"
    with runs.full_disk(500), pytest.raises(CheckpointError, match=message):
        for step in range(100):
            log.write(step, {"train/loss": 1.0})
    kept = [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert kept == list(range(len(kept))) and 0 < len(kept) < 100


def test_a_disk_that_is_full_at_the_end(tmp_path):
    """TensorBoard's file: its own writer died in a thread, and the training waited for it."""
    log = Logbook(tmp_path)
    for step in range(30):  # more than that writer's queue holds
        log.write(step, {"train/loss": 1.0})
    with runs.full_disk(), pytest.raises(CheckpointError, match="cannot write the run folder"):
        log.close()


def test_a_full_disk_does_not_hide_that_the_loss_is_no_number(tmp_path):
    rows, order = {"loss": np.array([1.0, np.nan])}, np.array([[0, 1], [2, 3]])
    with runs.full_disk(), pytest.raises(train.NonFinite, match="json could not be written") as e:
        train.check_finite(rows, order, 7, tiny.store(4), tmp_path)
    assert "at step 8" in str(e.value) and "clip002, clip003" in str(e.value)


def test_a_full_disk_elsewhere_ends_in_one_message(capsys):
    def verb():
        raise OSError(errno.ENOSPC, "No space left on device", "report.png")

    with pytest.raises(SystemExit) as ended:
        run_cli(verb)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: cannot write report.png: No space left on device\n"
