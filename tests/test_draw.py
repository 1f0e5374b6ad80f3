"""Pictures of skeletons: what is in them, and files that cannot be drawn."""

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

from skeljax import draw
from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError
from skeljax.layouts import get_layout
from skeljax.readers import Clip


def walk(layout="ucla20", bodies=1, frames=9):
    of = get_layout(layout)
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1, (bodies, frames, of.num_joints, of.channels))
    return x.astype(np.float32)


def bones(ax):
    return [c for c in ax.collections if isinstance(c, LineCollection)]


def test_strip_shows_every_bone_of_evenly_spread_frames_in_its_place():
    layout, x = get_layout("ucla20"), walk()
    figure = draw.draw_clip(x, layout, frames=3)
    assert [ax.get_title() for ax in figure.axes] == ["0", "4", "8"]
    (lines,) = bones(figure.axes[1])
    drawn = np.array(lines.get_segments())
    expected = [x[0, 4, [v, p], :2] for v, p in enumerate(layout.parents) if v != p]
    np.testing.assert_allclose(drawn, expected)


def test_left_and_right_have_their_colours():
    layout = get_layout("ntu25")
    (lines,) = bones(draw.draw_clip(walk("ntu25"), layout, frames=1).axes[0])
    children = [v for v, p in enumerate(layout.parents) if v != p]
    for side, colour in (("left", draw._LEFT), ("right", draw._RIGHT)):
        bone = children.index(layout.joints.index(f"{side}_knee"))
        assert matplotlib.colors.same_color(lines.get_colors()[bone], colour)


def test_an_absent_body_is_not_drawn_at_the_origin():
    layout, x = get_layout("ucla20"), walk(bodies=2)
    x[1] = 0
    ax = draw.draw_clip(x, layout, frames=1).axes[0]
    first, second = bones(ax)
    assert [len(line) for line in first.get_segments()] == [2] * 19
    assert [len(line) for line in second.get_segments()] == [0] * 19
    assert ax.get_xlim()[0] > 0.4


def test_joints_of_no_confidence_are_left_out_and_images_have_y_downwards():
    layout, x = get_layout("coco17"), walk("coco17")
    x[0, :, 9, 2] = 0
    ax = draw.draw_clip(x, layout, frames=1).axes[0]
    children = [v for v, p in enumerate(layout.parents) if v != p]
    whole = [len(line) == 2 for line in bones(ax)[0].get_segments()]
    assert [v for v, drawn in zip(children, whole, strict=True) if not drawn] == [9]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_up_axis_and_too_short_clips():
    layout, x = get_layout("ucla20"), walk(frames=1)
    (lines,) = bones(draw.draw_clip(x, layout, up="z").axes[0])
    np.testing.assert_allclose(lines.get_segments()[0][0], x[0, 0, 0, [0, 2]])
    with pytest.raises(ConfigError, match="unknown axis"):
        draw.draw_clip(x, layout, up="w")
    with pytest.raises(DataError, match="nobody"):
        draw.draw_clip(0 * x, layout)


def test_verb_on_a_store(tmp_path, capsys):
    clips = [Clip(f"a{i}", walk(bodies=2), i, "ucla20") for i in range(2)]
    store = Store.from_clips(clips, layout="ucla20", classes=["sit", "stand"])
    store.save(tmp_path / "store.npz")
    out = tmp_path / "clip.gif"
    draw.main([str(tmp_path / "store.npz"), "--clip", "a1", "--out", str(out)])
    assert capsys.readouterr().out == f"wrote {out}\n"
    with Image.open(out) as picture:
        assert picture.n_frames == 9
    with pytest.raises(DataError, match="not in the data"):
        draw.main([str(tmp_path / "store.npz"), "--clip", "b", "--out", str(out)])
    assert draw.load(tmp_path / "store.npz", "a1", None)[2] == "a1  stand"


def test_verb_on_arrays(tmp_path):
    np.save(tmp_path / "x.npy", walk()[0])
    draw.main([str(tmp_path / "x.npy"), "--layout", "ucla20", "--out", str(tmp_path / "x.png")])
    assert Image.open(tmp_path / "x.png").size[0] > 300
    with pytest.raises(ConfigError, match="needs a layout"):
        draw.load(str(tmp_path / "x.npy"), None, None)
    with pytest.raises(DataError, match="wrong number of joints"):
        draw.load(str(tmp_path / "x.npy"), None, "ntu25")
    np.savez(tmp_path / "two.npz", a=1, b=2)
    with pytest.raises(DataError, match="one array"):
        draw.load(str(tmp_path / "two.npz"), None, "ucla20")
    with pytest.raises(DataError, match="cannot read"):
        draw.load(str(tmp_path / "none.npy"), None, "ucla20")
    with pytest.raises(ConfigError, match="unknown picture"):
        draw.main([str(tmp_path / "x.npy"), "--layout", "ucla20", "--out", "x.mp4"])
