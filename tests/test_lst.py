"""LST: the loss against loops, the method's promises, recognition by text."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import runs
import tiny
from skeljax import zeroshot
from skeljax.data.streams import stream
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.losses import language
from skeljax.methods import METHODS, Facts
from skeljax.methods.lst import FIRST_SCALE, PARTS, part_joints
from skeljax.models import BACKBONES, Features
from skeljax.sharding import make_mesh
from skeljax.text.encoders import make_encoder
from skeljax.train import train
from test_text import bert_folder, clip_folder, clip_tensors

LAYOUT = get_layout("ucla20")
OPTIONS = tiny.METHODS["lst"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("skeljax.text.encoders.CACHE", str(tmp_path / "cache"))


def facts(**changes):
    values = dict(
        classes=tuple(f"class{k}" for k in range(4)), class_counts=np.ones(4, int), layout=LAYOUT,
        num_bodies=1, channels=3, batch=6, steps_per_epoch=1, epochs=1,
    )  # fmt: skip
    return Facts(**values | changes)


def method(name="lst", **arguments):
    net = BACKBONES["ctrgcn"](layout=LAYOUT, num_person=1, width=8, depth=1, grow=())
    return METHODS[name](net, facts(), **(OPTIONS if name == "lst" else {}) | arguments)


def batch(count=6, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, 1, 4, 20, 3)).astype(np.float32)
    return {"x": jnp.asarray(x), "label": jnp.arange(count) % 4, "index": jnp.arange(count)}


def test_the_loss_is_the_formula():
    rng, label = np.random.default_rng(0), np.array([0, 1, 0, 2, 0])
    feature, text = rng.normal(size=(2, 5, 7))
    out = language.contrast(jnp.asarray(feature), jnp.asarray(text), 3.0, jnp.asarray(label))
    both = 0.0
    for one, other in ((feature, text), (text, feature)):
        for a in range(5):
            same = np.array([10.0 * (label[a] == label[b]) for b in range(5)])
            q = np.exp(same) / np.exp(same).sum()
            cosine = [
                3 * one[a] @ other[b] / np.linalg.norm(one[a]) / np.linalg.norm(other[b])
                for b in range(5)
            ]
            log_p = np.array(cosine) - np.log(np.exp(cosine).sum())
            both += (q * (np.log(q) - log_p)).sum() / 5
    np.testing.assert_allclose(out.loss, both / 2, rtol=1e-5)


def test_a_feature_of_zeros_has_a_finite_gradient():
    label = jnp.arange(3)
    grad = jax.grad(lambda f: language.contrast(f, jnp.eye(3), 14.0, label).loss)
    assert np.isfinite(grad(jnp.zeros((3, 3)))).all()


def test_parts_are_means_over_their_joints():
    of, rng = method(), np.random.default_rng(0)
    features = Features(rng.normal(size=(2, 5)), rng.normal(size=(2, 1, 3, 20, 5)), ())
    heads = of.text_heads(7)
    params = {"text_heads": jax.jit(heads.init)(jax.random.key(0), features)["params"]}
    found = jax.jit(of.project)(params, features)
    for name, joints, got in zip(PARTS, part_joints(LAYOUT), found[1:]):
        mean = np.mean([features.map[:, :, :, v].mean((1, 2)) for v in joints], axis=0)
        head = params["text_heads"][name]
        np.testing.assert_allclose(got, mean @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="does not name the parts"):
        part_joints(get_layout("hand21"))


def primitives(function, *arguments) -> list[str]:
    """Operations of a function, those of inner functions too."""

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            yield equation.primitive.name
            for value in equation.params.values():
                for inner in value if isinstance(value, (list, tuple)) else [value]:
                    inner = getattr(inner, "jaxpr", inner)
                    if hasattr(inner, "eqns"):
                        yield from walk(inner)

    return list(walk(jax.make_jaxpr(function)(*arguments).jaxpr))


def test_prediction_costs_what_the_plain_backbone_costs():
    found = []
    for name in ("supervised", "lst"):
        of = method(name)
        params, extra = jax.eval_shape(of.init, jax.random.key(0), batch())
        found.append(primitives(of.predict, params, extra, batch()))
    assert found[0] == found[1]


def test_a_frozen_encoder_costs_nothing_in_the_step(tmp_path):
    folder = str(bert_folder(tmp_path / "bert"))
    steps = []
    for options in ({}, {"encoder": "bert", "weights": folder}):
        of = method(**options)
        params, extra = jax.eval_shape(of.init, jax.random.key(0), batch())
        steps.append(primitives(of.loss_fn, params, extra, batch(), jax.random.key(1), 0))
    assert steps[0] == steps[1]


@pytest.mark.parametrize("count", [3, 6])  # parts by clip, and by class where those are fewer
def test_a_trained_encoder_sees_what_a_frozen_one_gave(tmp_path, count):
    options = {"encoder": "bert", "weights": str(bert_folder(tmp_path / "bert"))}
    frozen, trained = method(**options), method(train_text=True, **options)
    shapes = jax.eval_shape(trained.init, jax.random.key(0), batch(count))[0]
    groups = set(jax.tree.leaves(trained.groups(shapes)))
    assert groups == {"backbone", "head", "scale", "text", "text_heads"}
    found = []
    for of in (frozen, trained):
        params = {"text": of.text_encoder.params}
        extra = {"text": of.text_tables()}

        def total(params, of=of, extra=extra):
            texts = of.batch_texts(params, extra, batch(count)["label"], jax.random.key(1))
            return sum(jnp.sum(jnp.sin(t)) for t in texts), texts

        (_, texts), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(params)
        found.append(texts)
        largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradient))
        assert (largest > 0) == of.train_text
        of_classes = of.class_texts(params, extra)
        np.testing.assert_allclose(np.linalg.norm(of_classes, axis=-1), 1, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *found)
    with pytest.raises(ConfigError, match="cannot be trained"):
        method(train_text=True).text_tables()


@pytest.mark.parametrize("trained", [False, True])
def test_weights_of_clip_outlive_the_trace_they_are_read_in(tmp_path, trained):
    """The trainer first asks for shapes, then for the program that makes the state."""
    folder = str(clip_folder(tmp_path / "clip", clip_tensors()[0]))
    of = method(encoder="clip", weights=folder, train_text=trained)
    shapes = [jax.eval_shape(of.init, jax.random.key(0), batch()) for _ in range(2)]
    assert jax.tree.structure(shapes[0]) == jax.tree.structure(shapes[1])
    leaves = jax.tree.leaves(of.text_encoder.params)
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)


@pytest.mark.slow  # three short runs
def test_a_trained_text_encoder_is_saved_and_gone_on_with(tmp_path):
    data, folder = tiny.dataset(tmp_path / "data"), str(bert_folder(tmp_path / "bert"))

    def config():
        made = tiny.config(data, "lst")
        made.method.update(encoder="bert", weights=folder, train_text=True)
        made.optim.groups = {"text": {"lr_ratio": 0.1}}
        return made

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    runs.run(config(), whole)
    stop = SimpleNamespace(asked=True, working=False)
    assert train(config().lock(), parts, make_mesh("1"), stop) is None
    runs.run(config(), parts)
    assert runs.largest_difference(*map(runs.variables, (whole, parts))) == 0
    started = make_encoder("bert", folder).params
    assert 0 < runs.largest_difference(runs.variables(whole)["params"]["text"], started) < 1


def test_the_published_scale_is_used_without_its_exponential():
    label, five = jnp.arange(3), [jnp.eye(3)] * 5
    params = {"scale": jnp.full((1, 5), FIRST_SCALE)}
    for raw, scale in ((True, FIRST_SCALE), (False, 1 / 0.07)):
        terms = method(raw_scale=raw).text_terms(params, five, five, label)
        expected = language.contrast(five[0], five[0], scale, label).loss
        np.testing.assert_allclose(terms, [expected] * 5, rtol=1e-5)
    assert method(terms="parts").text_terms(params, five, five, label).shape == (4,)


def test_texts_of_a_class_are_its_own():
    plain, shuffled = method(), method(shuffle_text=True)
    strings, places = plain.texts
    assert strings[places["part"][1, 2]] == "class2, hand waves, arm lifts"
    assert strings[places["first"][3] : places["first"][3] + 2] == ["class3", "third class"]
    other, moved = shuffled.texts
    assert other[moved["first"][0]] == "class2" and other[moved["part"][0, 3]].startswith("class1")
    drawn = set()
    extra = {"text": plain.text_tables()}
    (text,) = extra["text"].values()
    draw = jax.jit(lambda key: plain.batch_texts({}, extra, jnp.array([3]), key))
    for seed in range(8):
        whole, parts = draw(jax.random.key(seed))
        rows = [i for i in range(len(strings)) if (text["features"][i] == whole[0]).all()]
        drawn |= {strings[i] for i in rows}
        np.testing.assert_array_equal(parts[2, 0], text["features"][places["part"][2, 3]])
    assert drawn == {"class3", "third class"}


def test_by_text_and_retrieval_by_hand():
    label, unseen = np.array([0, 0, 1, 2, 2]), np.array([1, 2])
    similarity = np.array(
        [[9, 1, 0], [0, 5, 1], [8, 3, 2], [0, 4, 3], [1, 2, 6]], float
    )  # right, wrong; wrong among all but right among the unseen; wrong; right
    found = zeroshot.by_text(similarity, label, unseen)
    assert found["unseen"] == pytest.approx(2 / 3)
    assert (found["gzsl_seen"], found["gzsl_unseen"]) == (0.5, pytest.approx(1 / 3))
    assert found["gzsl"] == pytest.approx(0.4)
    # clips 2 3 4 ask: class 1 ranks them 3 2 4, class 2 ranks them 4 3 2
    found = zeroshot.retrieval(similarity, label, unseen)
    assert found["R@1"] == 0.5 and found["R@5"] == 1 and found["median_rank"] == 1.5
    assert found["mAP"] == pytest.approx((1 / 2 + 1) / 2)


def test_few_shots_of_separate_classes_are_enough():
    rng, label = np.random.default_rng(0), np.arange(40) % 4
    clips = 10 * np.eye(4)[label] + rng.normal(size=(40, 4))
    assert zeroshot.few_shot(clips, label, clips, label, 1)[0] == 1
    assert zeroshot.few_shot(clips, label, clips, rng.permutation(label), 5)[0] < 0.6


def test_few_shots_are_compared_in_both_spaces():
    rng, label = np.random.default_rng(0), np.arange(80) % 4
    told = np.eye(4)[label][:, None].repeat(2, 1)  # two rows a clip, each of the class
    outputs = {"embedding": told, "feature": rng.normal(size=(80, 5)) + 1}
    found = zeroshot.few_shots(outputs, label, outputs, label, (1, 5))
    rows = [
        f"{space} {n}{end}" for space in ("text", "backbone") for n in (1, 5) for end in ("", " +-")
    ]
    assert list(found) == rows
    assert (found["text 1"], found["text 5 +-"]) == (1, 0) and found["backbone 5"] < 0.6


def test_unseen_classes_by_name_number_or_published_split():
    classes = tuple("abcd")
    assert zeroshot.unseen_classes("b, d", classes).tolist() == [1, 3]
    assert len(zeroshot.unseen_classes("2", classes)) == 2
    for wanted in ("a,b,c,d", "0", "ntu60-5", "e"):
        with pytest.raises(ConfigError):
            zeroshot.unseen_classes(wanted, classes)
    for name, count in zeroshot.UNSEEN.items():
        size = int(name[3:].partition("-")[0])
        assert len(zeroshot.unseen_classes(name, tuple(map(str, range(size))))) == len(set(count))
        assert name.endswith(f"-{len(count)}")


@pytest.mark.slow  # a minute and more
def test_a_run_without_some_classes_is_tested_on_them(tmp_path, capsys):
    data, seen = tiny.dataset(tmp_path / "data"), tmp_path / "seen.txt"
    zeroshot.main(["split", str(data), "--unseen", "class1", "--out", str(seen)])
    assert len(seen.read_text().split()) == 30
    config = tiny.config(data, "lst", data__train=str(seen), train__epochs=1)
    runs.run(config, tmp_path / "run")
    out = tmp_path / "found.json"
    zeroshot.main(["test", str(tmp_path / "run"), "--shots", "1", "--out", str(out)])
    found = json.loads(out.read_text())
    assert found["unseen"] == ["class1"] and found["by text"]["unseen"] == 1
    assert set(found) == {"by text", "text to motion", "few shots", "unseen"}
    assert found["few shots"]["text 1"] == found["few shots"]["backbone 1"] == 1  # of one class
    assert "1 of them unseen" in capsys.readouterr().out


def test_streams_of_the_public_code():
    corrected, public = (stream(LAYOUT, name) for name in ("infogcn1", "lst1_motion"))
    wrist, hand = LAYOUT.joints.index("left_wrist"), LAYOUT.joints.index("left_hand")
    assert corrected.matrix[hand, [hand, wrist]].tolist() == [1, -1]
    assert public.matrix[wrist, [hand, wrist]].tolist() == [-1, 1] and public.motion
    ntu = get_layout("ntu25")
    np.testing.assert_array_equal(stream(ntu, "lst8").matrix, np.eye(25))
