"""What the tensors of a public checkpoint tell, and what is said where they do not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny
from skeljax import convert, evaluate
from skeljax.data.recipes import device_data, render
from skeljax.errors import CheckpointError, ConfigError
from skeljax.interop.known import KNOWN, recognise
from skeljax.interop.pytorch import read_pt
from skeljax.interop.settings import Given, settings
from skeljax.job import build
from skeljax.models.stgcn import GraphConv
from test_convert import FLAVOURS, SIZES, STGCN, TOLD, save, tensors


@pytest.mark.parametrize("stream", ["", "joint", "bone", "joint_motion", "bone_motion"])
def test_a_single_encoder_is_that_of_any_stream(stream):
    """AimCLR, ActCLR and SkeleMixCLR train one file a stream; only joints were recognised."""
    known = next(known for known in KNOWN if known.family == "stgcn_contrastive")
    made = tensors(known, width=8, depth=3, grow=(2,), last_width=12)
    made |= {f"module.{name.replace('_q.', '_k.')}": value for name, value in made.items()}
    assert recognise(made, stream=stream).known is known


def test_a_stream_that_no_encoder_of_the_file_has():
    known = next(known for known in KNOWN if known.family == "stgcn_contrastive")
    made = tensors(known, width=8, depth=3, grow=(2,), last_width=12)
    made |= {name.replace("_q.", "_q_motion."): value for name, value in made.items()}
    with pytest.raises(CheckpointError, match=r"joint, motion[^$]*bone"):
        recognise(made, stream="bone")


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.family)
def test_a_file_that_lacks_tensors_is_told_so(known):
    """Without `data_bn.weight`, `A` or `PA` there was a trace."""
    sizes = SIZES | {"depth": 3} if known.own_last else SIZES
    made = tensors(known, **sizes, **TOLD.get(known.family, {}))
    refused = []
    for ending in {".".join(name.rsplit(".", 2)[1:]) for name in made} | {"data_bn.weight", "A"}:
        try:
            recognise({name: value for name, value in made.items() if not name.endswith(ending)})
        except CheckpointError:
            refused.append(ending)
    assert "data_bn.weight" in refused
    assert known.joints.rpartition(".")[2] in {ending.rpartition(".")[2] for ending in refused}
    with pytest.raises(CheckpointError, match="do not fit each other"):
        norm = next(name for name in made if name.endswith("data_bn.weight"))
        recognise(made | {norm: np.ones(7, np.float32)})


@pytest.mark.parametrize("family", ["stgcn", "dgstgcn", "protogcn"])
@pytest.mark.parametrize(
    "layout, bodies",
    [("ntu25_pyskl", 2), ("coco17", 2), ("openpose18", 2), ("hand21", 1), ("ucla20", 1)],
)
def test_a_lone_person_has_a_body_of_zeros_beside_it(family, layout, bodies):
    """PYSKL pads every clip to two persons, and the zeros count in the mean over them."""
    known = next(known for known in KNOWN if known.family == family)
    found = recognise(tensors(known, layout, **SIZES, **TOLD[family]))
    assert settings(found, Given(layout=layout), "j.pth")[1].num_bodies == bodies
    assert settings(found, Given(layout=layout, bodies=3), "j.pth")[1].num_bodies == 3


@pytest.mark.parametrize("family", ["dgstgcn", "protogcn"])
def test_twenty_joints_of_a_family_that_never_saw_nw_ucla(family):
    known = next(known for known in KNOWN if known.family == family)
    found = recognise(tensors(known, classes=10, **SIZES, **TOLD[family]))
    with pytest.raises(ConfigError, match="which 20 joints"):
        settings(found, Given(), "j.pth")


@pytest.mark.parametrize("joints, classes", [(25, 60), (20, 10)])
def test_as_many_joints_as_a_public_data_set_but_others(joints, classes, tmp_path):
    """They had its class names and its data, and preparations that need its axes."""
    rows = ", ".join(f'["j{v}", "j{v // 2}"]' for v in range(joints))
    (tmp_path / "mine.toml").write_text(f'centre = "j0"\njoints = [{rows}]')
    layout = str(tmp_path / "mine.toml")
    made = tensors(STGCN, layout, classes=classes, **SIZES, **FLAVOURS["importance"])
    config, facts, _ = settings(recognise(made), Given(layout=layout), "j.pth")
    assert (config.data.dataset, config.data.prepare, config.recipe.name) == ("", "unit", "pyskl")
    assert (facts.classes[:2], facts.num_bodies) == (("0", "1"), 1)


@pytest.mark.parametrize("told", [2, 0])
def test_bodies_that_the_tensors_contradict(told):
    found = recognise(tensors(STGCN, bodies=2, **SIZES, **FLAVOURS["persons apart"]))
    assert settings(found, Given(bodies=told), "j.pth")[1].num_bodies == 2
    with pytest.raises(ConfigError, match=r"--bodies[^$]*found: +1[^$]*2, as many as"):
        settings(found, Given(bodies=1), "j.pth")


CTRGCN = next(known for known in KNOWN if known.family == "ctrgcn")


@pytest.mark.parametrize(
    "classes, given, dataset, prepare",
    [
        (120, Given(), "ntu120/xsub", "trim_copy"),
        (60, Given(dataset="ntu120/xset"), "ntu120/xset", "trim_copy"),
        (60, Given(), "ntu60/xsub", "trim"),
        (120, Given(dataset="ntu60/xview"), "ntu60/xview", "trim"),
        (120, Given(prepare="trim"), "ntu120/xsub", "trim"),
    ],
)
def test_someone_alone_is_there_twice_in_ntu_120_of_ctrgcn(classes, given, dataset, prepare):
    """As in `papers`; converted checkpoints of NTU 120 were tested beside a body of zeros."""
    config, *_ = settings(recognise(tensors(CTRGCN, "ntu25", 2, classes, **SIZES)), given, "a.pt")
    assert (config.data.dataset, config.data.prepare) == (dataset, prepare)


@pytest.mark.parametrize("names, message", [("class{}", ""), ("other{}", "number of classes")])
def test_a_head_with_more_classes_than_the_data(names, message, tmp_path, capsys):
    """FR-Head's own checkpoints of NTU 60 have the 120 classes of NTU 120."""
    (tmp_path / "names.txt").write_text("\n".join(names.format(k) for k in range(6)))
    made = tensors(STGCN, classes=6, width=6, depth=2, grow=(2,), **FLAVOURS["importance"])
    folder, source = tiny.dataset(tmp_path / "data"), save(tmp_path / "a.pt", made)
    given = Given(dataset=str(folder), classes=str(tmp_path / "names.txt"), recipe="generic")
    convert.convert(source, tmp_path / "run", given)
    if message:
        with pytest.raises(CheckpointError, match=message):
            evaluate.main([str(tmp_path / "run")])
        return
    evaluate.main([str(tmp_path / "run"), "--out", str(tmp_path / "scores.npz"), "--devices", "1"])
    assert "18 clips" in capsys.readouterr().out
    assert np.load(tmp_path / "scores.npz")["scores"].shape == (18, 6)


@pytest.mark.parametrize(
    "layout, classes, dataset", [("ntu25", 60, "ntu60/xsub_listed"), ("openpose18", 7, "")]
)
def test_stgcn_of_its_authors_sees_raw_clips_padded_to_300_frames(layout, classes, dataset):
    known = next(known for known in KNOWN if known.family == "stgcn_original")
    sizes = {"width": 4, "depth": 3, "grow": (2,), "last_width": 8, "graph": "distance"}
    found = recognise(tensors(known, layout, classes=classes, **sizes))
    config, facts, _ = settings(found, Given(), "st_gcn.pt")
    assert (config.data.dataset, config.data.prepare) == (dataset, "none")
    store = tiny.store(2, layout=layout)
    job = build(config, facts)
    data, key = device_data(store, job.test_recipe), jax.random.key(0)
    x = render(job.test_recipe, data, jnp.arange(2), key, job.stream)
    assert (facts.num_bodies, x.shape[2]) == (2, 300)
    first = int(store.length[0])
    np.testing.assert_array_equal(x[0, :, :first].swapaxes(0, 1), store.frames[:first])
    assert not x[0, :, first:].any()


@pytest.mark.parametrize(
    "said, message",
    [
        (Given(fields={"model.width": "abc"}), r"does not fit[^$]*model\.width"),
        (Given(fields={"model.grow": 5}), r"does not fit[^$]*model\.grow"),
        (Given(fields={"seed.x": 3}), "'seed' has no fields[^$]*seed.x"),
        (Given(fields={"optim": 3}), "does not fit[^$]*optim"),
        (Given(prepare="untu"), "did you mean 'unit'[^$]*--prepare"),
        (Given(fields={"data.prepare": "untu"}), "did you mean 'unit'"),
    ],
)
def test_options_that_do_not_fit(said, message):
    found = recognise(tensors(STGCN, **SIZES, **FLAVOURS["importance"]))
    with pytest.raises(ConfigError, match=message):
        settings(found, said, "a.pt")


@pytest.mark.parametrize("content, message", [(b"", "0 names"), (b"\xff", "utf-8")])
@pytest.mark.parametrize("classes", [5, None])
def test_class_names_that_are_none(content, message, classes, tmp_path):
    (tmp_path / "names.txt").write_bytes(content)
    found = recognise(tensors(STGCN, **SIZES, **FLAVOURS["importance"]))
    found = dataclasses.replace(found, classes=classes)
    with pytest.raises(ConfigError, match=rf"names\.txt[^$]*{message}"):
        settings(found, Given(classes=str(tmp_path / "names.txt")), "a.pt")


@pytest.mark.parametrize("bodies", ["-1", "0", "two"])
def test_bodies_are_counted_from_one(bodies, capsys):
    with pytest.raises(SystemExit):
        convert.parser().parse_args(["a.pt", "--to", "run", "--bodies", bodies])
    assert "--bodies" in capsys.readouterr().err


def test_msg3d_of_two_coordinates_and_other_windows():
    """It was taken to have three, and other windows than 3 and 5 had no names."""
    known = next(known for known in KNOWN if known.family == "msg3d")
    told = TOLD["msg3d"] | {"windows": (3, 7, 9)}
    found = recognise(tensors(known, "hand21", **SIZES, **told))
    assert (found.channels, found.arguments["windows"]) == (2, (3, 7, 9))


@pytest.mark.parametrize("order", ["pre", "post"])
def test_stgcn_of_many_subsets_and_another_kernel(order, tmp_path):
    """PYSKL's graph of eight free subsets had no place in our network."""
    told = {"topology": "free", "subsets": 8, "order": order, "kernel_size": 5}
    made = tensors(STGCN, classes=3, **SIZES, **told)
    assert made["backbone.gcn.1.gcn.A"].shape == (8, 20, 20)
    convert.convert(save(tmp_path / "a.pth", made), tmp_path / "run", Given())
    convert.export(tmp_path / "run", tmp_path / "b.pth")
    back = read_pt(tmp_path / "b.pth")
    assert back.keys() == made.keys()
    assert all(np.array_equal(back[name], made[name]) for name in made)


def test_many_subsets_begin_with_numbers_of_their_own():
    unit = GraphConv(6, lambda: np.zeros((3, 20, 20)), "free", "pre", "torch", subsets=8)
    made = jax.jit(unit.init)(jax.random.key(0), jnp.zeros((3, 1, 4, 20)))
    graph = made["params"]["adjacency"]
    assert graph.shape == (8, 20, 20)
    assert abs(graph.mean() - 0.04) < 0.002 and abs(graph.std() - 0.02) < 0.002


@pytest.mark.parametrize("family", ["dgstgcn", "protogcn"])
def test_gates_of_every_subset_are_used_if_they_were_trained(family):
    known = next(known for known in KNOWN if known.family == family)
    made = tensors(known, **SIZES, **TOLD[family])
    assert recognise(made).arguments["subset_wise"] is True
    for name, value in made.items():
        if name.endswith((".alpha", ".beta")):
            made[name] = value * (np.arange(len(value)) == 0)
    assert recognise(made).arguments["subset_wise"] is False


def test_weights_of_a_conversion_that_was_cut_off_are_not_kept(tmp_path):
    """Its checkpoint was taken for the new one's, which was never written."""
    source = save(tmp_path / "a.pth", tensors(STGCN, **SIZES, **FLAVOURS["importance"]))
    (tmp_path / "run" / "checkpoints" / "0").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"without a run[^$]*delete"):
        convert.convert(source, tmp_path / "run", Given())


@pytest.mark.parametrize("attention", [True, False])
def test_2s_agcn_is_aagcn_without_attention(attention):
    """As mmaction2 has it: `gcn_attention=False`."""
    known = next(known for known in KNOWN if known.family == "aagcn_pyskl")
    made = tensors(known, **SIZES, attention=attention)
    assert any("conv_sa" in name for name in made) == attention
    found = recognise(made)
    assert found.known is known and found.arguments["attention"] is attention
