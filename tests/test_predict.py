"""Files that a run is asked about: each fault is one file's, and is named with it."""

import numpy as np
import pytest

from skeljax import convert, predict
from skeljax.interop.settings import Given
from test_convert import FLAVOURS, SIZES, STGCN, save, tensors


class Zeros:
    """Stands for the Evaluator: no network."""

    clips = 1

    def __init__(self, job, store, *_):
        self.shape = len(store), 3

    def outputs(self, *_):
        return {"logits": np.zeros(self.shape)}


@pytest.mark.parametrize(
    "bad, fields, message",
    [
        (np.ones((3, 9, 25, 3)), {}, "one or two bodies"),
        (np.full((9, 25, 3), 1e6), {"data.prepare": "none", "data.storage": "float16"}, "frame 0"),
    ],
)
def test_a_clip_that_the_preparation_refuses(bad, fields, message, tmp_path, monkeypatch):
    """It stopped all files, and the message did not say which it was."""
    made = tensors(STGCN, "ntu25_pyskl", classes=3, **SIZES, **FLAVOURS["importance"])
    convert.convert(save(tmp_path / "a.pth", made), tmp_path / "run", Given(fields=fields))
    monkeypatch.setattr(predict, "Evaluator", Zeros)
    files = [tmp_path / f"{name}.npy" for name in ("one", "bad", "two")]
    for path, values in zip(files, (np.ones((8, 25, 3)), bad, np.ones((2, 7, 25, 3)))):
        np.save(path, values)
    found = predict.look(tmp_path / "run", files)
    assert [fault is None for fault in found.faults] == [True, False, True]
    assert str(files[1]) in str(found.faults[1]) and message in str(found.faults[1])
    assert found.probabilities.shape == (2, 3)
