"""DG-STGCN, InfoGCN, HD-GCN, ProtoGCN: units against their formulas, and what always holds."""

import functools
import itertools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.errors import ConfigError
from skeljax.layouts import get_layout, layout_names
from skeljax.losses.infogcn import infogcn_loss, mean_norm, prior_means
from skeljax.losses.protogcn import class_contrast
from skeljax.methods import METHODS, Facts
from skeljax.models import BACKBONES, dgstgcn, graphs, hdgcn, infogcn
from skeljax.models.heads import Classifier, Linear
from test_backbones import quickly
from test_models import normal, perturbed, small

KEY = jax.random.key(0)


def conv(params, x):
    y = np.einsum("cd,c...->d...", params["kernel"], x)
    return y + np.reshape(params["bias"], (-1, *[1] * (x.ndim - 1)))


def standard(norm, stats, x):
    """Evaluation of a batch norm over the first axis."""
    values = (norm["scale"], norm["bias"], stats["mean"], stats["var"])
    scale, bias, mean, var = (np.reshape(v, (-1, *[1] * (x.ndim - 1))) for v in values)
    return scale * (x - mean) / np.sqrt(var + 1e-5) + bias


def conv_norm(params, stats, name, x):
    y = conv(params[name]["conv"], x)
    return standard(params[name]["bn"], stats[name]["bn"], y)


def relu(x):
    return np.maximum(x, 0)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def arrays(variables):
    return (jax.tree.map(np.asarray, variables[part]) for part in ("params", "batch_stats"))


@pytest.mark.parametrize("per_frame, wise", [(False, False), (True, True)])
@pytest.mark.parametrize("acts", [("tanh", "softmax"), ("sigmoid", "tanh"), ("none", "softmax")])
def test_refined_graphs_of_dgstgcn(per_frame, wise, acts):
    x, subsets, group, features = normal(4, 2, 3, 5), 2, 3, 7
    refine = dgstgcn.Refinement(subsets, 0.0, *acts, wise, per_frame, jax.nn.initializers.ones)
    unit = dgstgcn.GCN(features, refine)
    variables = perturbed(unit, x, train=False)
    p, stats = arrays(variables)
    value = relu(conv_norm(p, stats, "pre", x))
    source = x if per_frame else np.broadcast_to(x.mean(2, keepdims=True), x.shape)
    added = np.zeros((subsets * group, 2, 3, 5, 5))
    if acts != ("none", "none"):
        query, key = conv(p["query"], source), conv(p["key"], source)
    for k, c in itertools.product(range(subsets), range(group)):
        own, members = k * group + c, slice(k * group, (k + 1) * group)
        gate = k if wise else 0
        act = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}.get(acts[0])
        if act:
            difference = query[own][..., :, None] - key[own][..., None, :]
            added[own] += p["alpha"][gate] * act(difference)
        shared = np.einsum("cbtu,cbtv->btuv", query[members], key[members])
        shared = softmax(shared, -2) if acts[1] == "softmax" else np.tanh(shared)
        added[own] += p["beta"][gate] * shared
    graph = np.repeat(p["adjacency"], group, axis=0)[:, None, None] + added
    moved = np.einsum("cbtu,cbtuv->cbtv", value, graph)
    want = relu(conv_norm(p, stats, "post", moved) + conv_norm(p, stats, "down", x))
    got, returned = quickly(functools.partial(unit.apply, train=False))(variables, x)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)
    flat = added.reshape(subsets * group, -1, 5, 5) if per_frame else added[:, :, 0]
    np.testing.assert_allclose(returned, flat, rtol=1e-3, atol=1e-4)


def test_every_block_of_dgstgcn_starts_from_one_draw():
    net, x = small("dgstgcn", depth=3, layout="ntu25"), normal(1, 1, 4, 25, 3)

    @quickly
    def adjacencies():  # compiles nothing of the rest
        params = net.init(KEY, x, train=False)["params"]
        return [params[f"block{i}"]["gcn"]["adjacency"] for i in (1, 2, 3)]

    drawn = adjacencies()
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[2])
    assert abs(np.mean(drawn[0]) - 0.04) < 2e-3 and abs(np.std(drawn[0]) - 0.02) < 2e-3


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_body_joint_of_dgstgcn_reaches_all_joints(share):
    x, unit = normal(12, 1, 6, 5), dgstgcn.TCN(12)
    variables = perturbed(unit, x, train=False)
    assert variables["params"]["add_coeff"].shape == (25,)
    variables["params"]["add_coeff"] = np.full(25, share, np.float32)
    moved = x.copy()
    moved[..., 0] += 1
    apply = quickly(functools.partial(unit.apply, train=False))
    change = np.abs(apply(variables, moved) - apply(variables, x)).max((0, 1, 2))
    assert change[0] > 0 and (change[1:] > 0).all() == (share != 0)


def test_attention_of_infogcn():
    x, heads, features = normal(16, 2, 3, 5), 2, 6
    unit = infogcn.SAGC(features, heads)
    variables = perturbed(unit, x, train=False)
    p, stats = arrays(variables)
    z = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    norm = p["attention"]["ln"]
    z = norm["scale"][:, None, None, None] * z + norm["bias"][:, None, None, None]
    query, key = np.split(conv(p["attention"]["to_qk"], z), 2)
    want = np.zeros((features, 2, 3, 5))
    for h in range(heads):
        q, k = (np.split(part, heads)[h] for part in (query, key))
        attention = softmax(np.einsum("dbtv,dbtu->btvu", q, k) / np.sqrt(2), -1)
        moved = np.einsum("btvu,cbtu->cbtv", attention * p["topology"][h], x)
        weights = {n: np.split(w, heads, -1)[h] for n, w in p["value"].items()}
        want += conv(weights, moved)
    want = relu(standard(p["bn"], stats["bn"], want) + conv_norm(p, stats, "down", x))
    got = quickly(functools.partial(unit.apply, train=False))(variables, x)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def test_latent_of_infogcn_is_drawn_in_training_only():
    x, net = normal(2, 1, 4, 20, 3), small("infogcn", depth=1, grow=(), noise_ratio=0.25)
    variables = perturbed(net, x, train=False)
    variables["params"]["fc_logvar"]["bias"] += 40 * np.arange(8, dtype=np.float32) / 7
    train = functools.partial(net.apply, variables, x, train=True, mutable=["batch_stats"])
    noise = normal(2, 8)
    train = quickly(train)
    drawn, mean = train(noise=noise)[0].pooled, train(noise=np.zeros_like(noise))[0].pooled
    std = (drawn - mean) / noise
    assert std.max() == pytest.approx(100, rel=1e-3) and std.min() < 90  # the bound holds
    pooled = train(noise=noise)[0].map.mean((1, 2, 3))
    p = variables["params"]
    hidden = relu(pooled @ p["fc"]["kernel"] + p["fc"]["bias"])
    variance = np.exp(hidden @ p["fc_logvar"]["kernel"] + p["fc_logvar"]["bias"])
    np.testing.assert_allclose(std, np.minimum(variance**0.25, 100), rtol=1e-2)
    with pytest.raises(flax.errors.InvalidRngError):
        train()  # never without noise by mistake
    apart = [train(rngs={"dropout": jax.random.key(k)})[0].pooled for k in (0, 1)]
    assert np.abs(apart[0] - apart[1]).max() > 0.1


def test_edge_convolution_of_hdgcn():
    levels, channels, bodies, points, near = 2, 3, 2, 6, 3
    x = normal(levels, channels, bodies, points)
    unit = hdgcn.EdgeConv(near)
    variables = perturbed(unit, x, train=False)
    p, stats = arrays(variables)
    edges = np.zeros((levels * channels, bodies, points, near))
    for level, body, v in itertools.product(range(levels), range(bodies), range(points)):
        of = x[level, :, body]
        distance = np.square(of - of[:, v : v + 1]).sum(0)
        for i, u in enumerate(np.argsort(distance)[:near]):
            pair = np.concatenate([of[:, u] - of[:, v], of[:, v]])
            members = slice(level * channels, (level + 1) * channels)
            edges[members, body, v, i] = pair @ p["kernel"][:, members]
    edges = standard(p["bn"], stats["bn"], edges)
    want = np.where(edges > 0, edges, 0.2 * edges).max(-1).reshape(x.shape)
    np.testing.assert_allclose(unit.apply(variables, x, train=False), want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("attend", [False, True])
def test_hierarchical_convolution_of_hdgcn(attend):
    layout = get_layout("ucla20")
    groups = graphs.hierarchy(layout, 1)
    features, quarter, levels, x = 8, 2, len(groups) - 1, normal(8, 2, 3, 20)
    unit = hdgcn.HDGC(features, groups, attend)
    variables = perturbed(unit, x, train=False)
    p, stats = arrays(variables)
    opened = relu(conv_norm(p, stats, "open", x)).reshape(levels, quarter, *x.shape[1:])
    stack = []
    for level in range(levels):
        for s in range(3):
            part = slice((level * 3 + s) * quarter, (level * 3 + s + 1) * quarter)
            moved = np.einsum("vu,cbtu->cbtv", p["adjacency"][level, s], opened[level])
            weights = {n: w[..., part] for n, w in p["subset"].items()}
            norm, moving = ({n: v[part] for n, v in t["subset_bn"].items()} for t in (p, stats))
            stack.append(standard(norm, moving, conv(weights, moved)))
    edge = {"params": p["edge"], "batch_stats": stats["edge"]}
    edge = hdgcn.EdgeConv(5).apply(edge, jnp.asarray(opened.mean(3)), train=False)
    edge = np.repeat(np.asarray(edge)[:, :, :, None], 3, axis=3)
    stack = np.reshape(stack, (levels, 3 * quarter, *x.shape[1:]))
    stack = np.concatenate([stack, edge], axis=1)
    if attend:
        peak, aha = stack.max(3), p["aha"]
        down = relu(conv_norm(aha, stats["aha"], "down", peak.transpose(1, 2, 0, 3)))
        pairs = [[*a, *b] for a, b in itertools.pairwise(groups)]
        of = np.stack([down[:, :, i, pair].mean(-1) for i, pair in enumerate(pairs)], -1)
        own = {"params": aha["edge"], "batch_stats": stats["aha"]["edge"]}
        of = hdgcn.EdgeConv(3).apply(own, jnp.asarray(of[None], jnp.float32), train=False)[0]
        weight = 1 / (1 + np.exp(-conv(aha["aggregate"], np.asarray(of))))
        stack = stack * weight.transpose(2, 0, 1)[..., None, None]
    want = relu(standard(p["bn"], stats["bn"], stack.sum(0)) + x)
    got = quickly(functools.partial(unit.apply, train=False))(variables, x)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", layout_names())
def test_hierarchies(name):
    layout = get_layout(name)
    for centre in range(layout.num_joints):
        groups = graphs.hierarchy(layout, centre)
        assert groups[0] == (centre,)
        assert sorted(itertools.chain(*groups)) == list(range(layout.num_joints))
    stack = graphs.hierarchical(groups, layout.num_joints)
    for (own, outward, reverse), nearer, further in zip(stack, groups, groups[1:]):
        assert set(np.flatnonzero(np.diag(own))) == {*nearer, *further}
        assert set(np.flatnonzero(outward.sum(0))) == set(np.flatnonzero(reverse.sum(1)))
        assert set(np.flatnonzero(outward.sum(1))) == set(further)
        np.testing.assert_allclose(outward.sum(0)[list(nearer)], 1, rtol=1e-6)
        np.testing.assert_allclose(reverse.sum(0)[list(further)], 1, rtol=1e-6)


def shapes(net):
    return jax.eval_shape(functools.partial(net.init, train=False), KEY, normal(1, 1, 4, 20, 3))


def test_a_centre_of_mass_that_is_no_joint():
    for centre in (-1, 21):
        with pytest.raises(ConfigError, match="1 to 20"):
            shapes(small("hdgcn", centre_of_mass=centre))


def test_unknown_activation():
    with pytest.raises(ConfigError, match="did you mean 'softmax'"):
        shapes(small("dgstgcn", subset_act="softmaks"))


def test_more_joints_than_kinect_has():
    layout = get_layout("mediapipe33")
    x = jax.ShapeDtypeStruct((1, 1, 4, 33, layout.channels), jnp.float32)
    net = small("dgstgcn", layout="mediapipe33", depth=1, grow=())
    tree = jax.eval_shape(functools.partial(net.init, train=False), KEY, x)
    assert tree["params"]["block1"]["tcn"]["add_coeff"].shape == (33,)


@pytest.mark.parametrize(
    "name, layout, num_person, classes, total",
    [
        ("dgstgcn", "ntu25", 2, 60, 1701172),
        ("dgstgcn", "ntu25", 2, 120, 1716592),
        ("dgstgcn", "coco17", 2, 60, 1674244),
        ("infogcn", "ntu25", 2, 60, 1556807),
        ("infogcn", "ucla20", 1, 10, 1533722),
        ("hdgcn", "ntu25", 2, 120, 1675400),
        ("protogcn", "ntu25", 2, 60, 4344860 - (625 + 1) * 256),  # without the method's own layer
    ],
)
def test_published_sizes(name, layout, num_person, classes, total):
    layout = get_layout(layout)
    net = Classifier(BACKBONES[name](layout=layout, num_person=num_person), Linear(classes))
    x = jax.ShapeDtypeStruct((1, num_person, 16, layout.num_joints, 3), jnp.float32)
    shapes = jax.eval_shape(lambda x: net.init(KEY, x, train=False), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == total


def test_infogcn_loss():
    z, logits, prior = normal(5, 4), normal(5, 6), normal(6, 4)
    labels = np.array([1, 1, 3, 5, 3])  # 0, 2 and 4 are absent
    total, terms = infogcn_loss(z, logits, labels, prior)
    means = np.stack([z[labels == k].mean(0) for k in (1, 3, 5)])
    mmd = np.square(means - prior[[1, 3, 5]]).mean()
    likelihood = np.log(softmax(logits, 1))
    ce = -np.mean(0.9 * likelihood[range(5), labels] + 0.1 * likelihood.mean(1))
    norm = np.linalg.norm(z.mean(0))
    np.testing.assert_allclose([terms["mmd"], terms["mean_norm"]], [mmd, norm], rtol=1e-4)
    np.testing.assert_allclose(total, ce + 0.1 * mmd + 1e-4 * norm, rtol=1e-5)
    assert np.all(jax.grad(mean_norm)(np.zeros((3, 4))) == 0)
    orthogonal = prior_means(KEY, 6, 8, gain=3.0)
    np.testing.assert_allclose(orthogonal @ orthogonal.T, 9 * np.eye(6), atol=1e-4)


def test_protogcn_memory_moves_with_right_clips_only():
    feature, memory = normal(4, 5), normal(5, 3)
    labels = np.array([0, 0, 1, 2])
    logits = np.eye(3, dtype=np.float32)[[0, 0, 2, 1]]  # 1 and 2 are mistaken
    loss, after = class_contrast(feature, logits, labels, memory)
    want = memory.copy()
    want[:, 0] = 0.9 * memory[:, 0] + 0.1 * feature[:2].mean(0)
    np.testing.assert_allclose(after, want, rtol=1e-5)
    unit = [m / np.linalg.norm(m, axis=a, keepdims=True) for m, a in ((feature, 1), (want, 0))]
    likelihood = np.log(softmax(unit[0] @ unit[1] / 0.125, 1))
    np.testing.assert_allclose(loss, -likelihood[range(4), labels].mean(), rtol=1e-4)
    empty = jax.grad(lambda f: class_contrast(f, logits, labels, memory)[0])(0 * feature)
    assert np.isfinite(empty).all()


def facts(classes=3):
    names = tuple(f"class{k}" for k in range(classes))
    layout = get_layout("ucla20")
    return Facts(names, np.full(classes, 4), layout, 1, 3, batch=4, steps_per_epoch=3, epochs=1)


@pytest.mark.parametrize("name", ["infogcn", "protogcn"])
def test_methods_learn_and_keep_their_state(name):
    x, label = normal(4, 1, 6, 20, 3), np.array([0, 1, 2, 0])
    method = METHODS[name](small(name, depth=1, grow=()), facts())
    batch = {"x": x, "label": label}
    params, extra = quickly(method.init)(KEY, batch)
    kept = {"infogcn": "prior", "protogcn": "memory"}[name]
    at_start = extra[kept]
    step = quickly(jax.value_and_grad(method.loss_fn, has_aux=True), static_argnums=4)
    first = None
    for i in range(12):
        (loss, (after, metrics)), gradient = step(
            params, extra, batch, jax.random.fold_in(KEY, i), 0
        )
        assert jax.tree.structure(after) == jax.tree.structure(extra)
        first = first or float(loss)
        params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)
        extra = after
    assert float(loss) < 0.9 * first and all(np.ndim(value) == 0 for value in metrics.values())
    assert np.array_equal(extra[kept], at_start) == (name == "infogcn")
    assert jax.eval_shape(method.predict, params, extra, batch)["logits"].shape == (4, 3)


def test_protogcn_needs_its_backbone():
    method = METHODS["protogcn"](small("ctrgcn", depth=1), facts())
    with pytest.raises(ConfigError, match="backbone protogcn"):
        jax.eval_shape(method.init, KEY, {"x": normal(1, 1, 4, 20, 3)})


def test_the_contrast_reaches_the_backbone_only_through_the_gates_at_first():
    x, net = normal(2, 1, 4, 20, 3), small("protogcn", depth=1, grow=())
    variables = perturbed(net, x, train=False)
    gcn = variables["params"]["block1"]["gcn"]
    gcn |= {gate: np.zeros(8, np.float32) for gate in ("alpha", "beta")}  # as initialised

    @quickly
    @jax.grad
    def gradient(params):
        rngs = {"dropout": KEY}
        out, _ = net.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"], rngs=rngs
        )
        return (out.graph**3).sum()

    last = gradient(variables["params"])["block1"]["gcn"]
    assert last["alpha"][0] != 0 and np.all(last["alpha"][1:] == 0)
    assert np.all(last["query"]["kernel"] == 0) and np.all(last["pre"]["conv"]["kernel"] == 0)
