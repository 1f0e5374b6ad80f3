"""Reading other people's pickles without running what is in them."""

from __future__ import annotations

import collections
import io
import math
import operator
import pickle

import numpy as np

from skeljax.errors import DataError


class _Dtype:
    """Stands for a dtype: NumPy's own crashes on a damaged state. Structured ones are refused."""

    def __init__(self, name, align=False, copy=False):
        self.dtype = np.dtype(str(name))

    def __setstate__(self, state):
        _, order, *rest = state
        if any(part is not None for part in rest[:3]):
            raise pickle.UnpicklingError("an array of records")
        if self.dtype.kind not in "MmVSO":  # dates keep their unit in the name
            self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array whose state is looked at before NumPy takes it."""

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        size = math.prod(map(operator.index, shape))
        wanted = size * (1 if isinstance(data, list) else dtype.dtype.itemsize)
        if min(shape, default=0) < 0 or isinstance(data, list) != dtype.dtype.hasobject:
            raise pickle.UnpicklingError(f"an array of shape {shape}")
        if not isinstance(data, (bytes, list)) and not isinstance(data, str):
            raise pickle.UnpicklingError(f"an array of {type(data).__name__}")
        if len(data) != wanted:
            raise pickle.UnpicklingError(f"{len(data):,} bytes of an array of {wanted:,}")
        if isinstance(data, str):  # of Python 2
            data = data.encode("latin1")
        super().__setstate__((1, tuple(shape), dtype.dtype, bool(fortran), data))


def _reconstruct(kind, shape, code):
    return np.ndarray.__new__(_Array, (0,), np.int8)


def _scalar(dtype, data):
    if isinstance(data, str):
        data = data.encode("latin1")
    return np.frombuffer(data, dtype.dtype, 1)[0]


def _frombuffer(buffer, dtype, shape, order):
    return np.frombuffer(buffer, dtype.dtype).reshape(shape, order=order)


def _bytearray(*args):
    if args and isinstance(args[0], int):  # that many zeros: a few bytes of a file, all of memory
        raise pickle.UnpicklingError(f"a bytearray of {args[0]:,} zeros")
    return bytearray(*args)


def _no_bytes():
    return b""  # as protocols 0 to 2 have it


def _latin1(text, encoding):
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


# What arrays, dtypes and scalars are rebuilt from; NumPy 1 and 2 have different module names.
_FUNCTIONS = {
    **{
        (f"numpy.{core}.{name}", function): make
        for core in ("core", "_core")
        for name, function, make in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "bytes"): _no_bytes,
    ("_codecs", "encode"): _latin1,  # bytes of protocols 0 to 2
}
_CLASSES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
}


class _Unpickler(pickle._Unpickler):
    """The one in Python: in C a single damaged number, the place of a memo, can ask for all of
    memory."""

    def find_class(self, module, name):
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) in _CLASSES:
            return _CLASSES[module, name]
        if (module, name) in _FUNCTIONS:  # wrapped anew: a pickle can set attributes on them
            function = _FUNCTIONS[module, name]
            return lambda *args: function(*args)
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
