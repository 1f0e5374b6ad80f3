"""augment/* and format/*: changes of a clip (M,T,V,C) with the random draws given."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from parity.shapes import Kinect, chain, classic, ctvm
from skeljax.data import augment, recipes, sample
from skeljax.data.sources import Whole
from skeljax.data.store import Store, fit_bodies
from skeljax.data.streams import stream
from skeljax.readers import Clip


def linear(matrix):
    """A kind that multiplies every point by ``matrix(given)``."""
    return lambda given: {"keypoint": augment.linear(given["keypoint"], matrix(given))}


def frames(index):
    """A kind that picks the frames ``index(given, T)``."""
    return lambda given: {
        "keypoint": given["keypoint"][:, index(given, given["keypoint"].shape[1])]
    }


def spatial_flip(given, *, layout: Kinect):
    return {"keypoint": augment.spatial_flip(given["keypoint"], classic(layout).mirror)}


def temporal_crop(given, *, padding_ratio: int = 6):
    return frames(lambda g, t: sample.mirrored_crop_index(t, g["start"], t, padding_ratio))(given)


def shear(given, *, amplitude: float = 0.5):
    assert np.abs(given["draws"]).max() <= amplitude
    return linear(lambda g: augment.shear_matrix(g["draws"]))(given)


def part_drop(given):
    keep = augment.side_masks(classic("nturgb+d"))[int(given["part"])]
    return {"keypoint": augment.drop_joints(given["keypoint"], keep)}


def gcn_input(
    given, *, num_person: int, num_clips: int = 1, mode: Literal["zero", "loop"] = "zero"
):
    # Upstream's loop mode pads with zeros too.
    x = fit_bodies(given["keypoint"], num_person)
    x = x.reshape(len(x), num_clips, -1, *x.shape[2:])
    return {"keypoint": x.swapaxes(0, 1)}


def pad_to(given, *, length: int, mode: Literal["loop", "zero"] = "loop"):
    layout = chain(given["keypoint"].shape[2])
    clip = Clip("clip", given["keypoint"].astype(np.float32), 0, layout.name)
    recipe = (Whole(length, loop=mode == "loop"),)
    store = Store.from_clips([clip], layout=layout, classes=["a"])
    data = recipes.device_data(store, recipe)
    joint = stream(layout, "joint")
    return {"keypoint": recipes.render(recipe, data, jnp.arange(1), jax.random.key(0), joint)[0]}


def clr_shear(given, *, amplitude: float, row: int):
    assert np.abs(given["draws"][row]).max() <= amplitude
    return {"x": ctvm(augment.linear(ctvm(given["x"]), augment.shear_matrix(given["draws"][row])))}


def clr_temporal_crop(given, *, padding_ratio: int, row: int):
    frames = given["x"].shape[1]
    index = sample.mirrored_crop_index(frames, given["start"][row], frames, padding_ratio)
    return {"x": given["x"][:, index]}


def clr_window(given, *, size: int, center: bool):
    begin = sample.window_start(given["x"].shape[1], size) if center else int(given["begin"])
    return {"x": given["x"][:, begin : begin + size]}


def clr_resize(given, *, size: int):
    return {"x": ctvm(sample.resize(ctvm(given["x"]), 0, given["x"].shape[1], size))}


KINDS = {
    "augment/random_rot": linear(lambda g: augment.rotation(g["theta"])),
    "augment/random_scale": linear(lambda g: jnp.diag(g["factor"])),
    "augment/spatial_flip": spatial_flip,
    "augment/temporal_flip": frames(lambda g, t: sample.reverse_index(t, t)),
    "augment/temporal_shift": frames(lambda g, t: sample.shift_index(t, g["shift"], t)),
    "augment/temporal_crop": temporal_crop,
    "augment/shear": shear,
    "augment/mask_axis": lambda given: {
        "keypoint": augment.mask_axis(given["keypoint"], given["axis"])
    },
    "augment/part_drop": part_drop,
    "augment/clr_shear": clr_shear,
    "augment/clr_temporal_crop": clr_temporal_crop,
    "augment/clr_window": clr_window,
    "augment/clr_resize": clr_resize,
    "format/gcn_input": gcn_input,
    "format/pad_to": pad_to,
}
