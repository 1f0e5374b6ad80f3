"""Reading other people's pickles without running what is in them."""

from __future__ import annotations

import collections
import io
import pickle

import numpy as np

from skeljax.errors import DataError

# What NumPy arrays, dtypes and scalars are rebuilt from, under the module names of NumPy 1 and 2.
_ARRAY = {
    "_reconstruct": np.zeros(0).__reduce__()[0],
    "scalar": np.float32(0).__reduce__()[0],
}
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    **{
        (f"numpy.{core}.multiarray", name): value
        for core in ("core", "_core")
        for name, value in _ARRAY.items()
    },
}


def _frombuffer(buffer, dtype, shape, order):
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _bytearray(*args):
    if args and isinstance(args[0], int):  # that many zeros: a few bytes of a file, all of memory
        raise pickle.UnpicklingError(f"a bytearray of {args[0]:,} zeros")
    return bytearray(*args)


def _latin1(text, encoding):
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle._Unpickler):
    """The one in Python: in C a single damaged number, the place of a memo, can ask for all of
    memory."""

    def find_class(self, module, name):
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        # Python functions are handed out wrapped anew: a pickle can set attributes on them.
        if name == "_frombuffer" and module in ("numpy.core.numeric", "numpy._core.numeric"):
            return lambda *args: _frombuffer(*args)
        if (module, name) == ("builtins", "bytearray"):
            return lambda *args: _bytearray(*args)
        if (module, name) == ("_codecs", "encode"):  # bytes of protocols 0 to 2
            return lambda *args: _latin1(*args)
        raise _Forbidden(f"{module}.{name}")


class _Forbidden(Exception):
    pass


def load(path):
    """The arrays, numbers, strings and plain containers of a pickle, of Python 2 or 3.

    Nothing in the file is imported or called but what rebuilds NumPy arrays, dtypes and scalars.

    Raises:
      DataError: no such file, no pickle, or one that holds anything else.
    """
    try:
        with open(path, "rb") as file:
            return _load(file, path)
    except OSError as error:
        raise DataError("cannot read the file", where=path, found=error.strerror) from None


def loads(content: bytes, where):
    """The same of a pickle's bytes; `where` is its path, for messages."""
    return _load(io.BytesIO(content), where)


def _load(file, where):
    try:
        found = _Unpickler(file, encoding="latin1").load()
        if callable(found):
            raise pickle.UnpicklingError(f"it ends at {found!r}")
        return found
    except _Forbidden as error:
        raise DataError(
            "the pickle holds more than arrays and plain containers; it was not read further",
            where=where,
            found=error,
            do="save arrays, dicts and lists only, or an .npz",
        ) from None
    except Exception as error:  # a damaged pickle may fail in any of its opcodes
        raise DataError(
            "this is no readable pickle", where=where, found=f"{type(error).__name__}: {error}"
        ) from None
