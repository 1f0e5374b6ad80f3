"""`skeljax VERB`: quick, and helpful to those who misspell."""

import importlib
import subprocess
import sys

import pytest

from skeljax import __version__, cli
from skeljax.errors import ConfigError


def test_every_verb_has_a_module_with_main():
    for verb, (module, does) in cli.VERBS.items():
        assert callable(importlib.import_module(module).main), verb
        assert does and does[0].islower() and not does.endswith("."), verb


def test_help_lists_every_verb_with_its_line(capsys):
    assert cli.dispatch(["--help"]) == 0
    out = capsys.readouterr().out
    for verb, (_, does) in cli.VERBS.items():
        assert any(line.split()[:1] == [verb] and does in line for line in out.splitlines())
    cli.dispatch([])
    assert capsys.readouterr().out == out


def test_version(capsys):
    cli.dispatch(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_a_misspelt_verb_is_corrected():
    with pytest.raises(ConfigError, match="did you mean 'prepare'"):
        cli.dispatch(["prepair"])
    run = subprocess.run(
        [sys.executable, "-m", "skeljax", "prepair"], capture_output=True, text=True
    )
    assert run.returncode == 2 and run.stdout == "" and "Traceback" not in run.stderr


def test_arguments_reach_the_verb(monkeypatch):
    given = []
    module = importlib.import_module(cli.VERBS["prepare"][0])
    monkeypatch.setattr(module, "main", lambda argv: given.append(argv) or 3)
    assert cli.dispatch(["prepare", "a", "--b=c"]) == 3
    assert given == [["a", "--b=c"]]


HELP = """
import sys
from skeljax import cli
cli.dispatch(["--help"])
heavy = {"jax", "flax", "tensorflow_datasets", "numpy", "matplotlib", "orbax", "ml_collections"}
print(sorted(heavy & set(sys.modules)))
"""


def test_help_imports_nothing_heavy():
    run = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verb_explains_itself(verb):
    run = subprocess.run(
        [sys.executable, "-m", "skeljax", verb, "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    assert "--" in run.stdout
