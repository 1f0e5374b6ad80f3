"""Tensors of a text encoder by name, from safetensors or .npz; without PyTorch."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from skeljax import files
from skeljax.errors import CheckpointError

_DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8,
    "BOOL": np.bool_,
}  # fmt: skip


def find_weights(path) -> pathlib.Path:
    """The weights file `path`, or ``model.safetensors`` or ``model.npz`` in the folder `path`."""
    path = pathlib.Path(path).expanduser()
    for candidate in (path, path / "model.safetensors", path / "model.npz"):
        if candidate.is_file():
            return candidate
    raise CheckpointError(
        "there are no weights of a text encoder",
        where=path,
        expected="a .safetensors or .npz file, or a folder with model.safetensors",
    )


def read_weights(path) -> Mapping[str, np.ndarray]:
    """Name -> array of a ``.safetensors`` or ``.npz`` file; the former is mapped, not copied.

    Raises:
      CheckpointError: neither of them, or cut off.
    """
    path = pathlib.Path(path)
    if path.suffix == ".npz":
        return files.read_npz(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(
            "weights of a text encoder are read from .safetensors or .npz",
            where=path,
            do="convert a .pt once, with PyTorch: see docs/language.md",
        )
    try:
        data = np.memmap(path, np.uint8, "r")
        size = int.from_bytes(data[:8].tobytes(), "little")
        header = json.loads(data[8 : 8 + size].tobytes())
        header.pop("__metadata__", None)
        body = data[8 + size :]
        return {name: _tensor(body, about) for name, about in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("no whole safetensors file", where=path, found=error) from None


def _tensor(body, about):
    first, last = about["data_offsets"]
    if last > len(body):
        raise ValueError("the file is cut off")
    return body[first:last].view(_DTYPES[about["dtype"]]).reshape(about["shape"])


def digest(path) -> str:
    """sha256 of a file, 16 digits of it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def take(tensors: Mapping, name: str):
    """The tensor `name`, floating point as at least float32.

    Raises:
      CheckpointError: it is not there.
    """
    if name not in tensors:
        found = ", ".join(sorted(tensors)[:3])
        raise CheckpointError(f"the weights have no tensor {name!r}", found=f"{found} ...")
    value = tensors[name]
    return value.astype(jnp.promote_types(value.dtype, jnp.float32))


def dense(tensors: Mapping, name: str) -> dict:
    """Parameters of a Flax Dense from PyTorch's Linear."""
    return {"kernel": take(tensors, f"{name}.weight").T, "bias": take(tensors, f"{name}.bias")}


def norm(tensors: Mapping, name: str) -> dict:
    """Parameters of a Flax LayerNorm from PyTorch's."""
    return {"scale": take(tensors, f"{name}.weight"), "bias": take(tensors, f"{name}.bias")}
