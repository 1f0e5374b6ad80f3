"""The methods that take any backbone, on every one of them; shapes alone."""

import jax
import numpy as np
import pytest

import tiny
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.methods import METHODS, Facts
from skeljax.models import BACKBONES

BATCH = 4
NAMES = ("skeletonclr", "skelemixclr", "crosclr", "lst", "brl", "frhead")
LAYOUT = get_layout("ucla20")
QUICK = {"infogcn", "stgcn_frhead"}  # tracing all takes minutes


def backbones():
    return [pytest.param(b, marks=[] if b in QUICK else [pytest.mark.slow]) for b in BACKBONES]


def method(name, backbone):
    """One block, at half the frames."""
    sizes = {"width": 8, "depth": 1, "grow": (1,)}
    net = BACKBONES[backbone](layout=LAYOUT, num_person=1, **sizes)
    classes = tuple(f"class{k}" for k in range(4))
    facts = Facts(classes, np.full(4, 9), LAYOUT, 1, 3, BATCH, 1, 2)
    return METHODS[name](net, facts, **tiny.METHODS[name])


@pytest.mark.parametrize("backbone", backbones())
@pytest.mark.parametrize("name", NAMES)
def test_a_step_has_the_shapes_it_should(name, backbone):
    if (name, backbone) == ("skelemixclr", "infogcn"):
        with pytest.raises(ConfigError, match="latent"):
            method(name, backbone)
        return
    of, key = method(name, backbone), jax.random.key(0)
    x = jax.ShapeDtypeStruct((BATCH, 1, 16, LAYOUT.num_joints, 3), np.float32)
    batch = dict.fromkeys(of.views, x) | {"label": jax.ShapeDtypeStruct((BATCH,), np.int32)}
    params, extra = jax.eval_shape(of.init, key, batch)
    loss, (after, told) = jax.eval_shape(of.loss_fn, params, extra, batch, key, 0)
    assert loss.shape == () and after == extra
    assert all(value.shape == () for value in told.values())
