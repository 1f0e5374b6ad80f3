"""A run that was killed ends with the parameters of one that was not, bit for bit."""

import random
import signal
import time

import pytest

import runs
import tiny


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    """(method, dataset, workdir, seconds from the headline to the end) of an undisturbed run."""
    folder = tmp_path_factory.mktemp(request.param)
    data, workdir = tiny.dataset(folder / "data"), folder / "whole"
    runs.finish(runs.start(runs.command(request.param, data, folder / "warm_up")))
    process = runs.start(runs.command(request.param, data, workdir))
    began = _wait_for(process, "compiling")
    runs.finish(process)
    return request.param, data, workdir, time.monotonic() - began


def _wait_for(process, text: str) -> float:
    """When a line with `text` was printed."""
    for line in process.stdout:
        if text in line:
            return time.monotonic()
    pytest.fail(f"the run never said {text!r}")


def _kill_often(whole, folder, kills: int) -> None:
    method, data, expected, seconds = whole
    draw = random.Random(0)
    for _ in range(kills):
        process = runs.start(runs.command(method, data, folder))
        _wait_for(process, "compiling")
        time.sleep(draw.uniform(0, seconds))
        process.kill()
        process.communicate()
    runs.finish(runs.start(runs.command(method, data, folder)))
    assert runs.largest_difference(runs.variables(folder), runs.variables(expected)) == 0
    told, plain = runs.rows(folder), runs.rows(expected)
    assert _results(told) == _results(plain)
    steps = [row["step"] for row in told if "train/loss" in row]
    assert steps == sorted(set(steps)), "a step is told twice"


def _results(rows):
    return [(row["step"], row["test/top1"]) for row in rows if "test/top1" in row]


every_method = pytest.mark.parametrize("whole", tiny.methods(quick={"supervised"}), indirect=True)
of_the_trainer = pytest.mark.parametrize("whole", ["supervised"], indirect=True)


@every_method
def test_killed_twice(whole, tmp_path):
    _kill_often(whole, tmp_path / "killed", 2)


@pytest.mark.slow
@every_method
def test_killed_twenty_times(whole, tmp_path):
    _kill_often(whole, tmp_path / "killed", 20)


@of_the_trainer
def test_sigterm_saves_and_leaves_with_0(whole, tmp_path):
    method, data, expected, _ = whole
    process = runs.start(runs.command(method, data, tmp_path / "run"))
    _wait_for(process, "epoch   1/")
    process.send_signal(signal.SIGTERM)
    out = runs.finish(process, timeout=30)
    assert "saved" in out
    out = runs.finish(runs.start(runs.command(method, data, tmp_path / "run")))
    assert "resumed at step" in out
    assert runs.largest_difference(runs.variables(tmp_path / "run"), runs.variables(expected)) == 0


@of_the_trainer
def test_sigterm_before_the_first_step_leaves_at_once(whole, tmp_path):
    method, data, _, _ = whole
    process = runs.start(runs.command(method, data, tmp_path / "run", "--compile_cache", "none"))
    _wait_for(process, "compiling")
    process.send_signal(signal.SIGTERM)
    runs.finish(process, timeout=30)


@of_the_trainer
def test_another_config_in_the_same_folder_is_refused(whole):
    method, data, workdir, _ = whole
    process = runs.start(runs.command(method, data, workdir, "--config.optim.base_lr=0.5"))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "optim.base_lr was 0.02, now 0.5" in out
    assert "Traceback" not in out
