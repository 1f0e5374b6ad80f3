"""end_to_end/*: raw files and a public checkpoint in, through the verbs' own code."""

import dataclasses
import pathlib
import tempfile
from typing import Literal

import numpy as np

from skeljax import convert, predict
from skeljax.interop.settings import Given


@dataclasses.dataclass(frozen=True)
class Model:
    """The object ``model``: what `convert` has to find out by itself."""

    hidden_channels: int
    hidden_dim: int
    num_classes: int
    layout: Literal["nturgb+d"]
    partition: Literal["direction", "distance"]
    in_channels: int = 3
    dropout: float = 0.0
    edge_importance_weighting: bool = True
    fc_type: Literal["linear", "conv"] = "linear"


def raw_to_class(given, *, model: Model, t_length: int, clips: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        convert.convert(given.case.checkpoint(), run, Given(prepare=f"contrastive{t_length}"))
        found = predict.look(run, [given.case.file(name) for name in clips])
    assert not any(found.faults) and len(found.classes) == model.num_classes
    assert (found.logits.argmax(-1) == given["label"]).all()
    position = [found.store.keypoints(i).transpose(3, 1, 2, 0) for i in range(len(clips))]
    return {"position": np.stack(position), "logits": found.logits}


KINDS = {"end_to_end/predict": raw_to_class}
