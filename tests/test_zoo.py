"""The table of backbones against counts by hand and against measured figures."""

import json

import jax
import jax.numpy as jnp
import pytest

from skeljax import zoo
from skeljax.layouts import get_layout

# PYSKL's flavours at 60 classes, T = 100, M = 2, V = 25: parameters, and multiply-adds in 10^9 as
# measured on the public code. AAGCN, MS-G3D and DG-STGCN compute here what they compute there. The
# others compute less, by the third number: CTR-GCN takes the mean over time before the convolutions
# of its relations; ST-GCN and ST-GCN++ gather along the graph before they widen, which saves
# 3 B T V^2 (D - C) in blocks 1, 5 and 8; ST-GCN multiplies where a subset joins every joint with
# itself alone, which saves B T V^2 C in all blocks.
MEASURED = {
    "aagcn_pyskl": (3_781_668, 6.47, 0.0),
    "ctrgcn_pyskl": (1_446_672, 2.97, 0.255),
    "dgstgcn": (1_701_172, 2.50, 0.0),
    "msg3d": (3_194_595, 10.92, 0.0),
    "stgcn": (3_098_832, 5.70, 0.071 + 0.072),
    "stgcnpp": (1_403_144, 2.93, 0.071),
}


@pytest.mark.parametrize("name", MEASURED)
def test_sizes_are_those_measured(name):
    parameters, multiply_adds, saved = MEASURED[name]
    found = zoo.size(name, get_layout("ntu25_pyskl"), frames=100, bodies=2, classes=60)
    assert found["parameters"] == parameters
    assert found["multiply_adds"] / 1e9 == pytest.approx(multiply_adds - saved, rel=0.003)


def test_products_are_counted_through_calls_and_loops():
    x, w = jnp.zeros((2, 3, 4)), jnp.zeros((4, 5))

    def product(x, w):
        return jnp.tanh(x @ w)  # 2 * 3 * 5 outputs of 4 products

    def loop(x, w):
        return jax.lax.scan(lambda c, _: (c + jax.jit(product)(x, w).sum(), None), 0.0, None, 7)[0]

    def convolve(x, w):  # one of 3 taps over 4 channels: 2 * 5 * 1 outputs of 12 products
        return jax.lax.conv_general_dilated(x, w, (1,), "VALID", dimension_numbers=_AXES)

    def choose(x, w):  # on some platform the product alone, elsewhere twice that
        twice = lambda x, w: product(x, w) + product(x, -w)  # noqa: E731
        return jax.lax.platform_dependent(x, w, cpu=product, default=twice)

    _AXES = ("NWC", "WIO", "NWC")
    assert zoo.multiply_adds(jax.make_jaxpr(choose)(x, w).jaxpr) == 240
    assert zoo.multiply_adds(jax.make_jaxpr(product)(x, w).jaxpr) == 120
    assert zoo.multiply_adds(jax.make_jaxpr(loop)(x, w).jaxpr) == 7 * 120
    assert zoo.multiply_adds(jax.make_jaxpr(convolve)(x, jnp.zeros((3, 4, 5))).jaxpr) == 120


def test_what_a_gradient_keeps():
    x, w = jnp.zeros((2, 3)), jnp.zeros((3, 5))
    assert zoo.kept_bytes(lambda w, x: x @ w, w, x) == 0  # the arguments are there anyway
    assert zoo.kept_bytes(lambda w, x: jnp.exp(x @ w), w, x) == 4 * 2 * 5  # e^y is its own slope


def test_the_verb_prints_a_row_a_backbone(capsys):
    options = ["stgcn_contrastive", "--layout", "ucla20", "--frames", "8", "--bodies", "1"]
    zoo.main([*options, "--classes", "10", "--json"])
    found = json.loads(capsys.readouterr().out)
    (row,) = found["backbones"]
    assert row["name"] == "stgcn_contrastive" and found["frames"] == 8
    # at least the outputs of ten blocks, at most what a hundred such arrays would take
    outputs = 4 * 20 * (8 * 4 * 16 + 4 * 3 * 32 + 2 * (2 * 64 + 256))
    assert outputs < row["activation_bytes"] < 100 * outputs
    print(zoo.table(found["backbones"]))
    assert f"{row['parameters'] / 1e6:.2f} M" in capsys.readouterr().out
