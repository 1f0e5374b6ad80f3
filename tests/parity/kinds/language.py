"""text/*, loss/lst_* and model/lst_ctrgcn: encoders, prompts and LST."""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from parity.cases import anywhere
from parity.shapes import Kinect, classic
from skeljax.data.streams import infogcn_matrix
from skeljax.interop.pytorch import load_state_dict, state_dict
from skeljax.losses import language
from skeljax.methods import Facts
from skeljax.methods.lst import Lst
from skeljax.models import BACKBONES
from skeljax.text import actions, bert, clip_text
from skeljax.text.tokenizers import BytePairs, WordPiece
from skeljax.text.weights import read_weights

TERMS = ("global", "head", "hand", "hip", "foot")


def clip(
    given,
    *,
    layout: Literal["openai", "hf"],
    width: int,
    layers: int,
    heads: int,
    mlp_width: int,
    vocab_size: int,
    context_length: int,
    out_dim: int,
    activation: Literal["quick_gelu"],
    layer_norm_eps: float,
):
    assert layer_norm_eps == 1e-5
    state, x = given.case.state_dict(), jnp.asarray(given["x"])
    net, variables = clip_text.from_tensors(state, heads)
    assert (net.width, net.layers, net.mlp_width) == (width, layers, mlp_width)
    assert (net.vocab_size, net.context, net.out_dim) == (vocab_size, context_length, out_dim)
    out = net.apply(variables, x)
    found = {"eval/out": out.projected, "eval/feat_eot": out.pooled, "out/eot": x.argmax(-1)}
    for i, tap in enumerate(out.taps):
        found |= {f"eval/feat_block{i}_row{r}": row for r, row in enumerate(tap)}
    if "w" not in given:
        return found

    def loss(state):
        net, variables = clip_text.from_tensors(state, heads)
        return (net.apply(variables, x).projected * given["w"]).sum()

    with jax.enable_x64(True):
        wide = {name: jnp.asarray(value, jnp.float64) for name, value in state.items()}
        value, gradient = jax.value_and_grad(loss)(wide)
    norms = {f"train/grad_norm/{name}": np.linalg.norm(g.ravel()) for name, g in gradient.items()}
    return found | norms | {"train/loss": value}


def minilm(
    given,
    *,
    sentences: list[str],
    hidden: int,
    layers: int,
    heads: int,
    intermediate: int,
    vocab: int,
    max_positions: int,
    layer_norm_eps: float,
    max_tokens: int,
):
    path = given.case.weights()
    ids, mask = given["ids"], given["mask"]
    for vocabulary in anywhere("vocab.txt", path.parent)[:1]:
        found = WordPiece.load(vocabulary, longest=max_tokens)(sentences)
        np.testing.assert_array_equal(found[0], ids)
        np.testing.assert_array_equal(found[1], mask)
    net, variables = bert.from_tensors(read_weights(path), heads, layer_norm_eps)
    sizes = (net.width, net.layers, net.mlp_width, net.vocab_size, net.context)
    assert sizes == (hidden, layers, intermediate, vocab, max_positions)
    out = jax.jit(net.apply)(variables, ids, mask)
    return {
        "mean": out.mean,
        "embedding": out.sentence,
        "cosine": out.sentence @ out.sentence.T,
        "hidden_row0": out.hidden[0],
    }


def part_prompts(given, *, lines: list[str]):
    told = actions.read_lines(lines)
    parts = [[action.part(part, fused=True) for action in told] for part in actions.PARTS]
    return {"strings": [[action.name for action in told], *parts]}


def synonym_prompts(given, *, lines: list[str]):
    rows = [actions.synonym_row(line) for line in lines]
    return {
        "strings": [entry for row in rows for entry in row],
        "counts": np.array([len(row) for row in rows]),
    }


def bpe(given, *, context_length: int = 77):
    tokenizer = BytePairs.load(given.case.weights())

    def tokens(strings):
        if isinstance(strings[0], str):
            return tokenizer(strings, context_length)
        return np.stack([tokens(row) for row in strings])

    return {"tokens": tokens(given["strings"])}


def contrast(given):
    label = jnp.asarray(given["label"])
    same = language.same_label(label)

    def loss(feature, text, scale):
        out = language.contrast(feature, text, scale, label)
        return out.loss, out

    grad = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
    (_, out), (feature, text, scale) = grad(given["feat"], given["text"], given["logit_scale"])
    return {
        "logits_per_skeleton": out.similarity,
        "logits_per_text": out.similarity.T,
        "ground_truth": same,
        "target": jnp.exp(language.log_target(same)),
        "loss_skeleton": out.skeleton,
        "loss_text": out.text,
        "loss": out.loss,
        "grad/feat": feature,
        "grad/text": text,
        "grad/logit_scale": scale,
    }


def method(layout, num_person, num_classes, alpha, bone_parts=False, backbone="ctrgcn") -> Lst:
    """LST as it was published, for given features of text."""
    facts = Facts(
        classes=tuple(f"class{k}" for k in range(num_classes)),
        class_counts=np.ones(num_classes, int),
        layout=layout,
        num_bodies=num_person,
        channels=layout.channels,
        batch=1,
        steps_per_epoch=1,
        epochs=1,
    )
    net = BACKBONES[backbone](layout=layout, num_person=num_person)
    return Lst(net, facts, alpha=alpha, raw_scale=True, bone_parts=bone_parts)


def total(given, *, num_classes: int, loss_alpha: float):
    label = jnp.asarray(given["label"])
    of = method(classic("nturgb+d"), 2, num_classes, loss_alpha)
    five = [[given[f"{name}{i}"] for i in range(5)] for name in ("feat", "text")]

    def loss(logits, scale, skeletons, texts):
        terms = of.text_terms({"scale": scale}, skeletons, texts, label)
        cross_entropy = -jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], 1).mean()
        return cross_entropy + of.alpha * terms.mean(), (cross_entropy, terms)

    grad = jax.value_and_grad(loss, (0, 1, 2, 3), has_aux=True)
    (value, (cross_entropy, terms)), grads = grad(
        given["class_logits"], given["logit_scale"], *five
    )
    found = {"loss": value, "loss_ce": cross_entropy, "loss_text": terms}
    found |= {"grad/class_logits": grads[0], "grad/logit_scale": grads[1]}
    for name, gradient in (("feat", grads[2]), ("text", grads[3])):
        found |= {f"grad/{name}{i}": g for i, g in enumerate(gradient)}
    return found


def _quickly(of, run):
    """As `kinds.model.quickly`; a method holds arrays, so it cannot be a static argument."""
    return jax.jit(partial(run, of), compiler_options={"xla_backend_optimization_level": 0})


def _evaluate(of, params, stats, x):
    features = of.test_features(params, {"batch_stats": stats}, {"x": x})
    return of.logits(params, features), of.project(params, features)


def _train(of, params, stats, x, y, texts):
    """Logits, projections, losses, their gradients and the batch statistics after one pass."""

    def losses(params, texts):
        variables = {"params": params["backbone"], "batch_stats": stats}
        features, moved = of.net.apply(variables, x, train=True, mutable=["batch_stats"])
        logits, skeletons = of.logits(params, features), of.project(params, features)
        ce = -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()
        terms = of.text_terms(params, skeletons, texts, y)
        return (ce, ce + of.alpha * terms.mean()), (logits, skeletons, terms, moved["batch_stats"])

    (ce, whole), pull, about = jax.vjp(losses, params, texts, has_aux=True)
    one, zero = jnp.ones_like(ce), jnp.zeros_like(ce)
    return (ce, whole), about, pull((one, zero))[0], pull((zero, one))


def lst_ctrgcn(
    given,
    *,
    num_classes: int,
    layout: Kinect,
    num_person: int,
    stream: Literal["joint", "bone"],
    head: str,
    k: int,
    loss_alpha: float,
    graph_mode: Literal["spatial"] = "spatial",
):
    of = method(classic(layout), num_person, num_classes, loss_alpha, stream == "bone")
    matrix = infogcn_matrix(classic(layout), k, published=True)
    np.testing.assert_array_equal(matrix, given["A_vector"])
    x = np.einsum("uv,nctvm->nmtuc", matrix, given["x"])
    state = given.case.state_dict()
    width = len(state[f"linear_head.{head}.bias"])

    def init(key):
        made = of.net.init(key, x, train=False)
        features = of.net.apply(made, x, train=False)
        params = {
            "backbone": made["params"],
            "head": of.head.init(key, features.pooled)["params"],
            "text_heads": of.text_heads(width, 512).init(key, features)["params"],
            "scale": jnp.zeros((1, 5)),
        }
        return {"params": params, "batch_stats": {"backbone": made["batch_stats"]}}

    shapes = jax.eval_shape(init, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    variables, report = load_state_dict(state, zeros, "ctrgcn_lst")
    assert not report.unused, report
    params, stats = variables["params"], variables["batch_stats"]["backbone"]
    out, projected = _quickly(of, _evaluate)(params, stats, jnp.asarray(x, jnp.float32))
    texts = [given[f"text{i}"] for i in range(5)]
    with jax.enable_x64(True):  # gradients of alpha cancel, see kinds/model.py
        wide = jax.tree.map(partial(np.asarray, dtype=np.float64), (params, stats, x))
        of = dataclasses.replace(of, net=of.net.clone(dtype=jnp.float64))
        wide_texts = [np.asarray(text, np.float64) for text in texts]
        results = _quickly(of, _train)(*wide, np.asarray(given["y"]), wide_texts)
        (ce, whole), about, ce_grad, (lst_grad, text_grad) = jax.device_get(results)
    logits, trained, terms, after = about

    def named(tree, collection):
        found = state_dict({collection: tree}, "ctrgcn_lst")
        return {
            name.replace("linear_head.", f"linear_head.{head}."): value
            for name, value in found.items()
        }

    found = {
        "eval/out": out,
        "eval/logit_scale": params["scale"],
        "train/out": logits,
        "train/loss": ce,
        "train_lst/loss": whole,
        "train_lst/loss_ce": ce,
        "train_lst/loss_text": terms,
        "train_lst/grad_logit_scale": lst_grad["scale"],
    }
    for name, value in zip(TERMS, projected):
        found[f"eval/feat_{name}"] = value
    for name, value in zip(TERMS, trained):
        found[f"train/feat_{name}"] = value
    for group, gradient in (("train", ce_grad), ("train_lst", lst_grad)):
        for name, value in named(gradient, "params").items():
            found[f"{group}/grad_norm/{name}"] = np.linalg.norm(value.ravel())
    found |= {f"train_lst/grad_text{i}": g for i, g in enumerate(text_grad)}
    stats_after = named({"backbone": after}, "batch_stats")
    return found | {f"train/after/{name}": value for name, value in stats_after.items()}


KINDS = {
    "text/clip": clip,
    "text/minilm": minilm,
    "text/part_prompts": part_prompts,
    "text/synonym_prompts": synonym_prompts,
    "text/bpe": bpe,
    "loss/lst_contrast": contrast,
    "loss/lst_total": total,
    "model/lst_ctrgcn": lst_ctrgcn,
}
