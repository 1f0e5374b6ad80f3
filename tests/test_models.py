"""Layers against plain NumPy, CTR-GCN against its definition and what must hold for any input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.models import BACKBONES, layers, products
from skeljax.models.ctrgcn import CTRGC
from skeljax.models.hdgcn import peak
from skeljax.models.heads import Classifier, Linear

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def small(name="ctrgcn", layout="ucla20", num_person=1, **args):
    args = {"width": 8, "depth": 3, "grow": (2,), **args}
    return BACKBONES[name](layout=get_layout(layout), num_person=num_person, **args)


def start(net, x, **mode):
    return jax.jit(functools.partial(net.init, **mode))(jax.random.key(0), x)


def forward(net, variables, x):
    return jax.jit(functools.partial(net.apply, train=False))(variables, x)


def perturbed(net, x, **mode):
    """Variables in which no branch is at rest (alpha and the graph units' scales start near 0)."""
    shapes = jax.eval_shape(functools.partial(net.init, **mode), jax.random.key(0), x)
    params = jax.tree.map(lambda leaf: 0.2 * normal(*leaf.shape), shapes["params"])
    stats = jax.tree.map(
        lambda leaf: 0.5 + np.abs(normal(*leaf.shape)), shapes.get("batch_stats", {})
    )
    return {"params": params, "batch_stats": stats}


@pytest.mark.parametrize("field", ["width", "depth"])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_size_that_cannot_be_is_named(name, field):
    """They ended in divisions by zero, empty lists and shapes that do not fit."""
    x = jax.ShapeDtypeStruct((1, 1, 4, 20, 3), jnp.float32)
    for size in (0, -4):
        net = small(name, **{field: size})
        with pytest.raises(ConfigError, match=rf"model\.{field}[^$]*{size}[^$]*1 or more"):
            jax.eval_shape(functools.partial(net.init, train=False), jax.random.key(0), x)


FOURTHS = {"ctrgcn", "ctrgcn_pyskl", "tcagcn", "infogcn", "hdgcn"}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_width_that_cannot_be_cut_is_named(name):
    x = jax.ShapeDtypeStruct((1, 1, 4, 20, 3), jnp.float32)
    for width in (1, 30):
        net = small(name, width=width, depth=1, grow=())
        start = functools.partial(net.init, train=False)
        if name in FOURTHS:
            with pytest.raises(ConfigError, match=rf"model\.width[^$]*{width} channels[^$]*of 4"):
                jax.eval_shape(start, jax.random.key(0), x)
            continue
        try:
            jax.eval_shape(start, jax.random.key(0), x)
        except ConfigError as error:
            assert width == 1 and "model.width" in str(error)


@pytest.mark.parametrize(
    "size, stride, dilation, frames",
    [(5, 1, 2, 11), (5, 2, 1, 11), (3, 2, 1, 8), (9, 1, 1, 4), (9, 1, 1, 7), (15, 1, 1, 8)],
)
def test_temporal_convolution(size, stride, dilation, frames):
    x, kernel = normal(3, 2, frames, 4), normal(size, 3, 6)
    got = products.temporal_conv(x, kernel, stride, dilation)
    want = np.zeros((6, 2, -(-frames // stride), 4))
    for t in range(want.shape[2]):
        for k in range(size):
            source = t * stride + (k - size // 2) * dilation
            if 0 <= source < frames:
                want[:, :, t] += np.einsum("cd,cbv->dbv", kernel[k], x[:, :, source])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_max_pool():
    for stride, frames in [(1, 5), (2, 5), (2, 6)]:
        x = normal(2, 2, frames, 3) - 5  # zero padding would win
        got = products.max_pool(x, stride)
        want = [x[:, :, max(t - 1, 0) : t + 2].max(2) for t in range(0, frames, stride)]
        np.testing.assert_array_equal(got, np.stack(want, 2))


def test_written_gradients_are_those_of_the_formula():
    def agree(function, formula, *args):
        weight = normal(*jax.eval_shape(formula, *args).shape)
        np.testing.assert_allclose(function(*args), formula(*args), rtol=1e-4, atol=1e-4)
        got, want = (
            jax.grad(lambda *a, f=f: (f(*a) * weight).sum(), (0, 1))(*args)
            for f in (function, formula)
        )
        for a, b in zip(got, want):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)

    def plain(spec):
        return lambda a, b: jnp.einsum(spec, a, b)

    agree(products.pointwise, plain("cbtv,cd->dbtv"), normal(3, 2, 5, 4), normal(3, 6))
    agree(products.pointwise, plain("cbtv,cd->dbtv"), normal(6, 2, 5, 4), normal(6, 3))
    agree(products.aggregate, plain("cbtv,cbvw->cbtw"), normal(3, 2, 5, 4), normal(3, 2, 4, 6))
    agree(products.aggregate_alike, plain("cbtv,bvw->cbtw"), normal(3, 2, 5, 4), normal(2, 4, 6))


def test_written_changes_neither_a_number_nor_a_gradient():
    x = jnp.asarray([[0.0, -0.0, 1e-37, -3.5], [1e38, 2.0, 1 / 3, -1e-30]])
    y, back = jax.vjp(jax.jit(jax.vmap(products.written)), x)
    np.testing.assert_array_equal(np.asarray(y).view(np.int32), np.asarray(x).view(np.int32))
    np.testing.assert_array_equal(back(x + 1)[0], x + 1)


@pytest.fixture(params=["cpu", "default"])
def platform(request, monkeypatch):
    """What is written twice, for a CPU and for an accelerator, in both ways."""

    def chosen(*args, **ways):
        return ways[request.param](*args)

    monkeypatch.setattr(jax.lax, "platform_dependent", chosen)


@pytest.mark.parametrize(
    "shape, axis", [((6, 4, 50, 5), 0), ((6, 4, 1, 1), 0), ((6, 4, 7, 5), 3), ((9, 5), 1)]
)
def test_two_sums(platform, shape, axis):
    a, b = 100 + normal(*shape), normal(*shape)
    others = tuple(k for k in range(len(shape)) if k != axis)
    for got, x in zip(products.two_sums(a, b, axis), (a, b)):
        want = np.asarray(x, np.float64).sum(others)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_the_gradient_of_a_peak_goes_to_its_first_place(platform, axis):
    x = jnp.round(2 * normal(3, 9, 8, 7))  # many are equal
    y, back = jax.vjp(lambda x: peak(x, axis), x)
    np.testing.assert_array_equal(y, np.max(x, axis))
    want = np.zeros(x.shape)
    places = np.expand_dims(np.argmax(x, axis), axis)
    np.put_along_axis(want, places, np.expand_dims(1 + y, axis), axis)
    np.testing.assert_array_equal(back(1 + y)[0], want)


@pytest.mark.parametrize("way", ["_winograd_conv", "_joined_conv"])  # a CPU's, an accelerator's
@pytest.mark.parametrize(
    "size, stride, frames",
    [(7, 1, 5), (9, 1, 8), (9, 1, 7), (9, 1, 1), (15, 1, 6), (9, 2, 8), (9, 2, 7), (13, 3, 10)],
)
def test_long_kernels_and_their_gradients(way, size, stride, frames, monkeypatch):
    monkeypatch.setattr(products, "_winograd_conv", getattr(products, way))
    x, kernel = normal(3, 2, frames, 4), normal(size, 3, 6)
    weight = normal(6, 2, -(-frames // stride), 4)

    def plain(x, kernel):
        taps = products.windows(x, size, stride)
        return sum(jnp.einsum("cbtv,cd->dbtv", tap, k) for tap, k in zip(taps, kernel))

    def value_and_gradients(conv):
        def loss(x, kernel):
            y = conv(x, kernel)
            return (y * weight).sum(), y

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(x, kernel)

    got = value_and_gradients(lambda x, k: products.temporal_conv(x, k, stride, 1))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        got,
        value_and_gradients(plain),
    )


@pytest.mark.parametrize("axis", [0, -1])
def test_batch_norm(axis):
    x = np.moveaxis(3 * normal(4, 6, 5) + 1, -1, axis)
    norm, bias = layers.BatchNorm(axis=axis), normal(5)
    variables = norm.init(jax.random.key(0), x, train=False)
    biased = np.moveaxis(np.moveaxis(x, axis, -1) + bias, -1, axis)
    got, moved = norm.apply(variables, x, train=True, bias=bias, mutable=["batch_stats"])
    others = (1, 2) if axis == 0 else (0, 1)
    mean, var = biased.mean(others, keepdims=True), biased.var(others, keepdims=True)
    np.testing.assert_allclose(got, (biased - mean) / np.sqrt(var + 1e-5), rtol=1e-3, atol=1e-4)
    stats = moved["batch_stats"]
    np.testing.assert_allclose(stats["mean"], 0.1 * mean.ravel(), rtol=1e-4)
    unbiased = var.ravel() * 24 / 23
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * unbiased, rtol=1e-4)
    got = norm.apply({**variables, **moved}, x, train=False, bias=bias)
    wide = [1, 1, 1]
    wide[axis] = 5
    running = np.reshape(stats["mean"], wide), np.reshape(stats["var"], wide)
    want = (biased - running[0]) / np.sqrt(running[1] + 1e-5)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def test_batch_norm_far_from_the_origin():
    x = 1000 + 0.01 * normal(4096, 1)
    norm = layers.BatchNorm(epsilon=0.0)
    got, _ = norm.init_with_output(jax.random.key(0), x, train=True)
    assert abs(np.std(got) - 1) < 0.01


@pytest.mark.parametrize("order", ["MVC", "VC"])
def test_data_norm_statistics(order):
    x = normal(6, 2, 5, 3, 2) * np.arange(1, 4)[:, None] + np.arange(2)[:, None, None, None]
    x = x.astype(np.float32)
    norm = layers.DataNorm(order)
    got, _ = norm.init_with_output(jax.random.key(0), x, train=True)
    axes = (0, 2) if order == "MVC" else (0, 1, 2)
    np.testing.assert_allclose(np.mean(got, axes), 0, atol=1e-5)
    np.testing.assert_allclose(np.std(got, axes), 1, atol=1e-3)
    first = norm.init(jax.random.key(0), x, train=False)["params"]["bn"]["scale"]
    assert first.size == (12 if order == "MVC" else 6)


def test_conv_norm_folds_in_evaluation():
    x, unit = normal(4, 2, 6, 3), layers.ConvNorm(5, kernel_size=3, stride=2)
    variables = perturbed(unit, x, train=False)
    conv, bn = variables["params"]["conv"], variables["params"]["bn"]
    y = products.temporal_conv(x, conv["kernel"], 2, 1) + conv["bias"][:, None, None, None]
    want = layers.BatchNorm(axis=0).apply(
        {"params": bn, "batch_stats": variables["batch_stats"]["bn"]}, y, train=False
    )
    got = unit.apply(variables, x, train=False)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("columns_out", [False, True])
def test_ctrgc_is_the_papers_formula(columns_out):
    x, features, reduced = normal(32, 2, 6, 20), 5, 4
    unit = CTRGC(features, get_layout("ucla20"), columns_out)
    variables = perturbed(unit, x)
    p = jax.tree.map(np.asarray, variables["params"])
    want = np.zeros((features, 2, 6, 20))
    for s in range(3):
        low, full = slice(s * reduced, (s + 1) * reduced), slice(s * features, (s + 1) * features)

        def conv(name, part, z):
            w, b = p[name]["kernel"][:, part], p[name]["bias"][part]
            return np.einsum("cd,c...->d...", w, z) + b.reshape(-1, *[1] * (z.ndim - 1))

        query, key = (conv(name, low, x).mean(2) for name in ("query", "key"))
        relation = np.tanh(query[..., :, None] - key[..., None, :])
        topology = p["alpha"] * conv("refine", full, relation) + p["adjacency"][s]
        spec = "cbuv,cbtu->cbtv" if columns_out else "cbuv,cbtv->cbtu"
        want += np.einsum(spec, topology, conv("value", full, x))
    np.testing.assert_allclose(unit.apply(variables, x), want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layout", ["coco17", "hand21", "mediapipe33"])
def test_any_skeleton(layout):
    joints, channels = get_layout(layout).num_joints, get_layout(layout).channels
    x = normal(2, 2, 7, joints, channels)
    net = small(layout=layout, num_person=2, depth=2)
    out = forward(net, perturbed(net, x, train=False), x)
    assert out.pooled.shape == (2, 16) and np.isfinite(out.pooled).all()


def test_features():
    x = normal(2, 3, 13, 20, 3)
    net = small(num_person=3, depth=4, grow=(2, 4))
    out = forward(net, perturbed(net, x, train=False), x)
    assert [tap.shape for tap in out.taps] == [
        (2, 3, 13, 20, 8), (2, 3, 7, 20, 16), (2, 3, 7, 20, 16), (2, 3, 4, 20, 32),
    ]  # fmt: skip
    np.testing.assert_array_equal(out.map, out.taps[-1])
    np.testing.assert_allclose(out.pooled, out.map.mean((1, 2, 3)), rtol=1e-5)


def test_bfloat16_is_close_and_keeps_float32_state():
    x = normal(8, 1, 16, 20, 3)
    net, half = small(), small(dtype=jnp.bfloat16)
    variables = perturbed(net, x, train=False)
    want, got = (
        jax.jit(functools.partial(n.apply, train=True, mutable=["batch_stats"]))(variables, x)
        for n in (net, half)
    )
    assert got[0].map.dtype == jnp.bfloat16 and got[0].pooled.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(got[1])} == {jnp.dtype("float32")}
    initial = jax.eval_shape(lambda: half.init(jax.random.key(0), x, train=False))
    assert {leaf.dtype for leaf in jax.tree.leaves(initial)} == {jnp.dtype("float32")}
    error = np.abs(got[0].pooled - want[0].pooled).max() / np.abs(want[0].pooled).max()
    assert 0 < error < 0.03


def test_learned_topology_gets_a_gradient_from_the_start():
    x = normal(4, 1, 8, 20, 3)
    net = small(depth=2)
    variables = start(net, x, train=False)

    def loss(params):
        out, _ = net.apply({**variables, "params": params}, x, train=True, mutable=["batch_stats"])
        return (out.pooled**3).sum()

    grad = jax.jit(jax.grad(loss))(variables["params"])["block2"]["gcn"]["ctrgc"]
    assert grad["alpha"] != 0 and np.abs(grad["adjacency"]).max() > 0
    assert np.abs(grad["refine"]["kernel"]).max() == 0  # until alpha leaves zero


@pytest.mark.parametrize(
    "layout, num_person, classes, total",
    [("ntu25", 2, 60, 1446672), ("ntu25", 2, 120, 1462092), ("ucla20", 1, 10, 1426892)],
)
@pytest.mark.parametrize("name", ["ctrgcn", "ctrgcn_pyskl"])
def test_published_sizes(name, layout, num_person, classes, total):
    backbone = BACKBONES[name](layout=get_layout(layout), num_person=num_person)
    net = Classifier(backbone, Linear(classes))
    x = jax.ShapeDtypeStruct((1, num_person, 16, get_layout(layout).num_joints, 3), jnp.float32)
    shapes = jax.eval_shape(lambda x: net.init(jax.random.key(0), x, train=False), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == total


def test_initial_spread_is_the_published_one():
    x = normal(1, 1, 4, 20, 3)
    net = small("ctrgcn_pyskl", width=64, depth=2)
    block = start(net, x, train=False)["params"]["block2"]
    for kernel, fan_out in [
        (block["gcn"]["ctrgc"]["value"]["kernel"], 128),
        (block["gcn"]["ctrgc"]["query"]["kernel"], 8),
        (block["tcn"]["open"]["conv"]["kernel"], 32),
        (block["tcn"]["short"]["conv"]["kernel"], 5 * 32),
    ]:
        assert abs(np.std(kernel) / (2 / fan_out) ** 0.5 - 1) < 0.1
    assert np.all(block["gcn"]["bn"]["scale"] == np.float32(1e-6))
    assert 0.01 < np.std(block["tcn"]["open"]["bn"]["scale"]) < 0.03
    residual = block["residual"]["conv"]  # PYSKL leaves it at PyTorch's uniform default
    assert 0.9 / 8 < np.abs(residual["kernel"]).max() <= 1 / 8
    assert 0 < np.abs(residual["bias"]).max() <= 1 / 8


def test_wrong_clips_are_named():
    net = small(num_person=2)
    for shape in [(1, 1, 8, 20, 3), (1, 2, 8, 25, 3), (2, 8, 20, 3)]:
        with pytest.raises(ConfigError, match="V=20 of layout ucla20"):
            net.init(jax.random.key(0), np.zeros(shape, np.float32), train=False)


@pytest.mark.parametrize("std", [None, 0.01])
def test_linear_head(std):
    x = normal(4, 64)
    head = Linear(50, std=std)
    logits, variables = head.init_with_output(jax.random.key(0), x.astype(jnp.bfloat16))
    params = variables["params"]
    assert logits.dtype == jnp.float32 and logits.shape == (4, 50)
    assert abs(np.std(params["kernel"]) / (std or 0.2) - 1) < 0.1
    assert (np.abs(params["bias"]).max() > 0) == (std is None)
