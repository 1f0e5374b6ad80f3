"""Several clips of a recording: averaged in a test, the first alone between epochs."""

import jax
import jax.numpy as jnp
import numpy as np

import tiny
from skeljax import job
from skeljax.data.recipes import device_data, render
from skeljax.evaluate import Evaluator
from skeljax.sharding import make_mesh


class Joints:
    """Logits: the first four coordinates of the middle frame."""

    views = ("x",)

    def predict(self, params, extra, batch):
        return {"logits": 3 * batch["x"][:, 0, 2].reshape(len(batch["x"]), -1)[:, :4]}


def test_clips_are_averaged_as_probabilities_and_one_as_it_is(tmp_path):
    config, store = tiny.config(tmp_path), tiny.store(10, split="test")
    config.recipe = {"name": "pyskl", "length": 4, "test_clips": 3}
    built = job.build(config, job.training_facts(config, store, 1))
    built = job.dataclasses.replace(built, method=Joints())
    data = device_data(store, built.test_recipe)
    draw = jax.jit(render, static_argnums=0)
    logits = []
    for clip in range(3):
        x = draw(built.test_recipe, data, jnp.arange(10), jax.random.key(0), built.stream, clip)
        logits.append(Joints().predict({}, {}, {"x": x})["logits"])
    assert np.abs(logits[0] - logits[1]).max() > 0.01
    every = Evaluator(built, store, 4, make_mesh("1")).scores({}, {}, None)
    assert every.kind == "probabilities"
    mean = np.mean([jax.nn.softmax(z) for z in logits], axis=0)
    np.testing.assert_allclose(every.scores, mean, rtol=1e-5)
    first = Evaluator(built, store, 4, make_mesh("1"), clips=1).scores({}, {}, None)
    assert first.kind == "logits"
    np.testing.assert_allclose(first.scores, logits[0], rtol=1e-5)
