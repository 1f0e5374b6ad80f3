import numpy as np
import pytest

from skeljax.data.feeder import SAMPLERS, class_specific, epoch_order, eval_batches, hold_out
from skeljax.data.longtail import exponential_counts
from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError

LABELS = np.repeat(np.arange(6), [50, 30, 20, 12, 7, 5])


def order(epoch=0, batch=8, **options):
    return epoch_order(3, epoch, len(LABELS), batch, labels=LABELS, **options)


def test_an_epoch_holds_every_clip_repeat_times_in_another_order_each_epoch():
    first, second = order(batch=4, repeat=3), order(1, batch=4, repeat=3)
    assert first.shape == second.shape == (93, 4) and first.dtype == np.int32
    assert (np.bincount(first.ravel()) == 3).all()
    assert (first != second).mean() > 0.9
    np.testing.assert_array_equal(first, order(batch=4, repeat=3))
    copies = first.ravel()  # the copies are shuffled together, not one after the other
    assert len(set(copies[: len(LABELS)])) < len(LABELS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_steps_are_the_same_in_every_epoch_and_all_clips_are_used(sampler):
    epochs = [order(e, batch=1, sampler=sampler, repeat=2) for e in range(4)]
    assert len({e.shape for e in epochs}) == 1
    assert set(np.concatenate(epochs).ravel()) == set(range(len(LABELS)))


def test_class_specific_lifts_the_last_third_to_the_head_and_leaves_the_rest():
    seen = np.bincount(LABELS[order(batch=1, sampler="class_specific").ravel()])
    assert seen.tolist() == [50, 30, 20, 12, 50, 50]
    per_clip = np.bincount(order(batch=1, sampler="class_specific").ravel())[LABELS == 4]
    assert set(per_clip) == {7, 8}


def test_class_specific_finds_the_rarest_third_wherever_it_is():
    counts = np.array([10, 100, 20, 80, 5, 50])
    lifted = class_specific(counts)
    np.testing.assert_allclose(lifted, [10, 1, 1, 1, 20, 1])
    np.testing.assert_allclose(class_specific(np.full(6, 7)), 1)


@pytest.mark.parametrize(
    "classes, most, imbalance, draws",
    [
        (60, 600, 0.01, 98106),
        (120, 600, 0.01, 195257),
        (120, 400, 0.01, 130103),
        (10, 100, 0.1, 3720),
    ],
)
def test_class_specific_epochs_have_the_published_length(classes, most, imbalance, draws):
    labels = np.repeat(np.arange(classes), exponential_counts(classes, most, imbalance))
    made = epoch_order(0, 0, len(labels), 1, 5, "class_specific", labels)
    assert made.size == draws


def test_balanced_gives_every_class_its_share():
    seen = np.bincount(LABELS[order(batch=1, sampler="balanced", repeat=6).ravel()])
    assert seen.max() - seen.min() <= 1 and abs(seen.sum() - 6 * len(LABELS)) <= 6


def test_incomplete_batches_are_dropped_or_filled():
    dropped, filled = order(batch=10), order(batch=10, drop_last=False)
    assert dropped.shape == (12, 10) and filled.shape == (13, 10)
    assert set(filled.ravel()) == set(range(len(LABELS)))
    np.testing.assert_array_equal(filled.ravel()[124:], filled.ravel()[:6])


def test_a_set_smaller_than_a_batch_is_refused():
    with pytest.raises(ConfigError, match=r"fewer clips than one batch(.|\n)*124 clips(.|\n)*200"):
        order(batch=200)
    assert order(batch=200, repeat=2).shape == (1, 200)
    assert order(batch=200, drop_last=False).shape == (1, 200)


def test_samplers_by_class_need_labels_and_uniform_does_not():
    unknown = np.full(20, -1)
    assert epoch_order(0, 0, 20, 5, labels=unknown).shape == (4, 5)
    for labels in (None, unknown):
        with pytest.raises(ConfigError, match="needs a label"):
            epoch_order(0, 0, 20, 5, sampler="balanced", labels=labels)
    with pytest.raises(ConfigError, match="did you mean 'balanced'"):
        order(sampler="balance")


@pytest.mark.parametrize("n, batch", [(10, 4), (8, 4), (1, 4), (5, 1)])
def test_eval_batches_show_each_clip_once_in_order(n, batch):
    index, valid = eval_batches(n, batch)
    assert index.shape == valid.shape == (-(-n // batch), batch)
    assert index[valid].tolist() == list(range(n))
    assert (index >= 0).all() and (index < n).all()


def store(subjects):
    n = len(subjects)
    rows = np.arange(n, dtype=np.int32)
    return Store(
        frames=np.zeros((n, 1, 20, 3), np.float32),
        offset=rows,
        length=np.ones(n, np.int32),
        label=rows % 4,
        name=rows.astype(str),
        facts={"subject": np.array(subjects)},
        classes=("a", "b", "c", "d"),
        layout="ucla20",
    )


def test_hold_out_by_subject_and_by_class():
    one = store(np.repeat(np.arange(10), 12))
    train, val = hold_out(one, "subject", 0.25, seed=1)
    assert sorted([*train, *val]) == list(range(120)) and 30 <= len(val) <= 42
    assert not set(one.facts["subject"][train]) & set(one.facts["subject"][val])
    train, val = hold_out(one, "class", 0.2, seed=1)
    assert sorted([*train, *val]) == list(range(120))
    assert np.bincount(one.label[val]).tolist() == [6, 6, 6, 6]
    assert (hold_out(one, "class", 0.2, seed=2)[1] != val).any()
    np.testing.assert_array_equal(hold_out(one, "class", 0.2, seed=1)[1], val)


def test_hold_out_refuses_what_cannot_be_divided():
    with pytest.raises(DataError, match="cannot be divided"):
        hold_out(store([1] * 8), "subject", 0.2, seed=0)
    with pytest.raises(ConfigError, match="unknown column 'camera'"):
        hold_out(store([1] * 8), "camera", 0.2, seed=0)
