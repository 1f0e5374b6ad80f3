"""Public checkpoints: names, layout, what is said when something does not fit."""

import builtins
import functools

import jax
import numpy as np
import pytest

from skeljax.errors import CheckpointError, ConfigError
from skeljax.interop import graphs, pytorch
from skeljax.interop.pytorch import load_state_dict, read_pt, state_dict
from skeljax.layouts import get_layout
from skeljax.models import BACKBONES
from skeljax.models.heads import Classifier, Linear

NUM_CLASSES, WIDTH = 5, 16


def model(name):
    backbone = BACKBONES[name](
        layout=get_layout("ucla20"), num_person=1, width=WIDTH, depth=3, grow=(2,)
    )
    return Classifier(backbone, Linear(NUM_CLASSES))


@functools.cache
def shapes(name):
    x = jax.ShapeDtypeStruct((1, 1, 8, 20, 3), np.float32)
    init = functools.partial(model(name).init, train=False)
    return jax.eval_shape(init, jax.random.key(0), x)


def random(name, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda s: rng.random(s.shape, np.float32), shapes(name))


@pytest.mark.parametrize("name", [n for n in pytorch.FAMILIES if n in BACKBONES])
def test_round_trip_is_bit_exact(name):
    variables = random(name)
    state = state_dict(variables, name)
    loaded, report = load_state_dict(state, random(name, seed=1), name)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)
    assert set(report.loaded) == set(state) and not report.missing and not report.unused
    again = state_dict(loaded, name)
    assert all(np.array_equal(state[key], again[key]) for key in state)
    tensors = {id(a): a.size for a in state.values()}  # HD-GCN has some under two names
    assert sum(tensors.values()) == sum(a.size for a in jax.tree.leaves(variables))


def test_layout_of_the_tensors():
    variables = random("ctrgcn")
    state = state_dict(variables, "ctrgcn")
    backbone = variables["params"]["backbone"]
    block = backbone["block2"]
    value = block["gcn"]["ctrgc"]["value"]["kernel"]  # three subsets side by side
    np.testing.assert_array_equal(
        state["l2.gcn1.convs.1.conv3.weight"][..., 0, 0], value[:, 32:64].T
    )
    short = block["tcn"]["short"]["conv"]["kernel"]
    np.testing.assert_array_equal(state["l2.tcn1.branches.0.3.conv.weight"][:, :, 4, 0], short[4].T)
    opened = variables["batch_stats"]["backbone"]["block1"]["tcn"]["open"]["bn"]["var"]
    np.testing.assert_array_equal(state["l1.tcn1.branches.2.1.running_var"], opened[8:])
    np.testing.assert_array_equal(state["fc.weight"], variables["params"]["head"]["kernel"].T)
    assert state["l3.gcn1.alpha"].shape == (1,) and state["l3.gcn1.PA"].shape == (3, 20, 20)


def test_layout_of_other_convolutions():
    variables = random("aagcn")
    attention = variables["params"]["backbone"]["block2"]["gcn"]["attention"]
    state = state_dict(variables, "aagcn")
    kernel = attention["spatial"]["conv"]["kernel"]  # (19, 32, 1) for 20 joints
    np.testing.assert_array_equal(state["l2.gcn1.conv_sa.weight"][0, :, 3], kernel[3, :, 0])
    np.testing.assert_array_equal(state["l2.gcn1.fc1c.weight"], attention["squeeze"]["kernel"].T)
    variables = random("msg3d")
    kernel = variables["params"]["backbone"]["stage3"]["window5"]["out"]["kernel"]
    found = state_dict(variables, "msg3d")["backbone.gcn3d3.gcn3d.1.out_conv.weight"]
    np.testing.assert_array_equal(found[:, :, 0, 4, 0], kernel[4].T)
    names = state_dict(random("stgcn_original"), "stgcn_original")
    assert names["fcn.weight"].shape == (NUM_CLASSES, 32, 1, 1)
    assert names["edge_importance.2"].shape == (3, 20, 20)
    value = random("tcagcn")["params"]["backbone"]["block2"]["gcn"]["tcagc"]["value"]["kernel"]
    found = state_dict(random("tcagcn"), "tcagcn")["l2.gcn1.convs.2.conv.weight"]
    np.testing.assert_array_equal(found[..., 0, 0], value[:, 64:].T)


def test_classifier_that_is_a_convolution():
    name, variables = "stgcn_crosclr", random("stgcn_crosclr")
    state = state_dict(variables, name)
    assert state["encoder_q.fc.weight"].ndim == 2
    state["encoder_q.fc.weight"] = state["encoder_q.fc.weight"][..., None, None]  # ActCLR's
    loaded, _ = load_state_dict(state, random(name, seed=1), name)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)


@pytest.mark.parametrize("name", ["stgcn", "msg3d", "stgcn_original", "stgcn_crosclr"])
def test_graph_of_a_checkpoint(name):
    backbone = model(name).backbone
    state = state_dict(random(name), name)
    graphs.check(state, backbone, name)  # nothing to compare
    state |= graphs.constants(backbone, name)
    graphs.check(state, backbone, name)
    _, report = load_state_dict(state, random(name), name)
    assert not report.unused
    graph = next(key for key in reversed(state) if key.split(".")[-1] == "A")
    state[graph] = state[graph] + np.eye(state[graph].shape[-1])
    with pytest.raises(CheckpointError, match="another graph") as caught:
        graphs.check(state, backbone, name)
    assert graph in str(caught.value) and "ucla20" in str(caught.value)


def test_layout_of_hdgcn():
    variables = random("hdgcn")
    state, block = state_dict(variables, "hdgcn"), variables["params"]["backbone"]["block2"]
    quarter, levels = WIDTH // 2, block["gcn"]["adjacency"].shape[0]
    last = slice((3 * levels - 2) * quarter, (3 * levels - 1) * quarter)  # subset 1, last level
    want = block["gcn"]["subset"]["kernel"][:, last].T
    np.testing.assert_array_equal(state[f"l2.gcn1.conv.{levels - 1}.1.0.weight"][..., 0, 0], want)
    np.testing.assert_array_equal(state["l2.gcn1.conv_d.1.0.weight"][..., 0, 0], want)
    assert state["l2.gcn1.conv.0.3.conv.0.weight"].shape == (quarter, 2 * quarter, 1, 1)
    assert state["l2.gcn1.aha.aggregate.weight"].shape == (4 * quarter, quarter, 1)
    assert state["l2.tcn1.branches.1.3.bias"].shape == (1, quarter, 1, 1)


def test_a_shared_tensor_with_two_values():
    state = state_dict(random("hdgcn"), "hdgcn")
    copy = "l3.gcn1.conv_d.3.conv.0.weight"
    light = {name: value for name, value in state.items() if ".conv_d." not in name}
    _, report = load_state_dict(light, random("hdgcn", seed=1), "hdgcn")
    assert not report.missing and not report.unused
    state[copy] = state[copy] + 1
    with pytest.raises(CheckpointError, match="two values"):
        load_state_dict(state, random("hdgcn"), "hdgcn")


def test_layout_of_infogcn_and_protogcn():
    variables = random("infogcn")
    state = state_dict(variables, "infogcn")
    value = variables["params"]["backbone"]["block1"]["gcn"]["value"]["kernel"]
    np.testing.assert_array_equal(
        state["l1.agcn.conv_d.2.weight"][..., 0, 0], value[:, 2 * WIDTH :].T
    )
    assert state["pos_embedding"].shape == (1, 20, WIDTH)
    params = {"contrast": {"kernel": np.ones((400, 256)), "bias": np.ones(256)}}
    contrast = state_dict({"params": params}, "protogcn")
    assert contrast["cls_head.csc_loss.cl_fc.weight"].shape == (256, 400)
    prototypes = state_dict(random("protogcn"), "protogcn")["backbone.prn.query_matrix.weight"]
    assert prototypes.shape == (400, 2 * WIDTH)


@pytest.mark.parametrize(
    "name, disguise",
    [
        ("ctrgcn", lambda key: "module." + key),
        ("ctrgcn_pyskl", lambda key: "module." + key),
        ("ctrgcn_pyskl", lambda key: key.replace("cls_head.fc_cls.", "cls_head.fc.")),
    ],
)
def test_other_spellings(name, disguise):
    state = state_dict(random(name), name)
    counters = {f"{disguise('data_bn')}.num_batches_tracked": np.zeros((), np.int64)}
    disguised = {disguise(key): value for key, value in state.items()} | counters
    loaded, report = load_state_dict(disguised, random(name, seed=1), name)
    jax.tree.map(np.testing.assert_array_equal, loaded, random(name))
    assert not report.unused


def test_missing_tensors():
    variables, kept = random("ctrgcn"), random("ctrgcn", seed=1)
    state = state_dict(variables, "ctrgcn")
    gone = "l2.gcn1.convs.1.conv3.weight"
    shape = state.pop(gone).shape
    state["renovate.weight"] = np.zeros((2, 3))
    with pytest.raises(CheckpointError, match=gone):
        load_state_dict(state, kept, "ctrgcn")
    loaded, report = load_state_dict(state, kept, "ctrgcn", strict=False)
    assert report.missing == ((gone, shape),)
    assert ("renovate.weight", (2, 3)) in report.unused
    assert f"missing {gone} {shape}" in str(report) and "unused renovate.weight" in str(report)
    # the two subsets that are there are not mixed with one that is not
    where = lambda v: v["params"]["backbone"]["block2"]["gcn"]["ctrgc"]["value"]["kernel"]  # noqa: E731
    np.testing.assert_array_equal(where(loaded), where(kept))


def test_wrong_shape_names_the_tensor():
    state = state_dict(random("ctrgcn"), "ctrgcn")
    state["fc.weight"] = np.zeros((60, 32))
    with pytest.raises(CheckpointError) as caught:
        load_state_dict(state, random("ctrgcn"), "ctrgcn")
    assert "fc.weight" in str(caught.value) and "(60, 32)" in str(caught.value)
    assert str((NUM_CLASSES, 32)) in str(caught.value)


def test_wrong_family():
    state = state_dict(random("ctrgcn"), "ctrgcn")
    with pytest.raises(CheckpointError, match="lacks"):
        load_state_dict(state, random("ctrgcn_pyskl"), "ctrgcn_pyskl")
    with pytest.raises(ConfigError, match="did you mean 'ctrgcn'"):
        load_state_dict(state, random("ctrgcn"), "ctrgnc")


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict"])
def test_read_pt(tmp_path, wrapper):
    torch = pytest.importorskip("torch")
    state = state_dict(random("ctrgcn"), "ctrgcn")
    content = {key: torch.from_numpy(np.array(value)) for key, value in state.items()}
    content = {"meta": {"epoch": 3}, wrapper: content} if wrapper else content
    torch.save(content, tmp_path / "a.pt")
    read = read_pt(tmp_path / "a.pt")
    assert read.keys() == state.keys()
    assert all(np.array_equal(read[key], state[key]) for key in state)


def test_read_pt_of_parameters(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"fc.weight": torch.nn.Parameter(torch.ones(2, 3))}, tmp_path / "a.pt")
    np.testing.assert_array_equal(read_pt(tmp_path / "a.pt")["fc.weight"], np.ones((2, 3)))


class Trap:
    """Runs code when it is unpickled."""

    fired = False

    def __reduce__(self):
        return (setattr, (Trap, "fired", True))


@pytest.mark.parametrize("zipped", [True, False])
def test_read_pt_runs_no_code(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    torch.save({"weight": Trap()}, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        read_pt(tmp_path / "a.pt")
    assert not Trap.fired


class History:
    """As mmengine's HistoryBuffer: a class of the code base, with arrays."""

    def __init__(self):
        self.log, self.methods = np.arange(3.0), {"mean": max}


@pytest.mark.parametrize("zipped", [True, False])
def test_read_pt_of_mmcv_with_its_records(tmp_path, zipped):
    """The records of a training are no weights and were a reason to refuse the file."""
    torch = pytest.importorskip("torch")
    score = {"best_score": np.float64(0.9), "last_ckpt": None}
    meta = {"epoch": 9, "hook_msgs": score, "seed": np.int64(3), "trap": Trap()}
    hub = {"log_scalars": {"train/loss": History()}, "best": np.float32(1)}
    content = {"meta": meta, "state_dict": {"fc.weight": torch.ones(2, 3)}, "message_hub": hub}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    read = read_pt(tmp_path / "a.pth")
    assert read.keys() == {"fc.weight"} and (read["fc.weight"] == 1).all()
    assert not Trap.fired


def test_read_pt_of_something_else(tmp_path):
    torch = pytest.importorskip("torch")
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    (tmp_path / "nothing.pt").write_bytes(b"")
    (tmp_path / "bytes.pt").write_bytes(b"\x80\x02.")  # an IndexError of the unpickler
    for name in ("text.pt", "empty.pt", "absent.pt", "nothing.pt", "bytes.pt"):
        with pytest.raises(CheckpointError, match=name):
            read_pt(tmp_path / name)


def test_read_pt_without_torch(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CheckpointError, match=r"pip install skeljax\[torch\]"):
        read_pt(tmp_path / "a.pt")
