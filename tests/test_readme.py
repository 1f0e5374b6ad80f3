"""The README says what is so."""

import importlib.util
import json
import pathlib
import re

import pytest

from skeljax.cli import VERBS

REPO = pathlib.Path(__file__).resolve().parents[1]
README = (REPO / "README.md").read_text()
PAGES = [README, *(p.read_text() for p in (REPO / "docs").glob("*.md"))]
ROWS = re.findall(
    r"^\|.*\[`?([\w.]+)`?\]\((benchmarks/results/[\w/.]+)\) \|$", README, re.MULTILINE
)


def test_every_file_it_names_is_there():
    for page in PAGES:
        for path in re.findall(r"\b(?:configs|launch|benchmarks|docs|tests)/[\w/]+\.\w+", page):
            assert (REPO / path).exists(), path


def test_its_table_of_verbs_is_whole():
    assert set(re.findall(r"^\| `(\w+) [^`]*` \|", README, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize("path", [path for _, path in ROWS])
def test_every_result_is_its_files(path):
    result = json.loads((REPO / path).read_text())
    row = next(line for line in README.splitlines() if path in line)
    assert f"| {100 * result['top1']:.2f} |" in row
    assert f"| {100 * result['mean_class']:.2f} |" in row
    assert result["stream"] in row
    assert result["recipe"] in row
    assert result["which"] == "last"


def test_there_are_results():
    assert ROWS


def test_ablations_are_their_files():
    """A table in the docs stands under the name of its JSON, as ablation.py prints it."""
    spec = importlib.util.spec_from_file_location("ablation", REPO / "benchmarks" / "ablation.py")
    ablation = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ablation)
    made = sorted((REPO / "benchmarks" / "results").rglob("ablation_*.json"))
    for path in made:
        name = re.escape(str(path.relative_to(REPO)))
        shown = [re.search(rf"{name}\)[^\n]*\n+```text\n(.*?)\n```", p, re.DOTALL) for p in PAGES]
        shown = [found[1] for found in shown if found]
        assert shown == [ablation.table(json.loads(path.read_text())["runs"])], path


def test_ci_runs_the_test_command_of_the_readme():
    assert "README.md" in (REPO / ".ci" / "run").read_text()
    command = re.search(r"<!-- tests -->\s*```sh\n(.*?)```", README, re.DOTALL)[1]
    assert "pytest" in command
    assert ".ci/run" in (REPO / ".github" / "workflows" / "tests.yml").read_text()
