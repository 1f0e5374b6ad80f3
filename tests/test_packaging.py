"""What is installed is what lies here."""

import configparser
import pathlib
import subprocess
import sys
import venv

import pytest

REPO = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(REPO / "setup.cfg")
    return parser


def words(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def folder_of(package, setup_cfg):
    mapping = dict(map(str.strip, line.split("=")) for line in words(
        setup_cfg["options"]["package_dir"]))  # fmt: skip
    return REPO / mapping.get(package, package.replace(".", "/"))


def test_packages_are_the_folders_on_disk(setup_cfg):
    ours = {p.parent.relative_to(REPO) for p in (REPO / "skeljax").rglob("*.py")}
    found = {".".join(folder.parts) for folder in ours}
    builders = {path.parent.name for path in (REPO / "datasets").glob("*/*_dataset_builder.py")}
    found |= {f"skeljax.datasets.{name}" for name in builders}
    assert found == set(words(setup_cfg["options"]["packages"]))


def test_files_that_are_no_code_are_installed_too(setup_cfg):
    packages = words(setup_cfg["options"]["packages"])
    patterns = dict(setup_cfg["options.package_data"])
    for package in packages:
        folder = folder_of(package, setup_cfg)
        given = [glob.strip() for glob in patterns.get(package, "").split(",") if glob.strip()]
        installed = {path for glob in given for path in folder.glob(glob)}
        there = {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
        assert there <= installed, package


def test_no_init_in_datasets_that_would_hide_another_package_of_that_name():
    assert not (REPO / "datasets" / "__init__.py").exists()


OPEN = """
import pathlib, sys
import skeljax.datasets
from skeljax.layouts import get_layout
from skeljax.datasets.nw_ucla import nw_ucla_dataset_builder as ucla
assert len(ucla.split_names()["test"]) == 464
for builder in skeljax.datasets.BUILDERS.values():
    assert (builder.pkg_dir_path / "CITATIONS.bib").is_file(), builder
assert get_layout("ntu25").num_joints == 25
print(pathlib.Path(ucla.__file__).resolve())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "install",
    [
        ["."],
        ["-e", "."],
        ["-e", ".", "--config-settings", "editable_mode=strict"],
        ["-e", ".", "--config-settings", "editable_mode=compat"],
    ],
    ids=["wheel", "editable", "strict", "compat"],
)
def test_every_way_to_install(install, tmp_path):
    """From a copy of the tracked files; imported from / and from the checkout's root."""
    copy = tmp_path / "checkout"
    files = subprocess.check_output(["git", "ls-files"], cwd=REPO, text=True).splitlines()
    for name in files:
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPO / name).read_bytes())
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    [site] = (tmp_path / "env" / "lib").glob("*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "outer.pth").write_text("\n".join(ours))  # pip and the dependencies from here
    pip = [python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*pip, *install], cwd=copy, check=True)
    for folder in ("/", copy):
        out = subprocess.run(
            [python, "-c", OPEN], cwd=folder, capture_output=True, text=True, check=True
        )
        editable = "-e" in install
        from_checkout = str(copy) in out.stdout
        assert from_checkout == (editable or folder == copy), out.stdout
        command = [tmp_path / "env" / "bin" / "skeljax", "--help"]
        help_text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert "prepare" in help_text.stdout
