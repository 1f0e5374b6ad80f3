"""Checkpoints by themselves; tests of whole runs are in test_resume and test_train."""

import sys

import runs


def test_a_disk_that_fills_up_during_a_save_is_told_once(tmp_path):
    """Writers whose save had failed printed traces of their own, in two of three runs."""
    command = [sys.executable, str(runs.REPO / "tests" / "fill_disk.py"), str(tmp_path)]
    out = runs.finish(runs.start(command))
    assert out.splitlines() == [f"cannot save the checkpoint at {i}" for i in range(8)]
