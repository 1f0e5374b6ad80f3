"""What holds for every backbone, and ST-GCN, AAGCN, TCA-GCN, MS-G3D against their formulas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.models import BACKBONES, graphs
from skeljax.models.aagcn import AdaptiveGraphConv, Score
from skeljax.models.heads import pool_parts
from skeljax.models.layers import BatchNorm
from skeljax.models.msg3d import MultiScaleTCN, WindowGCN
from skeljax.models.stgcn import GraphConv
from skeljax.models.tcagcn import Calibration

RNG = np.random.default_rng(0)
# compiling these small programs well would take longer than running them
quickly = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def small(name, layout="hand21", num_person=2, **args):
    """Two blocks, the second wider and with half the frames."""
    args = {"width": 8, "depth": 2, "grow": (2,), **args}
    if name in ("stgcn_contrastive", "stgcn_crosclr"):
        args["last_width"] = 0
    return BACKBONES[name](layout=get_layout(layout), num_person=num_person, **args)


def perturbed(net, x, **mode):
    """Variables in which no branch is at rest: scales and variances around 1, the rest around 0."""

    def draw(path, leaf):
        around = path[-1].key in ("scale", "var")
        return (np.abs if around else np.asarray)(around + 0.3 * normal(*leaf.shape))

    shapes = jax.eval_shape(functools.partial(net.init, **mode), jax.random.key(0), x)
    return jax.tree_util.tree_map_with_path(draw, {"batch_stats": {}} | dict(shapes))


def started(net, x):
    init = quickly(functools.partial(net.init, train=False))
    return init(jax.random.key(0), x)["params"]


def plain(variables):
    return jax.tree.map(np.asarray, variables["params"])


@pytest.mark.parametrize("name", BACKBONES)
def test_evaluation(name):
    """Shapes on a 2-D skeleton, empty bodies; a clip does not see its neighbours."""
    apart = 10 * np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1, 1)  # for the means to differ
    x = normal(3, 2, 13, 21, 2) + apart
    x[1, 1] = 0
    net = small(name)
    variables = perturbed(net, x, train=False)
    forward = quickly(functools.partial(net.apply, train=False))
    out = forward(variables, x)
    assert [tap.shape for tap in out.taps] == [(3, 2, 13, 21, 8), (3, 2, 7, 21, 16)]
    np.testing.assert_array_equal(out.map, out.taps[-1])
    if name != "infogcn":  # whose pooled feature is a latent
        np.testing.assert_allclose(out.pooled, out.map.mean((1, 2, 3)), rtol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(out))
    turned = forward(variables, x[[1, 0, 1]])
    np.testing.assert_allclose(turned.pooled[0], out.pooled[1], rtol=1e-4, atol=1e-5)
    assert np.abs(out.pooled[0] - out.pooled[1]).max() > 1e-3 * np.abs(out.pooled).max() > 0


@pytest.mark.parametrize(
    "name",
    [
        n if n in ("ctrgcn", "stgcnpp") else pytest.param(n, marks=pytest.mark.slow)
        for n in BACKBONES
    ],
)
def test_bfloat16_training(name):
    """Finite gradients for everything, with an empty body; float32 state."""
    x = normal(4, 2, 8, 21, 2)
    x[:, 1] = 0
    net = small(name, dtype=jnp.bfloat16)
    variables = quickly(functools.partial(net.init, train=False))(jax.random.key(0), x)

    def loss(params):
        out, moved = net.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(1)},
        )  # fmt: skip
        return (out.pooled**2).sum(), (out, moved)

    (_, (out, moved)), gradient = quickly(jax.value_and_grad(loss, has_aux=True))(
        variables["params"]
    )
    assert out.map.dtype == jnp.bfloat16 and out.pooled.dtype == jnp.float32
    for leaf in jax.tree.leaves((gradient, moved)):
        assert leaf.dtype == jnp.float32 and np.isfinite(leaf).all()
    first = next(gradient[unit] for unit in ("block1", "stage1") if unit in gradient)
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(first))


@pytest.mark.parametrize(
    "name, layout, num_person, total",
    [
        ("stgcn", "ntu25_pyskl", 2, 3083412),
        ("stgcn", "openpose18", 2, 3074340),
        ("stgcn_original", "ntu25_pyskl", 2, 3083412),
        ("stgcnpp", "ntu25_pyskl", 2, 1387724),
        ("stgcnpp", "coco17", 2, 1377596),
        ("stgcn_frhead", "ntu25", 2, 2092902 - 60 * 257),
        ("stgcn_contrastive", "ntu25", 2, 821380),
        ("stgcn_crosclr", "ntu25", 2, 821380),
        ("aagcn", "ntu25", 2, 3766248),
        ("aagcn_pyskl", "ucla20", 1, 3750870),
        ("tcagcn", "ucla20", 1, 5604948 - 10 * 257),
        ("msg3d", "ntu25_pyskl", 2, 3171495),
    ],
)
def test_published_sizes(name, layout, num_person, total):
    args = {"unused": True} if name == "tcagcn" else {}
    layout = get_layout(layout)
    net = BACKBONES[name](layout=layout, num_person=num_person, **args)
    x = jax.ShapeDtypeStruct((1, num_person, 16, layout.num_joints, 3), jnp.float32)
    shapes = jax.eval_shape(lambda x: net.init(jax.random.key(0), x, train=False), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == total


def graph():
    return graphs.spatial(get_layout("ucla20"))


@pytest.mark.parametrize("order", ["pre", "post", "each"])
@pytest.mark.parametrize("topology", ["importance", "offset", "free", "unit"])
def test_graph_convolution(order, topology):
    x, features = normal(3, 2, 5, 20), 4
    unit = GraphConv(features, graph, topology, order, "torch")
    variables = perturbed(unit, x)
    p, a = plain(variables), graph()
    if topology == "importance":
        a = a * p["importance"]
    elif topology == "offset":
        a = a + p["offset"]
    else:
        a = p["adjacency"]
    if topology == "unit":
        a = a / (np.linalg.norm(a, axis=1, keepdims=True) + 1e-4)
    kernel, bias = p["conv"]["kernel"], p["conv"]["bias"]
    if order == "post":
        parts = np.concatenate([np.einsum("cbtv,vw->cbtw", x, subset) for subset in a])
        want = np.einsum("cbtv,cd->dbtv", parts, kernel) + bias[:, None, None, None]
    else:
        want = np.zeros((features, 2, 5, 20))
        for k, subset in enumerate(a):
            part = slice(k * features, (k + 1) * features)
            constant = bias[part, None, None, None]
            value = np.einsum("cbtv,cd->dbtv", x, kernel[:, part])
            value = value + constant if order == "pre" else value
            want += np.einsum("dbtv,vw->dbtw", value, subset)
            want += constant if order == "each" else 0
    np.testing.assert_allclose(unit.apply(variables, x), want, rtol=1e-3, atol=1e-5)


def test_a_column_of_zeros_has_a_gradient():
    x, unit = normal(3, 1, 2, 20), GraphConv(2, graph, "unit", "each", "kaiming")
    variables = quickly(unit.init)(jax.random.key(0), x)  # inward edges leave columns empty
    loss = quickly(jax.grad(lambda p: (unit.apply({"params": p}, x) ** 2).sum()))
    gradient = loss(variables["params"])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_adaptive_graph_is_the_papers_formula():
    x, features = normal(4, 2, 6, 20), 8
    unit = AdaptiveGraphConv(features, get_layout("ucla20"))
    variables = perturbed(unit, x)
    p, embedded = plain(variables), features // 4
    want = np.zeros((features, 2, 6, 20))
    for k in range(3):

        def conv(name, width, k=k):
            part = slice(k * width, (k + 1) * width)
            kernel, bias = p[name]["kernel"][:, part], p[name]["bias"][part]
            return lambda z: np.einsum("cd,cbtv->dbtv", kernel, z) + bias[:, None, None, None]

        theta, phi = (conv(name, embedded)(x) for name in ("theta", "phi"))
        alike = np.tanh(np.einsum("cbtu,cbtv->buv", theta, phi) / (embedded * 6))
        topology = p["adjacency"][k] + p["alpha"] * alike
        want += conv("value", features)(np.einsum("cbtu,buv->cbtv", x, topology))
    np.testing.assert_allclose(unit.apply(variables, x), want, rtol=1e-3, atol=1e-4)


def test_score_is_a_convolution():
    x, size = normal(3, 2, 7), 5
    unit = Score(size, jax.nn.initializers.zeros)
    variables = perturbed(unit, x)
    kernel, bias = plain(variables)["conv"]["kernel"], plain(variables)["conv"]["bias"]
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2)))
    want = np.array(
        [[(padded[:, b, t : t + size] * kernel[..., 0].T).sum() for t in range(7)] for b in (0, 1)]
    )
    np.testing.assert_allclose(unit.apply(variables, x), want + bias, rtol=1e-4, atol=1e-5)


def test_attention_and_calibration_start_at_rest():
    x = normal(1, 1, 4, 20, 3)
    net = small("aagcn", "ucla20", 1, depth=1)
    attention = started(net, x)["block1"]["gcn"]["attention"]
    for resting in (attention["temporal"]["conv"], attention["excite"]):
        assert not np.any(resting["kernel"]) and not np.any(resting["bias"])
    assert np.any(attention["spatial"]["conv"]["kernel"])
    y = normal(4, 2, 6, 1)
    unit = Calibration(5)
    variables = perturbed(unit, y, train=False)
    variables["params"]["excite"]["kernel"] *= 0
    np.testing.assert_array_equal(unit.apply(variables, y, train=False), 1)


@pytest.mark.parametrize("stride", [1, 2])
def test_window_graph_is_the_papers_formula(stride):
    layout, window, scales, features, hidden = get_layout("ucla20"), 3, 2, 5, 4
    x = normal(2, 2, 7, 20)
    unit = WindowGCN(features, hidden, layout, scales, window, stride)
    variables = perturbed(unit, x, train=False)
    p, stats = plain(variables), variables["batch_stats"]

    def norm(y, params, stats):
        variables = {"params": params, "batch_stats": stats}
        return np.asarray(BatchNorm(axis=0).apply(variables, y, train=False))

    a = graphs.ms_scales(layout, scales, window) + p["gcn"]["graph"]["offset"]
    a = a.astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    frames = -(-7 // stride)
    hidden_map = np.zeros((hidden, 2, frames, window * 20))
    for t in range(frames):
        nodes = padded[:, :, t * stride : t * stride + window].reshape(2, 2, window * 20)
        scaled = np.concatenate([nodes @ scale for scale in a])
        conv = p["gcn"]["graph"]["conv"]
        hidden_map[:, :, t] = np.einsum("cbv,cd->dbv", scaled, conv["kernel"])
        hidden_map[:, :, t] += conv["bias"][:, None, None]
    hidden_map = np.maximum(norm(hidden_map, p["gcn"]["bn"], stats["gcn"]["bn"]), 0)
    hidden_map = hidden_map.reshape(hidden, 2, frames, window, 20)
    want = np.einsum("cbtwv,wcd->dbtv", hidden_map, p["out"]["kernel"])
    want = norm(want + p["out"]["bias"][:, None, None, None], p["bn"], stats["bn"])
    got = unit.apply(variables, x, train=False)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def test_widths_that_six_does_not_divide():
    x = normal(16, 1, 5, 3)
    shapes = jax.eval_shape(lambda: MultiScaleTCN(16).init(jax.random.key(0), x, train=False))
    assert shapes["params"]["direct"]["conv"]["kernel"].shape == (16, 6)  # the last branch
    x = normal(1, 1, 4, 20, 3)
    net = small("stgcnpp", "ucla20", 1, depth=1, width=16)
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), x, train=False))["params"]
    assert shapes["block1"]["tcn"]["dilated1"]["kernel"].shape == (3, 6, 6)  # the first


def test_initial_spread_is_the_published_one():
    x = normal(1, 1, 4, 20, 3)

    def block(name, **args):
        net = small(name, "ucla20", 1, width=64, **args)
        return started(net, x)["block2"]

    conv = block("stgcn", grow=())["tcn"]["conv"]
    limit = (9 * 64) ** -0.5
    assert 0.95 * limit < np.abs(conv["kernel"]).max() <= limit and np.any(conv["bias"])
    original = block("stgcn_original")
    for kernel in (original["tcn"]["conv"]["kernel"], original["gcn"]["graph"]["conv"]["kernel"]):
        assert abs(np.std(kernel) / 0.02 - 1) < 0.1
    assert 0.01 < np.std(original["gcn"]["bn"]["scale"]) < 0.03
    assert not np.any(original["tcn"]["conv"]["bias"])
    frhead = block("stgcn_frhead")
    assert np.all(frhead["gcn"]["bn"]["scale"] == np.float32(1e-6))
    spread = (2 / (64 * 128 * 3)) ** 0.5
    assert abs(np.std(frhead["gcn"]["graph"]["conv"]["kernel"]) / spread - 1) < 0.1
    np.testing.assert_array_equal(frhead["gcn"]["graph"]["adjacency"], np.stack([np.eye(20)] * 3))


def test_dropout():
    x = normal(2, 1, 8, 20, 3)
    net = small("stgcn_original", "ucla20", 1)
    variables = perturbed(net, x, train=False)

    @quickly
    def train(key):
        out, _ = net.apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key})
        return out.taps

    first, again, other = (train(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0], other[0])  # the first block has none
    assert np.abs(first[1] - other[1]).max() > 0.1


def test_pool_parts():
    last, mask = normal(2, 2, 3, 4, 5), RNG.random((3, 4)) < 0.4
    inside, outside = pool_parts(last, mask)
    np.testing.assert_allclose(inside, last[:, :, mask].mean((1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(outside, last[:, :, ~mask].mean((1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "field, value, near",
    [
        ("graph", "distanse", "distance"),
        ("topology", "fre", "free"),
        ("order", "bost", "post"),
        ("data_norm", "MVT", "MVC"),
        ("initial", "kaimin", "kaiming"),
    ],
)
def test_misspelt_choices(field, value, near):
    net = small("stgcn", "ucla20", 1, **{field: value})
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        jax.eval_shape(lambda: net.init(jax.random.key(0), normal(1, 1, 4, 20, 3), train=False))
