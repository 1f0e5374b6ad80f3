"""The contrastive methods: losses, mixing, queue, momentum encoder, order of the passes."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax import metrics, optim
from skeljax.data import skelemix
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.losses import contrastive as losses
from skeljax.methods import METHODS, Facts
from skeljax.methods import skeletonclr as base
from skeljax.models import BACKBONES

# these programs take longer to compile well than to run
quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

LAYOUT = get_layout("ucla20")
BATCH, FRAMES = 4, 16


def facts(batch=BATCH, layout=LAYOUT):
    return Facts(("a", "b"), np.ones(2, int), layout, 1, 3, batch, 5, 10)


def make(name="skelemixclr", dropout=0.0, **fields):
    """A method on the smallest encoder there is: one block, stride 2."""
    net = BACKBONES["stgcn_contrastive"](
        layout=LAYOUT, num_person=1, width=4, depth=1, grow=(1,), last_width=6, dropout=dropout
    )
    stride = {"stride": 2} if name == "skelemixclr" else {}
    return METHODS[name](net, facts(), dim=5, queue=12, **stride, **fields)


def batch(method, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(method.views))
    shape = (BATCH, 1, FRAMES, LAYOUT.num_joints, 3)
    return {view: jax.random.normal(key, shape) for view, key in zip(method.views, keys)}


STATES = {}


def start(method):
    """(params, extra), made once for all methods of the same arrays."""
    kind = (type(method), method.key_copies_query, getattr(method, "shared_head", False))
    if kind not in STATES:
        STATES[kind] = quick(method.init)(jax.random.key(0), batch(method))
    return STATES[kind]


def stepper(method):
    """(params, extra, number) -> gradient, extra, metrics, loss of a step."""
    loss = quick(jax.value_and_grad(method.loss_fn, has_aux=True))

    def step(params, extra, number=0):
        views = batch(method)
        (value, (extra, told)), gradient = loss(
            params, extra, views, jax.random.key(0), jnp.int32(number)
        )
        return gradient, extra, told, value

    return step


@pytest.fixture(scope="module")
def passed():
    """SkeleMixCLR with two mixes: the method, its views, mixes, passes, and `extra` after them."""
    method = make(swaps=((2, 3, 7, 11, 2, 1.0),))
    views = batch(method)
    params, extra = start(method)
    mixes = quick(method.draw)(jax.random.key(5), views)
    passes, after = quick(method.passes)(params, extra, views, jax.random.key(1), mixes)
    return method, views, mixes, passes, extra, after


# ------------------------------------------------------------------------------------------ losses


def test_losses_against_their_sums():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 6)) * 3
    mask = np.zeros((3, 6))
    mask[:, 0] = 1
    mask[1, 3] = 1
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    want = {
        losses.multi_nce: -np.log((chance * mask).sum(1) / mask.sum(1)).mean(),
        losses.mined_nce: -((np.log(chance) * mask).sum(1) / mask.sum(1)).mean(),
        losses.decoupled: (
            np.log((np.exp(logits) * (1 - mask)).sum(1)) - (logits * mask).sum(1)
        ).mean(),
    }
    for loss, value in want.items():
        assert loss(jnp.asarray(logits), jnp.asarray(mask)) == pytest.approx(value, rel=1e-5)
    one = np.zeros_like(mask)
    one[:, 0] = 1
    for loss in (losses.multi_nce, losses.mined_nce):
        assert loss(logits, one) == pytest.approx(float(losses.info_nce(logits)), rel=1e-5)


def test_unit_vectors_of_nothing():
    x = jnp.zeros((2, 3)).at[0, 0].set(5.0)
    np.testing.assert_allclose(losses.unit(x), [[1, 0, 0], [0, 0, 0]])
    assert np.isfinite(jax.grad(lambda x: losses.unit(x).sum())(x)).all()


def test_the_watch_tells_a_collapse():
    key = jax.random.key(0)
    spread = losses.unit(jax.random.normal(key, (256, 64)))
    point = jnp.broadcast_to(spread[:1], spread.shape)
    good, bad = losses.watch(spread, spread), losses.watch(point, point)
    assert good["feature_std"] == pytest.approx(1, abs=0.05) and bad["feature_std"] < 1e-6
    assert good["uniformity"] < -3.5 and bad["uniformity"] == pytest.approx(0, abs=1e-5)
    assert good["alignment"] == 0
    assert losses.watch(spread, -spread)["alignment"] == pytest.approx(4, rel=1e-5)


# ------------------------------------------------------------------------------------- the methods


def test_the_queue_is_a_ring_of_whole_batches():
    queue, pointer = jnp.zeros((6, 2)), jnp.int32(0)
    for n in range(1, 6):
        queue, pointer = base.enqueue(queue, pointer, jnp.full((2, 2), float(n)))
    assert queue[:, 0].tolist() == [4, 4, 5, 5, 3, 3] and pointer == 4
    pointer = jnp.int32(3)  # as init_from loads it of a run of other batches
    for n in range(6, 10):
        queue, pointer = base.enqueue(queue, pointer, jnp.full((2, 2), float(n)))
    assert queue[:, 0].tolist() == [7, 7, 8, 8, 9, 9] and pointer == 0
    with pytest.raises(ConfigError, match="whole batches"):
        dataclasses.replace(make(), queue=10)


@pytest.mark.parametrize(
    "name, field, value",
    [
        *(("skeletonclr", "queue", value) for value in (0, -4, 2, 10)),
        *(("skeletonclr", "momentum", value) for value in (-0.1, 1.1)),
        *(("skeletonclr", f, 0) for f in ("dim", "crops", "knn_k", "temperature")),
        ("skeletonclr", "knn_temperature", -1.0),
        ("skelemixclr", "stride", 0),
        ("skelemixclr", "swaps", ()),
        ("skelemixclr", "swaps", ((2, 3, 7, 11, 1.0, 1.0),)),
        ("crosclr", "topk", 0),
        ("crosclr", "topk", 13),
    ],
)
def test_numbers_that_cannot_be_are_named(name, field, value):
    with pytest.raises(ConfigError, match=rf"method\.{field}[^$]*found"):
        dataclasses.replace(make(name), **{field: value})


def test_one_clip_has_no_partner():
    with pytest.raises(ConfigError, match=r"train\.batch"):
        dataclasses.replace(make(), facts=facts(batch=1))


@pytest.mark.parametrize("name", ["skeletonclr", "skelemixclr", "crosclr"])
def test_a_step_moves_what_it_should(name):
    method = make(name, dropout=0.5)
    params, extra = start(method)
    gradient, after, told, loss = stepper(method)(params, extra)
    assert np.isfinite(loss) and all(np.isfinite(v) for v in told.values())
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient["projection"]["out"]))
    assert jax.tree.structure(after) == jax.tree.structure(extra)
    assert int(after["pointer"]) == BATCH
    queues = after["queue"] if name == "crosclr" else {"joint": after["queue"]}
    for queue in queues.values():
        np.testing.assert_allclose(jnp.linalg.norm(queue, axis=1), 1, rtol=1e-5)
    means = [tree["batch_stats"]["data_bn"]["bn"]["mean"] for tree in (extra, after)]
    assert np.abs(means[1] - means[0]).max() > 0


def test_the_key_encoder_follows_the_query_encoder():
    method = make("skeletonclr", momentum=0.75)
    params, extra = start(method)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), extra["key"]["params"], params)
    assert all(jax.tree.leaves(same)), "it starts as a copy"
    slip = start(make("skeletonclr", key_copies_query=False))
    one, two = (tree["projection"]["out"]["kernel"] for tree in (slip[0], slip[1]["key"]["params"]))
    assert not (one == two).any(), "the public code's key encoder is another random network"
    after = base.follow(params, jax.tree.map(lambda p: p + 1, params), method.momentum)
    for old, new in zip(jax.tree.leaves(params), jax.tree.leaves(after)):
        np.testing.assert_allclose(new, old + 0.25, atol=1e-6)


def test_statistics_go_through_the_passes_one_after_the_other(passed):
    """Running means after a step are those of clean, mix, mix, each by its own batch."""
    method, views, mixes, passes, _, after = passed
    expected = np.zeros(LAYOUT.num_joints * 3)
    x, (mixed,) = views["query"], mixes
    for r in (None, 0, 1):
        mix = r is not None and jax.tree.map(lambda leaf, r=r: leaf[r], mixed)
        seen = x if r is None else skelemix.paste(x, mix, skelemix.partner(x, mix.shift))
        mean = np.asarray(seen).mean((0, 1, 2)).reshape(-1)
        expected = 0.9 * expected + 0.1 * mean
    np.testing.assert_allclose(after["batch_stats"]["data_bn"]["bn"]["mean"], expected, atol=1e-6)
    assert passes.mixed[0].pasted.shape == (2, BATCH, method.dim)


def test_further_ordinary_views_are_a_term_each():
    """SkeletonCLR's `cont` form, and what is watched of a step."""
    method = make("skeletonclr", crops=2, temperature=1.0)  # at 0.07 the loss is all rounding
    views, rng = batch(method), jax.random.key(1)
    assert set(views) == {"query", "key", "query1"}
    params, extra = start(method)

    @quick
    def both(step):
        passes, _ = method.passes(params, extra, views, rng)
        return passes, method.loss_fn(params, extra, views, rng, step)

    passes, (loss, (after, told)) = both(2)
    rows = [losses.unit(q) for q in passes.clean]
    assert not np.allclose(*rows)
    logits = [method.logits(q, losses.unit(passes.key), extra["queue"]) for q in rows]
    assert loss == pytest.approx(sum(float(losses.info_nce(row)) for row in logits), rel=1e-5)
    assert told["queue_age"] == 2 and both(9)[1][1][1]["queue_age"] == 3, "12 keys, 4 a step"
    np.testing.assert_allclose(after["queue"][:BATCH], losses.unit(passes.key), rtol=1e-5)


def test_a_query_finds_its_key_or_another():
    method = make("skeletonclr")
    key = jnp.eye(BATCH, method.dim)
    queue = jnp.zeros((12, method.dim)).at[5].set(key[3]).at[7].set(-key[0])
    clean = key.at[3].add(1e-3 * key[0]).at[2].set(-key[0])  # 3: nearer its twin; 2: an old key
    found = method.terms(base.Passes([clean], key.at[3].add(key[1]), []), queue)
    assert found["instance_top1"] == 0.5


def test_several_mixes_are_summed_or_averaged(passed):
    method, _, _, passes, extra, _ = passed
    averaged = dataclasses.replace(method, average=True)
    summed, mean = (m.terms(passes, extra["queue"]) for m in (method, averaged))
    assert summed["region"] == pytest.approx(2 * float(mean["region"]), rel=1e-6)
    assert summed["total"] == pytest.approx(float(summed["instance"] + summed["region"]), rel=1e-6)


def test_the_other_region_gets_no_gradient(passed):
    """In the pasted region's term its context is a constant negative, and the reverse."""
    method, _, _, passes, extra, _ = passed
    key, mixed = losses.unit(passes.key), passes.mixed[0]

    def pasted_term(context):
        logits, _ = method.region_logits(mixed._replace(context=context), key, extra["queue"])
        return losses.info_nce(logits[0])

    assert (jax.grad(pasted_term)(mixed.context) == 0).all()


@pytest.mark.parametrize(
    "fields", [{"source": "zeros"}, {"source": "gaussian"}, {"joints": "random"}, {"form": "dcl"}]
)
def test_the_variants_run(fields):
    swaps = ((8, 12, 7, 11, 1, 1.0),) if "joints" in fields else ((2, 3, 7, 11, 1, 1.0),)
    method = make(swaps=swaps, **fields)
    views = batch(method)

    def loss(key):
        params, extra = method.init(key, views)
        return method.loss_fn(params, extra, views, key, jnp.int32(0))[0]

    assert jax.eval_shape(loss, jax.random.key(0)).shape == ()


def test_a_wrong_stride_is_told():
    """Frames that it does not divide already when the shapes are asked for."""
    method = dataclasses.replace(make(), stride=4)
    with pytest.raises(ConfigError, match="the slots of a mix"):
        jax.eval_shape(method.passes, *start(method), batch(method), jax.random.key(1))
    two = make(swaps=((2, 3, 7, 11, 1, 1.0),) * 2)
    for frames in (FRAMES - 1, 1):
        views = batch(two)
        views["query1"] = views["query1"][:, :, :frames]
        with pytest.raises(ConfigError, match=rf"the slots of a mix[^$]*{frames} frames"):
            jax.eval_shape(two.init, jax.random.key(0), views)


def test_crosclr_streams_teach_each_other_after_their_epoch():
    method = make("crosclr", cross_epoch=2)  # epochs of 5 steps
    step = stepper(method)
    first, last, cross = (step(*start(method), number)[3] for number in (0, 9, 10))
    assert first == last != cross


def test_crosclr_that_never_reaches_its_cross_stage_says_so():
    method = make("crosclr", cross_epoch=10)  # of 10 epochs
    assert "never teach each other" in method.headline
    assert not dataclasses.replace(method, cross_epoch=9).headline
    judged = dataclasses.replace(method.facts, epochs=0)
    assert not dataclasses.replace(method, facts=judged).headline, "a kNN run trains nothing"


def test_crosclr_mines_the_nearest_of_the_teacher():
    method = make("crosclr", context=True, topk=2, temperature=1.0)
    own = jnp.array([[0.1, 0.2, 0.3, 0.4]])
    theirs = jnp.array([[0.9, -1.0, 0.8, 0.0]])
    positive = {"joint": jnp.array([[0.5]])}
    logits, mask = method.mined(positive, {"joint": own, "motion": theirs}, "joint", "motion")
    np.testing.assert_allclose(logits, jnp.concatenate([positive["joint"], own, own * theirs], 1))
    assert mask[0].tolist() == [1, 1, 0, 1, 0, 1, 0, 1, 0]


def test_crosclr_slips_of_the_public_code():
    """In the cross stage motion's key encoder alone follows, and a shared head with it."""
    method = make("crosclr", shared_head=True, follow_all=False, cross_epoch=0, momentum=0.5)
    params, extra = start(method)
    assert "projection" not in params["motion"] and "entry" in params["motion"]
    moved = jax.tree.map(lambda p: p + 1, params)
    after = stepper(method)(moved, extra)[1]["key"]
    change = {
        name: jax.tree.map(
            lambda a, b: float(jnp.abs(a - b).max()), after[name]["params"], tree["params"]
        )
        for name, tree in extra["key"].items()
    }
    assert max(jax.tree.leaves(change["joint"]["backbone"])) == 0
    assert min(jax.tree.leaves(change["joint"]["projection"])) == pytest.approx(0.5)
    assert min(jax.tree.leaves(change["motion"])) == pytest.approx(0.5)


def test_crosclr_wants_streams_of_the_joints():
    for streams in (("joint",), ("motion", "joint"), ("joint", "joint"), ("joint", "speed")):
        with pytest.raises(ConfigError):
            make("crosclr", streams=streams)
        with pytest.raises(ConfigError, match=r"method\.streams"):
            METHODS["crosclr_linear"](None, facts(), streams=streams)


# -------------------------------------------------------------------------------- judging features


def test_knn_votes_against_a_loop():
    rng = np.random.default_rng(0)
    feature, bank = rng.normal(size=(7, 4)), rng.normal(size=(30, 4))
    label = rng.integers(0, 3, 30)
    votes = metrics.knn_votes(feature, bank, label, 3, k=5, temperature=0.1, block=3)
    for i, f in enumerate(feature):
        cosine = bank @ f / np.linalg.norm(bank, axis=1) / np.linalg.norm(f)
        want = np.zeros(3)
        for j in np.argsort(-cosine)[:5]:
            want[label[j]] += np.exp(cosine[j] / 0.1)
        np.testing.assert_allclose(votes[i], want / want.sum(), rtol=1e-4)
    whole = metrics.knn_votes(feature, bank[:4], label[:4], 3, k=20, temperature=0.1)
    assert whole.shape == (7, 3), "a bank of fewer than k"


def test_a_clip_has_no_vote_for_itself():
    """The clips of the bank, each by the others: as if its own row were not there."""
    rng = np.random.default_rng(1)
    bank, label = rng.normal(size=(9, 4)), rng.integers(0, 3, 9)
    asked = {"num_classes": 3, "temperature": 0.1, "block": 2}
    own = [*range(8), -1]
    votes = metrics.knn_votes(bank, bank, label, k=3, own=own, **asked)
    for i in range(9):
        others = np.arange(9) != own[i]
        want = metrics.knn_votes(bank[i : i + 1], bank[others], label[others], k=3, **asked)
        np.testing.assert_allclose(votes[i], want[0], rtol=1e-5)
    every = metrics.knn_votes(bank, bank, label, k=9, own=range(9), **asked)
    assert np.isfinite(every).all(), "a bank of no more than k"


def test_a_small_rate_at_the_end_of_a_cosine_keeps_its_digits():
    rate = optim.learning_rate(
        1.0, batch=1, base_batch=0, epochs=300, steps_per_epoch=1, name="cosine"
    )
    assert rate(299) == pytest.approx(0.5 * (1 + np.cos(np.pi * 299 / 300)), rel=1e-6)
