"""Pickles come back as NumPy's own unpickling gives them, of every protocol."""

import collections
import pickle

import numpy as np
import pytest

from skeljax import safe_pickle
from skeljax.errors import DataError

VALUES = {
    "array": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype="f2").reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "bool": np.array([True, False]),
    "str": np.array(["ab", "c"]),
    "bytes": np.array([b"ab"]),
    "object": np.array(["q", None], object),
    "empty": np.zeros((0, 3)),
    "scalar array": np.array(5.0),
    "float": np.float32(2.5),
    "int": np.int64(3),
    "plain": [{"a": (1, 2.5, "\u00e9", b"\xff", b"", bytearray(b"x"), {1}, 2j, None, True)}],
    "ordered": collections.OrderedDict(a=1),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_as_the_usual_unpickling(value, protocol):
    text = pickle.dumps({"value": value}, protocol=protocol)
    want, found = (
        load(text)["value"] for load in (pickle.loads, lambda t: safe_pickle.loads(t, "a"))
    )
    if isinstance(want, (np.ndarray, np.generic)):
        assert (found.dtype, found.shape) == (want.dtype, want.shape)
        np.testing.assert_array_equal(found, want)
    else:
        assert found == want


def test_records_are_refused():
    with pytest.raises(DataError, match="records"):
        safe_pickle.loads(pickle.dumps(np.zeros(2, [("a", "f4")])), "a")
