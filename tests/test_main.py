"""Flags and config files: what they say when something is wrong with them."""

import sys

import pytest
from absl.testing import flagsaver

import runs
from skeljax import main
from skeljax.errors import ConfigError

SYNTHETIC = str(runs.REPO / "configs" / "synthetic_ctrgcn.py")


def parse(monkeypatch, *argv):
    monkeypatch.setattr(sys, "argv", ["skeljax.main", *argv])
    monkeypatch.delitem(sys.modules, "config_config", raising=False)  # of another config file
    with flagsaver.flagsaver():
        return main.parse(list(argv))


INSIDE = "def get_config({}):\n    value = {}\n    return value\n"
MISTAKES = {
    "import nothing_of_this_name": "line 1[^$]*ModuleNotFoundError: No module named 'nothing_of",
    "\n\ndef (": "line 3[^$]*SyntaxError",
    "get_config = nobody": "line 1[^$]*NameError: name 'nobody'",
    "nothing = 0": "get_config",
    INSIDE.format("", "1 / 0"): "line 2[^$]*ZeroDivisionError: division by zero",
    INSIDE.format("", "[][3]"): "line 2[^$]*IndexError: list index out of range",
    INSIDE.format("", "next(iter(())) "): "line 2[^$]*StopIteration",
    INSIDE.format("", "len(3)"): r"line 2[^$]*TypeError: object of type 'int' has no len\(\)",
    INSIDE.format("", "int('x')"): "line 2[^$]*ValueError: invalid literal",
    INSIDE.format("", "open('/no/such/file')"): "line 2[^$]*FileNotFoundError[^$]*/no/such/file",
    INSIDE.format("words", "words"): r"TypeError: get_config\(\) missing 1 required",
}


@pytest.mark.parametrize("text, said", MISTAKES.items())
def test_a_config_file_with_a_mistake(text, said, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=f"the config file cannot be run[^$]*{said}"):
        parse(monkeypatch, "--config", str(tmp_path / "mine.py"))


FIELDS = {
    "optim.lr": "'optim.lr': did you mean optim.base_lr\\?",
    "optim.base_lrr": "optim.base_lr",
    "train.epoch": "train.epochs",
    "epochs": "train.epochs",
    "batch_size": "batch",
    "learning_rate": "no field",
    "model.widht": "model.width",
}


@pytest.mark.parametrize("asked, said", FIELDS.items())
def test_a_misspelt_field_is_answered_with_the_right_one(asked, said, monkeypatch):
    with pytest.raises(ConfigError, match=said) as raised:
        parse(monkeypatch, f"--config={SYNTHETIC}", f"--config.{asked}=3")
    assert f"--config.{asked}" in str(raised.value)


def test_a_config_that_is_not_there(monkeypatch):
    with pytest.raises(ConfigError, match="cannot load the config file"):
        parse(monkeypatch, "--config", "configs/nothing.py")


def test_a_published_row_without_its_data_ends_with_the_command_that_makes_it(tmp_path):
    command = [sys.executable, "-m", "skeljax.main", "--config", "configs/ntu60_brl.py:all"]
    run = runs.start([*command, f"--config.data.dir={tmp_path}", f"--workdir={tmp_path}/run"])
    out, _ = run.communicate(timeout=300)
    assert run.returncode == 2, out
    assert "skeljax prepare ntu60/xsub_pyskl --source PATH" in out and "Traceback" not in out


def test_every_field_is_printed_with_type_value_and_meaning(monkeypatch, capsys):
    argv = ["--config", SYNTHETIC, "--config.optim.base_lr=0.25", "--print_config"]
    monkeypatch.setattr(sys, "argv", ["skeljax.main", *argv])
    with flagsaver.flagsaver():
        assert main.main(argv) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["optim.base_lr"][:5] == ["optim.base_lr", "float", "0.25", "learning", "rate"]
    assert lines["model.name"][:4] == ["model.name", "str", "'ctrgcn'", "backbone"]
    assert {"seed", "recipe.name", "model.width", "train.epochs"} <= set(lines)
