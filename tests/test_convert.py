"""Public checkpoints become run folders, whole or with a message, and come back bit for bit."""

import functools
import json
import pathlib
import re
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import runs
import tiny
from parity import cases
from skeljax import convert, evaluate, predict, rundir, zoo
from skeljax.checkpoint import Checkpoints
from skeljax.errors import CheckpointError, ConfigError, SkeljaxError
from skeljax.interop.known import KNOWN, recognise
from skeljax.interop.pytorch import state_dict
from skeljax.interop.settings import PRACTICES, Given, settings
from skeljax.layouts import get_layout
from skeljax.models import BACKBONES
from skeljax.models.graphs import ms_scales
from skeljax.models.heads import Classifier, Linear
from skeljax.models.stgcn import GRAPHS

torch = pytest.importorskip("torch")

HAND = """
dims = 2
centre = "wrist"
joints = [
    ["wrist", "wrist"], ["thumb", "wrist"], ["thumb_tip", "thumb"],
    ["finger", "wrist"], ["middle", "finger"], ["finger_tip", "middle"],
]
"""
# what a family's tensors must tell beside width, depth and grow
TOLD = {
    "stgcn": {"graph": "distance", "topology": "importance"},
    "stgcn_contrastive": {"last_width": 40},
    "stgcn_original": {"last_width": 40},
    "infogcn": {"heads": 2},
    "msg3d": {"scales": 4, "window_scales": 2, "windows": (3, 5)},
    "dgstgcn": {"subsets": 4, "ratio": 0.25},
    "protogcn": {"subsets": 4, "ratio": 0.25, "prototypes": 7},
}


def tensors(known, layout="ucla20", bodies=1, classes=5, seed=0, **arguments):
    """A checkpoint of random numbers of a family: one tensor a name, counters and constants too."""
    layout = get_layout(layout)
    backbone = BACKBONES[known.family](layout=layout, num_person=bodies, **arguments)
    net = Classifier(backbone, Linear(classes))
    x = jax.ShapeDtypeStruct((1, bodies, 8, layout.num_joints, layout.channels), jnp.float32)
    shapes = jax.eval_shape(functools.partial(net.init, train=False), jax.random.key(0), x)
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        value = rng.uniform(0.5, 1, leaf.shape)
        if path[-1].key == "kernel":  # so that the scores do not saturate
            value = rng.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]))
        return value.astype(np.float32)

    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    made = state_dict(variables, known.family)
    if known.family == "msg3d":
        made |= {"backbone.sgcn1.0.A": ms_scales(layout, arguments["scales"])}
        made |= {
            f"backbone.gcn3d1.gcn3d.{i}.gcn3d.1.A": ms_scales(layout, 2, window)
            for i, window in enumerate(arguments["windows"])
        }
    elif known.graph:
        graph = GRAPHS[arguments.get("graph") or backbone.graph](layout)
        names = [known.joints]
        if known.family == "stgcn":  # every block has a copy
            names = [f"backbone.gcn.{i}.gcn.A" for i in range(arguments["depth"])]
        made = {name: graph for name in names} | made
    counters = [name for name in made if name.endswith("running_mean")]
    return made | {f"{name[:-12]}num_batches_tracked": np.int64(7) for name in counters}


def save(path, made, **wrapped):
    made = {name: torch.from_numpy(np.array(value)) for name, value in made.items()}
    torch.save({**wrapped, "state_dict": made} if wrapped else made, path)
    return path


SIZES = {"width": 24, "depth": 2, "grow": (2,)}


def test_only_dgstgcn_and_protogcn_are_fed_skeletons_that_are_not_turned():
    fed = {known.family: PRACTICES[known.practice] for known in KNOWN}
    no_spine = {family for family, of in fed.items() if of[25][1] == "prenorm3d_no_spine"}
    assert no_spine == {"dgstgcn", "protogcn"}


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.family)
def test_a_family_is_known_by_its_names_and_tells_its_sizes(known):
    sizes = SIZES | {"depth": 3} if known.own_last else SIZES
    told = TOLD.get(known.family, {})
    bodies = 1 if known.shared else 2
    found = recognise(tensors(known, bodies=bodies, **sizes, **told))
    assert found.known is known
    told = {name: value for name, value in told.items() if name != "graph"}
    assert found.arguments.items() >= (sizes | told).items()
    assert (found.joints, found.channels, found.classes) == (20, 3, 5)
    assert found.bodies == (None if known.shared else 2)


FLAVOURS = {
    "importance": {"graph": "distance", "topology": "importance"},
    "offset": {"graph": "direction", "topology": "offset"},
    "post": {"graph": "direction", "topology": "free", "order": "post", "residual": True},
    "plus": {"graph": "direction", "topology": "free", "residual": True, "multi_scale": True},
    "persons apart": {"graph": "distance", "topology": "importance", "data_norm": "MVC"},
}
STGCN = next(known for known in KNOWN if known.family == "stgcn")


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=FLAVOURS)
def test_flavours_of_stgcn(flavour):
    made = tensors(STGCN, bodies=2, **SIZES, **flavour)
    if flavour["topology"] == "offset":
        made |= {name: 1e-2 * value for name, value in made.items() if name.endswith(".PA")}
    found = recognise(made)
    assert found.arguments.items() >= {k: v for k, v in flavour.items() if k != "graph"}.items()
    assert found.channels == 3


def test_a_gesture_model_of_six_blocks():
    """PYSKL's demo on the joints of one hand, in the image: all but the layout is told."""
    sizes = {"width": 12, "depth": 6, "grow": (6,)}
    found = recognise(tensors(STGCN, "hand21", classes=7, **sizes, **FLAVOURS["plus"]))
    assert found.arguments.items() >= sizes.items()
    config, facts, _ = settings(found, Given(), "gesture.pth")
    assert (found.joints, found.channels, found.classes) == (21, 2, 7)
    assert (facts.layout.name, facts.num_bodies, config.data.prepare) == (
        "hand21",
        1,
        "prenorm2d_auto",
    )
    assert (config.recipe.length, config.recipe.test_clips) == (10, 1)


@pytest.fixture(scope="module")
def hand(tmp_path_factory):
    """(layout file, checkpoint, run folder made of it, what was said): six joints of one's own."""
    folder = tmp_path_factory.mktemp("hand")
    (folder / "mine.toml").write_text(HAND)
    layout = str(folder / "mine.toml")
    made = tensors(STGCN, layout, classes=3, **SIZES, **FLAVOURS["importance"])
    made = {f"module.{name}": value for name, value in made.items()}
    made["module.cls_head.other.weight"] = np.ones((2, 4), np.float32)
    source = save(folder / "epoch_9.pth", made, meta={"epoch": 9})
    (folder / "names.txt").write_text("fist\npalm\nok\n")
    names = str(folder / "names.txt")
    given = Given(layout=layout, classes=names, prepare="none", fields={"recipe.length": 8})
    said = convert.convert(source, folder / "run", given)
    return layout, source, folder / "run", "\n".join(said)


def test_what_became_of_every_tensor_is_said(hand):
    _, _, run, said = hand
    assert "stgcn" in said and "3 classes, 6 joints x 2 values" in said
    assert "depth 2, grow (2,)" in said
    assert "--stream joint" in said and "--layout" not in said.split("granted")[1]
    assert "unused 1: " in said and "module.cls_head.other.weight (2, 4)" in said
    assert "missing 0: none" in said
    record = json.loads((run / "converted.json").read_text())
    assert "module.cls_head.fc_cls.weight" in record["names"].values()


def test_the_way_back_is_bit_exact(hand, tmp_path):
    _, source, run, _ = hand
    convert.main([str(run), "--to", str(tmp_path / "back.pth")])
    before = torch.load(source, weights_only=True)["state_dict"]
    after = torch.load(tmp_path / "back.pth", weights_only=True)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype and torch.equal(value, after[name]), name


def test_a_converted_run_predicts_without_the_layout_file(hand, tmp_path, monkeypatch, capsys):
    layout, _, run, _ = hand
    about = rundir.read(run)
    assert layout not in json.dumps(about)
    points = np.random.default_rng(0).uniform(size=(12, 6, 2)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    (tmp_path / "b.json").write_text(json.dumps(points.tolist()))
    rows = [",".join(map(str, frame.ravel())) for frame in points]
    (tmp_path / "c.csv").write_text("\n".join([",".join("x" * 12), *rows]))
    (tmp_path / "bad.csv").write_text("1,2,3\n")
    files = [str(tmp_path / name) for name in ("a.npy", "bad.csv", "b.json", "c.csv")]
    assert predict.main([str(run), *files, "--json"]) == 2
    said = capsys.readouterr()
    assert "bad.csv, frame 0" in said.err and "6 joints x 2 values" in said.err
    found = json.loads(said.out)
    assert [row["file"] for row in found] == [files[0], files[2], files[3]]
    for row in found:
        chances = [c["probability"] for c in row["classes"]]
        assert {c["class"] for c in row["classes"]} == {"fist", "palm", "ok"}
        assert sum(chances) == pytest.approx(1, abs=1e-5) and chances == sorted(chances)[::-1]
        assert chances == pytest.approx([c["probability"] for c in found[0]["classes"]], abs=1e-5)
    predict.main([str(run), files[0]])
    best = found[0]["classes"][0]
    assert f"{100 * best['probability']:7.2f} %  {best['class']}" in capsys.readouterr().out


def test_predictions_are_those_of_the_network(hand, tmp_path):
    """By hand: the same weights, the same eight frames, no run folder between."""
    layout, _, run, _ = hand
    points = np.random.default_rng(1).uniform(size=(8, 6, 2)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    chances = predict.look(run, [tmp_path / "a.npy"]).probabilities
    saved = Checkpoints(run / "checkpoints", read_only=True)
    variables = saved.variables(saved.latest)
    net = BACKBONES["stgcn"](get_layout(layout), 1, **SIZES, **FLAVOURS["importance"])
    params = {
        "params": variables["params"]["backbone"],
        "batch_stats": variables["extra"]["batch_stats"],
    }
    quickly = {"xla_backend_optimization_level": 0}
    pool = jax.jit(lambda p, x: net.apply(p, x, train=False).pooled, compiler_options=quickly)
    head = variables["params"]["head"]
    logits = pool(params, points[None, None]) @ head["kernel"] + head["bias"]
    assert 0.01 < chances.max() < 0.99
    np.testing.assert_allclose(chances, jax.nn.softmax(logits), rtol=1e-3)


def given(hand, **changes):
    return Given(**{"layout": hand[0], "fields": {"recipe.length": 8}} | changes)


def test_a_graph_that_is_not_the_layouts_is_refused(hand, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(HAND.replace('["middle", "finger"]', '["middle", "thumb"]'))
    with pytest.raises(ConfigError, match=r"another graph[^$]*middle"):
        convert.convert(hand[1], tmp_path / "run", given(hand, layout=str(other)))
    assert not (tmp_path / "run").exists()


WRONG = {
    "no layout": (dict(layout=""), "which 6 joints[^$]*--layout"),
    "another layout": (dict(layout="hand21"), "21 joints x 2[^$]*6 joints x 2"),
    "a misspelt layout": (dict(layout="hand22"), "did you mean 'hand21'"),
    "a misspelt family": (dict(family="stgcm"), "did you mean 'stgcn'"),
    "another family": (dict(family="ctrgcn"), "no checkpoint of ctrgcn"),
    "a misspelt field": (dict(fields={"recipe.lenght": 8}), "did you mean 'length'"),
    "a wrong value": (dict(fields={"recipe.length": "many"}), "recipe.length"),
    "too deep": (dict(fields={"model.depth": 3}), r"lacks 13[^$]*backbone\.\* \(13 tensors"),
    "too wide": (dict(fields={"model.width": 32}), "does not fit"),
    "a misspelt recipe": (dict(recipe="pysk"), "did you mean 'pyskl'"),
}


@pytest.mark.parametrize("changes, message", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_named_and_nothing_is_left(changes, message, hand, tmp_path):
    with pytest.raises(SkeljaxError, match=message):
        convert.convert(hand[1], tmp_path / "run", given(hand, **changes))
    assert not (tmp_path / "run").exists()


def test_class_names_must_be_as_many(hand, tmp_path):
    (tmp_path / "two.txt").write_text("a\nb\n")
    with pytest.raises(ConfigError, match=r"2 names[^$]*3, one a line"):
        convert.convert(hand[1], tmp_path / "run", given(hand, classes=str(tmp_path / "two.txt")))


def test_a_run_is_not_overwritten(hand):
    with pytest.raises(CheckpointError, match="holds a run"):
        convert.convert(hand[1], hand[2], given(hand))


def test_what_the_tensors_cannot_tell_is_asked_by_name(tmp_path):
    known = next(known for known in KNOWN if known.family == "hdgcn")
    source = save(tmp_path / "a.pt", tensors(known, **SIZES))
    with pytest.raises(ConfigError, match=r"--set model.centre_of_mass"):
        convert.convert(source, tmp_path / "run", Given())


def test_a_file_of_something_else(tmp_path):
    source = save(tmp_path / "a.pt", {"conv1.weight": np.zeros((2, 3), np.float32)})
    with pytest.raises(CheckpointError, match=r"no family[^$]*conv1\.weight \(2, 3\)[^$]*stgcn"):
        convert.convert(source, tmp_path / "run", Given())


def test_an_encoder_without_a_classifier_can_be_fine_tuned(tmp_path):
    known = next(known for known in KNOWN if known.family == "stgcn_contrastive")
    made = tensors(known, width=8, depth=3, grow=(2,), last_width=12)
    made = {name: value for name, value in made.items() if ".fc." not in name}
    made |= {name.replace("_q.", "_k."): value for name, value in made.items()}
    made |= {"encoder_q.fc.0.weight": np.ones((12, 12), np.float32)}
    source = save(tmp_path / "a.pt", made)
    with pytest.raises(ConfigError, match=r"no classifier[^$]*--classes"):
        convert.convert(source, tmp_path / "run", Given(layout="ucla20"))
    (tmp_path / "names.txt").write_text("a\nb\n")
    given = Given(layout="ucla20", classes=str(tmp_path / "names.txt"))
    said = "\n".join(convert.convert(source, tmp_path / "run", given))
    assert "missing 2: " in said and "encoder_q.fc.weight (2, 12)" in said.split("missing 2")[1]
    assert "classifier is fresh" in said
    assert "encoder_q.fc.0.weight (12, 12)" in said and "encoder_k.* (" in said


@pytest.mark.parametrize("stream, scale", [("joint", 1), ("motion", 2)])
def test_of_several_encoders_that_of_the_stream_is_taken(stream, scale):
    known = next(known for known in KNOWN if known.family == "stgcn_contrastive")
    made = tensors(known, width=8, depth=3, grow=(2,), last_width=12)
    made |= {name.replace("_q.", "_q_motion."): 2 * value for name, value in made.items()}
    found = recognise(made, stream=stream)
    name = "encoder_q.st_gcn_networks.1.tcn.2.weight"
    np.testing.assert_array_equal(found.state[name], scale * made[name])


@pytest.mark.slow  # a minute: it compiles a test, a training step and another test
def test_a_converted_run_is_tested_and_fine_tuned(tmp_path, capsys):
    """Five classes there, four here; the sizes are those of the tests' own config."""
    known = next(known for known in KNOWN if known.family == "ctrgcn")
    made = tensors(known, width=8, depth=3, grow=(3,))
    source, run = save(tmp_path / "runs-9-90.pt", made), tmp_path / "run"
    five = tiny.dataset(tmp_path / "five", classes=5)
    fields = {"recipe.frames": 8, "test.batch": 8}
    convert.convert(source, run, Given(dataset=str(five), fields=fields))
    evaluate.main([str(run), "--metrics", "top1,top5", "--devices", "1"])
    said = capsys.readouterr().out
    assert "18 clips" in said and "top5        100.00 %" in said
    config = tiny.config(tiny.dataset(tmp_path / "four"), init_from=str(run), train__epochs=1)
    config.optim.base_lr = 0.0
    runs.run(config, tmp_path / "tuned")
    said = capsys.readouterr().out
    assert "params.head.kernel (16, 4), there (16, 5)" in said.split("re-initialised 2: ")[1]
    after = runs.variables(tmp_path / "tuned")["params"]["backbone"]
    assert runs.largest_difference(after, runs.variables(run)["params"]["backbone"]) == 0


def test_the_commands_of_the_page_are_commands():
    page = (pathlib.Path(__file__).parents[1] / "docs" / "checkpoints.md").read_text()
    parsers = {"convert": convert.parser(), "predict": predict.parser(), "zoo": zoo.parser()}
    seen = set()
    for line in re.findall(r"^    skeljax (\w+.*)$", page, re.MULTILINE):
        verb, *arguments = shlex.split(line.partition(" #")[0])
        if verb in parsers:
            parsers[verb].parse_args(arguments)
            seen.add(verb)
    assert seen == set(parsers)
    assert all(f"`{known.family}`" in page for known in KNOWN)


CASES = {
    "brl/model_aagcn_ucla_m1_alpha": {},
    "brl/model_msg3d_ucla_m1_small": {},
    "brl/model_stgcn_ntu_m2_pa": {},
    "frhead/aagcn_ntu_alpha": {},
    "frhead/stgcn_ntu": {},
    "frhead/tcagcn_ucla_alpha": {},
    "backbones/dgstgcn_ntu": {},
    "backbones/hdgcn_ntu_com21": {"model.centre_of_mass": 21},
    "backbones/infogcn_ntu_k1": {},
    "backbones/protogcn_ntu": {},
    "lst/model_ucla_joint_k6": {},
    "pyskl/ctrgcn_ntu": {},
    "pyskl/stgcnpp_ntu": {},
}


@pytest.mark.slow  # 5 to 10 s of CPU each
@pytest.mark.parametrize("name", CASES)
def test_checkpoints_of_the_public_sizes_there_and_back(name, tmp_path):
    """With the names, shapes and constants that the reference implementations have."""
    if not (cases.CASES / name).is_dir():
        pytest.skip(f"no parity cases in {cases.CASES}")
    state = cases.load(cases.CASES / name).state_dict()
    source = save(tmp_path / "a.pt", state)
    convert.convert(source, tmp_path / "run", Given(fields=CASES[name]))
    convert.export(tmp_path / "run", tmp_path / "b.pth")
    back = torch.load(tmp_path / "b.pth", weights_only=True)
    assert back.keys() == state.keys()
    for tensor, value in state.items():
        found = back[tensor].numpy()
        assert (found.shape, found.dtype) == (value.shape, value.dtype), tensor
        np.testing.assert_array_equal(found, value)
