"""Pictures of features: the parts of t-SNE against what defines them."""

import numpy as np
import pytest

from skeljax import embedding, plots, report, scores
from skeljax.scores import Scores


def groups(count=60, dims=8, classes=3, seed=0):
    """(features, labels) of classes that lie apart."""
    draw = np.random.default_rng(seed)
    label = np.arange(count) % classes
    return 4 * draw.normal(size=(classes, dims))[label] + draw.normal(size=(count, dims)), label


def test_pca_keeps_the_distances_of_a_plane_and_tells_its_share():
    draw = np.random.default_rng(1)
    flat = draw.normal(size=(20, 2)) * (3, 1)
    turn, _ = np.linalg.qr(draw.normal(size=(5, 5)))
    found, share = embedding.pca(flat @ turn[:2] + 7)
    assert share.sum() == pytest.approx(1) and share[0] > share[1]
    distances = [embedding.squared_distances(points) for points in (found, flat)]
    np.testing.assert_allclose(*distances, atol=1e-10)
    alone, share = embedding.pca(np.arange(4.0)[:, None])
    assert alone.shape == (4, 2) and not alone[:, 1].any() and share.tolist() == [1, 0]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_every_row_of_neighbours_has_the_perplexity(scale):
    x, _ = groups()
    x[3] += 100  # far from all others
    p = embedding.neighbours(embedding.squared_distances(scale * x), 7.0)
    np.testing.assert_allclose(p.sum(1), 1)
    assert not p.diagonal().any()
    entropy = -(p * np.log2(np.where(p > 0, p, 1))).sum(1)
    np.testing.assert_allclose(2**entropy, 7.0, rtol=1e-6)


def test_the_gradient_is_that_of_the_divergence():
    x, _ = groups(12)
    p = embedding.neighbours(embedding.squared_distances(x), 3.0)
    p = (p + p.T) / (2 * len(p))
    y = np.random.default_rng(2).normal(size=(12, 2))
    found = embedding.gradient(y, p)
    for at in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[at] = 1e-6
        slope = (embedding.divergence(y + step, p) - embedding.divergence(y - step, p)) / 2e-6
        assert found[at] == pytest.approx(slope, abs=1e-8)


def test_tsne_keeps_classes_together_and_does_better_than_its_start():
    x, label = groups()
    y = embedding.tsne(x, perplexity=8)
    distance = embedding.squared_distances(y)
    np.fill_diagonal(distance, np.inf)
    assert (label[distance.argmin(1)] == label).all()
    p = embedding.neighbours(embedding.squared_distances(x), 8)
    p = (p + p.T) / (2 * len(p))
    assert embedding.divergence(y, p) < 0.6 * embedding.divergence(embedding.pca(x)[0], p)
    np.testing.assert_array_equal(y, embedding.tsne(x, perplexity=8))


def test_features_that_collapsed_are_one_point():
    y = embedding.tsne(np.ones((12, 4)))
    assert np.isfinite(y).all() and np.ptp(y) < 1e-3


def test_a_report_shows_the_features_of_the_scores(tmp_path):
    x, label = groups(30)
    run = Scores(
        np.eye(3, dtype=np.float32)[label],
        np.array([f"c{i}" for i in range(30)]),
        label,
        classes=np.array(["wave", "sit", "kick"]),
        feature=x.astype(np.float32),
    )
    scores.write(tmp_path / "s.npz", run)
    read = scores.read(tmp_path / "s.npz")
    np.testing.assert_allclose(read.feature, x, rtol=1e-3)
    np.testing.assert_array_equal(read.take([4, 2]).feature, read.feature[[4, 2]])
    report.write_report(tmp_path / "s.npz", out=tmp_path / "out")
    assert (tmp_path / "out" / "features.png").stat().st_size > 10_000
    (flat, near), shown = report.panels(read)[0].values(), report.panels(read)[1]
    assert flat.shape == near.shape == (30, 2) and shown.tolist() == label.tolist()
    assert report.panels(read.replace(feature=None)) is None
    assert report.panels(read.replace(feature=np.full((30, 2), np.inf))) is None
    with pytest.raises(scores.DataError, match="'feature' does not fit"):
        read.replace(feature=np.zeros((29, 2)))


def test_120_classes_have_120_marks_and_a_legend_of_columns():
    label = np.arange(120)
    names = [f"a class with a long name {c}" for c in label]
    figure = plots.features({"one": np.random.default_rng(0).normal(size=(120, 2))}, label, names)
    marks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in figure.axes[0].collections
    }
    assert len(marks) == 120
    assert len(figure.legends[0].get_texts()) == 120
