"""transform/* and pipeline/*: normalisation, streams, and the whole way to the network's input."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from parity.shapes import Name, classic, ctvm, padded, pyskl, to_streams
from skeljax.data import augment, prepare_clip, recipes, sample
from skeljax.data.store import Store
from skeljax.data.streams import stream
from skeljax.layouts import Layout, get_layout
from skeljax.readers import Clip

Modality = Literal["j", "b", "k", "l", "n", "jm", "bm", "km", "lm", "nm"]


def modality(given, *, layout: Name, modalities: list[Modality]):
    x = given["keypoint"]
    if "keypoint_score" in given:
        x = np.concatenate([x, given["keypoint_score"][..., None]], axis=-1)
    return to_streams(x, pyskl(layout), modalities, published=True)


def prenorm3d(given, *, dtype: Literal["float16", "float32"] = "float32"):
    x = given["keypoint"]
    centre = 1 if x.shape[2] == 25 else x.shape[2] - 1
    y, origin = prepare_clip.normalise_3d(x, centre, dtype=np.dtype(dtype))
    return {"keypoint": y, "total_frames": y.shape[1], "body_center": origin}


def prenorm2d(given, *, img_shape: list[int] = (1080, 1920)):
    return {"keypoint": prepare_clip.normalise_2d(given["keypoint"], tuple(img_shape))}


@jax.jit
def _ucla_points(x, view):
    """(1,T,V,C) -> centred, turned by (degrees x, degrees y, scale), each axis to [-1,1]."""
    x = augment.centre(x, 1, 3)
    x = augment.linear(x, augment.view_rotation(view[0], view[1]) * view[2])
    return augment.min_max(x, augment.present(x), 3)


def ucla_points(raw, view=None) -> np.ndarray:
    """(T,V,C) of the JSON -> (1,T,V,C) before the frames are drawn."""
    view = np.asarray((0, 0, 1) if view is None else view, float)
    return np.asarray(_ucla_points(padded(raw[None]), view))[:, : len(raw)]


def nwucla_generate(given, *, resample: int | None = None):
    with jax.enable_x64(True):  # the kind is one of double precision
        x = ucla_points(given["skeleton"], given.get("view"))[0]
    return {"skeleton": x if resample is None else x[sample.linspace_np(len(x), resample)]}


def rendered(clips: list[Clip], layout: Layout, recipe, name: str, prepare="none") -> np.ndarray:
    """(L,N,M,T,V,C): the clips through the store and a deterministic recipe; L test clips each."""
    store = Store.from_clips(clips, layout=layout, classes=["a"], num_person=2, prepare=prepare)
    data = recipes.device_data(store, recipe)
    render = jax.jit(recipes.render, static_argnums=0)
    index, of = jnp.arange(len(store)), stream(layout, name, published=True)
    views = range(recipes.num_clips(recipe))
    return np.stack([render(recipe, data, index, jax.random.key(0), of, k) for k in views])


def pipeline_brl(
    given,
    *,
    layout: Literal["nturgb+d"],
    modality: Modality,
    clip_len: int,
    num_clips: int,
    num_person: int = 2,
    clips: list[int] | None = None,
):
    assert num_person == 2
    of = pyskl(layout)
    clip = Clip("clip", given["keypoint"], 0, of.name)
    recipe = recipes.brl(of, clip_len, test_clips=num_clips)[1]
    x = rendered([clip], of, recipe, modality, prepare="prenorm3d_float16")[:, 0]
    return {"keypoint": x if clips is None else x[clips], "shape": np.array(x.shape)}


def clr_streams(given):
    names = {"joint": "joint", "bone": "bone", "joint_motion": "motion"}
    rows = [to_streams(ctvm(x), classic("nturgb+d"), list(names)) for x in given["x"]]
    return {role: np.stack([ctvm(row[name]) for row in rows]) for name, role in names.items()}


def clr_preprocess(given, *, t_length: int):
    layout = classic("nturgb+d")
    found = {}
    for i, x in enumerate(given["data"]):
        clip = Clip(f"clip{i}", ctvm(x), 0, layout.name)
        length = int((np.abs(clip.keypoints[0, :, 0]).sum(axis=-1) != 0).sum())
        # Upstream's motion file, which no training reads: of the raw coordinates, then resized.
        motion = np.diff(clip.keypoints, axis=1, append=np.zeros_like(clip.keypoints[:, :1]))
        motion[:, -1] = 0
        position = prepare_clip.contrastive(clip, layout, t_length, counted=True).keypoints
        found |= {
            f"position/{i}": ctvm(position),
            f"motion/{i}": ctvm(sample.resize_np(motion[:, :length], t_length)),
            f"label/{i}": given["label"][i] - given["label"].min(),
            f"length/{i}": length,
        }
    return found


def pipeline_hand(given, *, clip_len: int, prenorm2d: Literal["auto"]):
    layout = get_layout("hand21")
    clip = prepare_clip.prenorm2d_auto(Clip("clip", given["keypoint"], 0, layout.name), layout)
    index = sample.uniform_test_np(clip.keypoints.shape[1], clip_len)[0]
    return {"keypoint": clip.keypoints[:, index]}


KINDS = {
    "pipeline/hand": pipeline_hand,
    "transform/clr_preprocess": clr_preprocess,
    "transform/modality": modality,
    "transform/prenorm3d": prenorm3d,
    "transform/prenorm2d": prenorm2d,
    "transform/nwucla_generate": nwucla_generate,
    "transform/clr_streams": clr_streams,
    "pipeline/brl": pipeline_brl,
}
