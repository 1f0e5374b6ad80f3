"""docs/own_data.md as written: its commands run on small generated clips, its snippets too."""

import csv
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from skeljax import cli
from skeljax.data.store import Store
from skeljax.layouts import _FIELDS, get_layout

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "own_data.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
FIVE, PACK = [text.strip().splitlines() for kind, text in BLOCKS if kind == "bash"]
TEXT = dict(BLOCKS)
# Training as on the page would take minutes: a smaller network, one pass.
TINY = [
    "--config.train.epochs=1", "--config.train.batch=8", "--config.test.batch=8",
    "--config.recipe.window=8", "--config.model.width=4", "--config.model.depth=2",
    "--config.model.grow=(2,)",
]  # fmt: skip


def moves(layout, number: int, bodies: int = 1) -> np.ndarray:
    """(M,T,V,C) of class `number` % 2."""
    rng = np.random.default_rng(number)
    shape = (bodies, 6 + number % 3, layout.num_joints, layout.channels)
    return (rng.uniform(0.1, 0.5, shape) + 0.4 * (number % 2)).round(3)


def write_table(folder, names) -> None:
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "label", "subject", "split"])
        for i, name in enumerate(names):
            table.writerow([name, ("wave", "clap")[i % 2], i % 4, "test" if i % 4 > 1 else "train"])


def skeljax(line: str, extra=()):
    words = [sys.executable, "-m", *shlex.split(line), *extra]
    cache = str(jax.config.jax_compilation_cache_dir)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": cache}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow  # a minute of CPU, most of it compiling
def test_five_commands_lead_to_a_trained_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "upper.toml").write_text(TEXT["toml"])
    layout = get_layout("upper.toml")
    clips, new = tmp_path / "clips", tmp_path / "new"
    clips.mkdir()
    new.mkdir()
    names = [f"take{i:02}" for i in range(16)]
    write_table(clips, names)
    for i, name in enumerate(names):
        x = moves(layout, i)
        if i % 3 == 0:
            (clips / f"{name}.json").write_text(json.dumps(x[0].tolist()))
        elif i % 3 == 1:
            header = ",".join(f"{joint}_{axis}" for joint in layout.joints for axis in "xyz")
            np.savetxt(
                clips / f"{name}.csv", x[0].reshape(len(x[0]), -1), delimiter=",", header=header,
                comments="",
            )  # fmt: skip
        else:
            np.savez(clips / f"{name}.npz", x)
    (new / "take99.json").write_text(json.dumps(moves(layout, 99).tolist()))
    said = [skeljax(line, TINY if " train " in line else ()) for line in FIVE]
    assert len(FIVE) == 5 and "fine" in said[2]
    assert json.loads((tmp_path / "runs" / "mine" / "result.json").read_text())
    assert "wave" in said[4] and "clap" in said[4]
    store = Store.load("mydata/train.npz")
    for i, name in enumerate(store.name):
        x = moves(layout, int(name[-2:]))[0]
        x = x - x[0, 0]
        np.testing.assert_allclose(store.keypoints(i)[0], x / np.abs(x).max(), atol=1e-6)


def mediapipe(folder, name, x) -> None:
    """By the page's own snippet."""
    given = {}
    exec(TEXT["python"], given)
    keys = ("x", "y", "z", "visibility")
    results = [
        types.SimpleNamespace(
            pose_world_landmarks=[
                [
                    types.SimpleNamespace(**dict.fromkeys(keys, 0.5) | dict(zip(keys, joint)))
                    for joint in body
                ]
                for body in now
            ]
        )
        for now in x.swapaxes(0, 1).tolist()
    ]
    given["save"](folder / f"{name}.json", results)


def coco(folder, name, x) -> None:
    entries = [
        {"image_id": t, "keypoints": body.ravel().tolist(), "score": 1.0}
        for t, now in enumerate(x.swapaxes(0, 1)) for body in now
    ]  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(entries))


def openpose(folder, name, x) -> None:
    (folder / name).mkdir()
    for t, now in enumerate(x.swapaxes(0, 1)):
        people = [{"pose_keypoints_2d": body.ravel().tolist()} for body in now]
        path = folder / name / f"{name}_{t:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))


TOOLS = {
    "mediapipe33": mediapipe, "hand21": mediapipe, "coco17": coco, "openpose18": openpose,
    "body25": openpose,
}  # fmt: skip


@pytest.mark.parametrize("line", PACK, ids=lambda line: line.split()[4])
def test_clips_of_each_tool_are_packed(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    folder, name = tmp_path / words[2], words[words.index("--layout") + 1]
    layout = get_layout(name)
    folder.mkdir()
    names = [f"take{i:02}" for i in range(4)]
    write_table(folder, names)
    for i, clip in enumerate(names):
        TOOLS[name](folder, clip, moves(layout, i, bodies=1 + i % 2))
    cli.dispatch(words[1:])
    out = words[words.index("--out") + 1]
    stores = [Store.load(f"{out}/{split}.npz") for split in ("train", "test")]
    assert [sorted(store.name) for store in stores] == [names[:2], names[2:]]
    assert stores[0].bodies == 2 and get_layout(stores[0].layout) == layout
    assert not cli.dispatch(["check", out])
    x = moves(layout, 1, bodies=2)[..., : layout.dims]
    x = x - x[0, 0, layout.centre_on]
    found = stores[0].keypoints(1)[..., : layout.dims]
    np.testing.assert_allclose(found, x / np.abs(x).max(), atol=1e-6)


def test_every_tool_has_its_line():
    assert {line.split()[4] for line in PACK} == set(TOOLS)


def test_its_layout_and_table_hold(tmp_path):
    (tmp_path / "upper.toml").write_text(TEXT["toml"])
    layout = get_layout(str(tmp_path / "upper.toml"))
    assert layout.num_joints == 8 and len(layout.pairs) == 3
    fields = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE))
    named = {field for row in fields for field in re.findall(r"\w+", row)}
    named |= set(re.findall(r"^(\w+) =", TEXT["toml"], re.MULTILINE))
    assert named >= _FIELDS.keys() - {"name"}
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "labels.csv").write_text(TEXT["csv"])
    for name in ("take01", "take02", "take03"):
        np.save(folder / f"{name}.npy", moves(layout, 1))
    cli.dispatch(["pack", str(folder), "--layout", str(tmp_path / "upper.toml"),
                  "--out", str(tmp_path / "out")])  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.npz", "test.npz"}
