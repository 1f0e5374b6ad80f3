"""Several clips of a recording: averaged in a test, the first alone between epochs."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny
from skeljax import evaluate, job
from skeljax.data.recipes import device_data, render
from skeljax.errors import ConfigError
from skeljax.evaluate import Evaluator
from skeljax.scores import Scores
from skeljax.sharding import make_mesh


@pytest.mark.parametrize("as_list", [False, True])
def test_scores_for_the_public_scripts(as_list, tmp_path, monkeypatch):
    """CTR-GCN's and FR-Head's read a dict by names, PYSKL's and BRL's a list."""
    made = Scores(np.eye(3, dtype=np.float32), np.array(["a", "b", "c"]), np.arange(3))
    monkeypatch.setattr(evaluate, "evaluate_run", lambda _: made)
    evaluate.main(["run", "--out", str(tmp_path / "s.pkl"), *["--list"] * as_list])
    rows = pickle.loads((tmp_path / "s.pkl").read_bytes())
    assert type(rows) is (list if as_list else dict)
    np.testing.assert_array_equal(rows if as_list else list(rows.values()), made.scores)
    assert as_list or list(rows) == ["a", "b", "c"]


@pytest.mark.parametrize("out", [[], ["--out", "s.npz"]])
def test_only_a_pickle_is_a_list(out):
    with pytest.raises(ConfigError, match="--list"):
        evaluate.main(["run", "--list", *out])


class Joints:
    """Logits: the first four coordinates of the middle frame."""

    views = ("x",)

    def predict(self, params, extra, batch):
        return {"logits": 3 * batch["x"][:, 0, 2].reshape(len(batch["x"]), -1)[:, :4]}


class Vectors:
    """As a contrastive method: an embedding, no logits."""

    views = ("query",)

    def predict(self, params, extra, batch):
        return {"embedding": Joints().predict({}, {}, {"x": batch["query"]})["logits"]}


def three_clips(folder, method):
    """(job, store, what the method's input gives as logits: three clips of every recording)."""
    config, store = tiny.config(folder), tiny.store(10, split="test")
    config.recipe = {"name": "pyskl", "length": 4, "test_clips": 3}
    built = job.build(config, job.training_facts(config, store, 1))
    data = device_data(store, built.test_recipe)
    draw = jax.jit(render, static_argnums=0)
    logits = []
    for clip in range(3):
        x = draw(built.test_recipe, data, jnp.arange(10), jax.random.key(0), built.stream, clip)
        logits.append(Joints().predict({}, {}, {"x": x})["logits"])
    return job.dataclasses.replace(built, method=method), store, logits


def test_embeddings_of_several_clips_are_averaged(tmp_path):
    """Their logits were looked for: a KeyError after all epochs."""
    built, store, each = three_clips(tmp_path, Vectors())
    found = Evaluator(built, store, 4, make_mesh("1")).outputs({}, {})
    np.testing.assert_allclose(found["embedding"], np.mean(each, axis=0), rtol=1e-5)


def test_clips_are_averaged_as_probabilities_and_one_as_it_is(tmp_path):
    built, store, logits = three_clips(tmp_path, Joints())
    assert np.abs(logits[0] - logits[1]).max() > 0.01
    every = Evaluator(built, store, 4, make_mesh("1")).scores({}, {}, None)
    assert every.kind == "probabilities"
    mean = np.mean([jax.nn.softmax(z) for z in logits], axis=0)
    np.testing.assert_allclose(every.scores, mean, rtol=1e-5)
    first = Evaluator(built, store, 4, make_mesh("1"), clips=1).scores({}, {}, None)
    assert first.kind == "logits"
    np.testing.assert_allclose(first.scores, logits[0], rtol=1e-5)


class ByNeighbours(Vectors):
    knn = (1, 0.1)


def test_the_bank_has_no_vote_on_its_own_clips(tmp_path):
    """`skeljax evaluate RUN --split train` found each clip to be like itself."""
    built, store, _ = three_clips(tmp_path, ByNeighbours())
    alone = job.dataclasses.replace(store, label=np.arange(10) % 2, classes=("a", "b"))
    judge = evaluate.make_evaluator(built, alone, alone, 4, make_mesh("1"), clips=1)
    found = judge.outputs({}, {})["embedding"]
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    nearest = np.argmax(unit @ unit.T - 9 * np.eye(10), axis=1)
    votes = judge.scores({}, {}, None).scores
    assert votes.argmax(1).tolist() == alone.label[nearest].tolist()


def test_neighbours_vote_on_clean_clips(tmp_path):
    """Whatever the recipe does to the clips that are trained on."""
    store, made, found = tiny.store(10), tiny.config(tmp_path), []
    for amplitude, ratio in ((0.0, 0), (0.5, 2)):
        made.recipe = {
            "name": "contrastive", "frames": 8, "amplitude": amplitude, "ratio": ratio,
        }  # fmt: skip
        built = job.build(made, job.training_facts(made, store, 1))
        built = job.dataclasses.replace(built, method=ByNeighbours())
        bank, tested = store.select(np.arange(6)), store.select(np.arange(6, 10))
        judge = evaluate.make_evaluator(built, tested, bank, 4, make_mesh("1"))
        found.append((built.train_recipe, judge.scores({}, {}, None).scores))
    assert found[0][0] != found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
