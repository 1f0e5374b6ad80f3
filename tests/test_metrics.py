"""Against loops over clips that a reader can check by eye, and cases worked out by hand."""

import numpy as np
import pytest

from skeljax import metrics
from skeljax.errors import ConfigError, DataError

SCORES = np.array([[3, 1, 2, 0], [0, 5, 4, 1], [1, 0, 2, 0], [2, 0, 1, 0], [0, 1, 0, 9]], float)
LABEL = np.array([0, 2, 2, 1, 0])  # predictions: 0 1 2 0 3


def random_scores(n=50, k=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, k)), rng.integers(0, k - 1, n)


def test_topk_by_hand():
    assert metrics.topk(SCORES, LABEL) == 2 / 5
    assert metrics.topk(SCORES, LABEL, 2) == 3 / 5
    assert metrics.topk(SCORES, LABEL, 9) == 1


def test_a_constant_score_is_not_a_hit_for_every_class():
    assert metrics.topk(np.zeros((4, 4)), np.arange(4)) == 1 / 4


def test_confusion_counts_true_by_predicted():
    scores, label = random_scores()
    expected = np.zeros((7, 7), int)
    for row, true in zip(scores, label):
        expected[true, row.argmax()] += 1
    np.testing.assert_array_equal(metrics.confusion(scores, label), expected)


def test_mean_class_counts_a_class_that_is_only_predicted_and_leaves_out_one_that_is_not():
    # classes 0: 1/2, 1: 0/1, 2: 1/2, 3: predicted, no clips -> 0
    assert metrics.mean_class(SCORES, LABEL) == pytest.approx(1 / 4)
    wider = np.pad(SCORES, ((0, 0), (0, 3)), constant_values=-1)
    assert metrics.mean_class(wider, LABEL) == pytest.approx(1 / 4)
    np.testing.assert_array_equal(metrics.per_class(SCORES, LABEL), [0.5, 0, 0.5, 0])


def test_fuse_is_the_weighted_sum_and_wants_one_weight_a_stream():
    a, b = np.eye(3), np.ones((3, 3))
    np.testing.assert_allclose(metrics.fuse([a, b], [2, 0.5]), 2 * np.eye(3) + 0.5)
    with pytest.raises(ConfigError, match="1 weights"):
        metrics.fuse([a, b], [1])


def test_fuse_l2_ignores_the_scale_of_a_stream():
    a, b = random_scores()[0], random_scores(seed=1)[0]
    np.testing.assert_allclose(metrics.fuse_l2([a, b]), metrics.fuse_l2([7 * a, b / 3]))
    np.testing.assert_allclose(metrics.fuse_l2([[[3.0, 4.0]]]), [[0.6, 0.8]])


def test_clip_average_is_a_mean_of_probabilities_not_of_logits():
    logits = np.log([[[0.9, 0.1], [0.2, 0.8]]])
    np.testing.assert_allclose(metrics.clip_average(logits), [[0.55, 0.45]])
    np.testing.assert_allclose(metrics.softmax([1e4, 0.0]), [1, 0])


def test_shots_of_the_published_lists():
    # NTU60-LT, imbalance 100: 600 clips falling to 6 over 60 classes; 23 / 21 / 16 classes.
    counts = [int(600 * 0.01 ** (c / 59)) for c in range(60)]
    assert [m.sum() for m in metrics.shots(counts).values()] == [23, 21, 16]
    edges = metrics.shots([101, 100, 20, 19])
    assert edges["many"].tolist() == [True, False, False, False]
    assert edges["few"].tolist() == [False, False, False, True]
    assert sum(edges.values()).tolist() == [1, 1, 1, 1]


def test_thirds_split_by_count_and_the_tail_takes_the_rest():
    groups = metrics.thirds([5, 9, 1, 7, 3])
    assert np.flatnonzero(groups["head"]).tolist() == [1]
    assert np.flatnonzero(groups["middle"]).tolist() == [3]
    assert np.flatnonzero(groups["tail"]).tolist() == [0, 2, 4]


def test_group_accuracy_averages_classes_and_skips_untested_ones():
    groups = {"a": np.array([1, 1, 0, 0], bool), "b": np.array([0, 0, 0, 1], bool)}
    found = metrics.group_accuracy(SCORES, LABEL, groups)
    assert found["a"] == pytest.approx(0.25)
    assert np.isnan(found["b"])


def test_ece_by_hand_and_of_perfect_calibration():
    prob = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert metrics.ece(prob, [0, 1, 0]) == pytest.approx((2 * 0.4 + 0.4) / 3)
    tossed = np.tile([0.75, 0.25], (4, 1))
    assert metrics.ece(tossed, [0, 0, 0, 1]) == pytest.approx(0)


def test_confused_pairs_are_mistakes_only_commonest_first():
    matrix = [[5, 0, 1], [3, 9, 0], [0, 0, 4]]
    assert metrics.confused_pairs(matrix) == [(1, 0, 3, 0.25), (0, 2, 1, pytest.approx(1 / 6))]
    assert metrics.confused_pairs(matrix, top=1) == [(1, 0, 3, 0.25)]


@pytest.mark.parametrize(
    "scores, label, said",
    [
        (np.zeros((3, 4)), [0, 1], "do not fit"),
        (np.zeros((0, 4)), [], "do not fit"),
        (np.zeros((2, 4)), [0, 4], "label 4 in row 1"),
        (np.zeros((2, 4)), [-1, 0], "label -1"),
        ([[0, np.nan]], [0], "not finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(scores, label, said):
    with pytest.raises(DataError, match=said):
        metrics.topk(scores, label)
