"""The README and its pages say what is so."""

import importlib.util
import json
import pathlib
import re

import pytest

import test_presets
from skeljax import presets
from skeljax.cli import VERBS
from skeljax.models import BACKBONES

REPO = pathlib.Path(__file__).resolve().parents[1]
README = (REPO / "README.md").read_text()
PAGES = [README, *(p.read_text() for p in (REPO / "docs").glob("*.md"))]
TEXTS = [*PAGES, *(p.read_text() for p in (REPO / "configs").glob("*.py"))]
COMMANDS = [c for text in TEXTS for c in text.replace("\\\n", " ").splitlines() if "skel" in c]
ROWS = re.findall(
    r"^\|.*\[`?([\w.]+)`?\]\((benchmarks/results/[\w/.]+)\) \|$", README, re.MULTILINE
)


def test_every_file_it_names_is_there():
    for page in PAGES:
        for path in re.findall(r"\b(?:configs|launch|benchmarks|docs|tests)/[\w/]+\.\w+", page):
            assert (REPO / path).exists(), path


def test_every_config_takes_the_words_and_fields_it_is_given():
    given = 0
    for command in COMMANDS:
        for name, words in re.findall(r"configs/(\w+)\.py(?::([\w,]+))?", command):
            config = test_presets.load(REPO / "configs" / f"{name}.py").get_config(words)
            known = {field for field, *_ in presets.describe(config)}
            fields = re.findall(r"--config\.([\w.]+)[ =]", command)
            assert set(fields) <= known, command
            given += bool(words) + len(fields)
    assert given > 50


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_that_is_named_is_there(verb, capsys):
    for words in {"zeroshot": (["split"], ["test"])}.get(verb, ([],)):
        with pytest.raises(SystemExit):
            importlib.import_module(VERBS[verb][0]).main([*words, "--help"])
    said = capsys.readouterr().out
    module = VERBS[verb][0].replace(".", r"\.")
    for command in COMMANDS:
        for options in re.findall(rf"(?:skeljax {verb}|{module})\b([^`#|]*)", command):
            for option in re.findall(r"--(?!config\.)[\w-]+", options):
                assert option in said, command


def test_commands_in_configs_can_be_pasted():
    """A backslash of its own goes on in the shell; two of them end the command."""
    for path in (REPO / "configs").glob("*.py"):
        assert "\\\\\n" not in path.read_text(), path


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


def ablation_tables():
    path = REPO / "benchmarks" / "ablation.py"
    spec = importlib.util.spec_from_file_location("ablation", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ablations_are_their_files():
    """A table in the docs stands under the name of its JSON, as ablation.py prints it."""
    ablation = ablation_tables()
    made = sorted((REPO / "benchmarks" / "results").rglob("ablation_*.json"))
    for path in made:
        name = re.escape(str(path.relative_to(REPO)))
        shown = [re.search(rf"{name}\)[^\n]*\n+```text\n(.*?)\n```", p, re.DOTALL) for p in PAGES]
        shown = [found[1] for found in shown if found]
        assert shown == [ablation.table(json.loads(path.read_text())["runs"])], path


def test_ablations_are_made_by_tables_that_exist():
    """What the docs say makes a table is one that ablation.py knows."""
    ablation = ablation_tables()
    named = {name for text in TEXTS for name in re.findall(r"ablation\.py ([\w-]+)", text)}
    assert named and named <= set(ablation.TABLES)


def test_ci_runs_the_test_command_of_the_readme():
    assert "README.md" in (REPO / ".ci" / "run").read_text()
    command = re.search(r"<!-- tests -->\s*```sh\n(.*?)```", README, re.DOTALL)[1]
    assert "pytest" in command
    assert ".ci/run" in (REPO / ".github" / "workflows" / "tests.yml").read_text()


def test_the_table_of_backbones_is_its_file():
    results = REPO / "benchmarks" / "results" / "backbones_train.json"
    learned = json.loads(results.read_text())["results"]
    for name in BACKBONES:
        cells = [
            f"{run['first']:.2f} to {run['last']:.2f}"
            for runs in learned.values()
            for run in (runs[name]["float32"], runs[name]["bfloat16"])
        ]
        assert f"| `{name}` | {' | '.join(cells)} |" in README
        assert all(run["last"] < run["first"] for runs in learned.values()
                   for run in runs[name].values())  # fmt: skip


def test_the_times_of_backbones_are_their_file():
    page = (REPO / "docs" / "backbones.md").read_text()
    file = REPO / "benchmarks" / "results" / "backbones_cpu.json"
    rows = json.loads(file.read_text())["results"]["ntu60"]
    twins = {"ctrgcn_pyskl", "aagcn_pyskl", "stgcn_original", "stgcn_crosclr"}  # by initial values
    assert set(rows) == set(BACKBONES) - twins
    for name, row in rows.items():
        cells = [
            cell
            for what in ("train", "infer")
            for cell in (f"{row[what]:.0f}", f"{row[f'{what}/ctr']:.2f}",
                         f"{row[f'{what} per flop']:.2f}",
                         f"{row[f'{what}/torch']:.2f}" if f"{what}/torch" in row else "-")
        ]  # fmt: skip
        assert f"| `{name}` | {' | '.join(cells)} | {row['train_compile_s']:.0f} |" in page


@pytest.mark.parametrize("shape, told", [("nw_ucla", "52, 20, 1"), ("ntu60", "64, 25, 2")])
def test_the_speed_it_tells_is_its_file(shape, told):
    file = REPO / "benchmarks" / "results" / f"ctrgcn_cpu_{shape}.json"
    sides = json.loads(file.read_text())["results"][shape]
    for what, word in ("train", "training step"), ("infer", "inference"):
        own, torch = (sides[side][what] for side in ("skeljax", "torch"))
        assert f"| {told} | {word} | {own:.1f} | {torch:.1f} | {own / torch:.2f} |" in README
