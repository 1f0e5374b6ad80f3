"""Names and layout of public PyTorch checkpoints <-> our variables.

Every leaf of our variables is one tensor of the checkpoint, or several side by side on its last
axis where we merge convolutions into one product. `FAMILIES` says which, by the path of the leaf or
of its module; the rest follows from the leaf:

    ours                         PyTorch
    kernel (C, D)                weight (D, C, 1, 1), of a Linear (D, C)
    kernel (K, C, D)             weight (D, C, K, 1), of a Conv1d (D, C, K),
                                 of a Conv3d over joints' windows (D, C, 1, K, 1)
    scale, bias (D,)             weight, bias (D,)
    mean, var (D,)               running_mean, running_var (D,)
    alpha ()                     alpha (1,)

A name may end in ``:linear``, ``:conv1d`` or ``:conv3d``, the kind of a module's weight, or, where
it names a tensor itself, in ``:map`` (D,) -> (1, D, 1, 1); ``a=b`` names a tensor that stands there
twice.

From a checkpoint to a prediction:

    net = Classifier(BACKBONES["ctrgcn"](layout=layout, num_person=2), Linear(60))
    variables = net.init(key, x, train=False)
    variables, report = load_state_dict(read_pt("runs-64.pt"), variables, "ctrgcn")
    print(report)
    logits, features = net.apply(variables, x, train=False)

A state dict is any ``{name: array}``, such as a parity case's
``{name: given[name] if name in given else fill(name, shape) for name, shape in tensors.items()}``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import pickletools
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from skeljax.errors import CheckpointError, choose
from skeljax.files import atomic
from skeljax.interop import (
    aagcn,
    contrastive,
    ctrgcn,
    dgstgcn,
    frhead,
    hdgcn,
    infogcn,
    msg3d,
    protogcn,
    stgcn,
    tcagcn,
)

FAMILIES: dict[str, Callable[..., tuple[str, ...] | None]] = {
    "ctrgcn": ctrgcn.official,
    "ctrgcn_pyskl": ctrgcn.pyskl,
    "dgstgcn": dgstgcn.pyskl,
    "infogcn": infogcn.official,
    "hdgcn": hdgcn.official,
    "protogcn": protogcn.official,
    "stgcn": stgcn.pyskl,
    "stgcnpp": stgcn.pyskl,
    "stgcn_original": stgcn.original,
    "stgcn_contrastive": stgcn.contrastive,
    "stgcn_crosclr": stgcn.contrastive,
    "stgcn_frhead": stgcn.frhead,
    "aagcn": aagcn.official,
    "aagcn_pyskl": aagcn.pyskl,
    "tcagcn": tcagcn.official,
    "skeletonclr": contrastive.skeletonclr,
    "skelemixclr": contrastive.skelemixclr,
    "msg3d": msg3d.pyskl,
    "frhead": frhead.head,  # the head alone
    "ctrgcn_lst": ctrgcn.lst,
}
# families whose names also depend on a size of the model -> how it is read off the variables
_SIZES = {"hdgcn": hdgcn.levels, "infogcn": infogcn.heads, "msg3d": msg3d.windows}

_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
# the same tensor under another name: data parallel training, mmaction2 1.x, LST's text encoders
_ALIASES = (
    (re.compile(r"^module\."), ""),
    (re.compile(r"^cls_head\.fc\."), "cls_head.fc_cls."),
    (re.compile(r"^linear_head\.[^.]+\.(?=weight|bias)"), "linear_head."),
)
# not weights: step counters of batch norms, and graphs where no variable learns them
_COUNTER = re.compile(r"(^|\.)num_batches_tracked$")
_GRAPH = re.compile(r"(^|\.)A$")


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of every tensor of a checkpoint and every leaf of the model.

    Attributes:
      loaded: names of the tensors that were taken.
      missing: name and shape of the tensors that the model wants and the checkpoint lacks; the
        model keeps its own values there.
      unused: name and shape of the tensors that the model has no place for; of constant graphs
        `graphs.check` tells more.
    """

    loaded: tuple[str, ...]
    missing: tuple[tuple[str, tuple[int, ...]], ...]
    unused: tuple[tuple[str, tuple[int, ...]], ...]

    def __str__(self):
        lines = [f"loaded {len(self.loaded)} tensors"]
        for kind, tensors in (("missing", self.missing), ("unused", self.unused)):
            lines += [f"{kind} {name} {shape}" for name, shape in tensors]
        return "\n".join(lines)


def load_state_dict(
    state: Mapping[str, np.ndarray], variables: Mapping[str, Any], family: str, *, strict=True
) -> tuple[dict, Report]:
    """Puts the tensors of a checkpoint into a model's variables.

    Args:
      state: name -> array.
      variables: ``{"params": {"backbone", "head"}, "batch_stats": {"backbone"}}`` of the model,
        with the values to keep where the checkpoint has none; either top level may be absent.
      family: whose names the checkpoint uses, one of `FAMILIES`.
      strict: whether the checkpoint must hold every tensor of the model. Tensors that the model
        has no place for are never an error.

    Returns:
      New variables, float32, and the Report.

    Raises:
      CheckpointError: a shape does not fit, `strict` and a tensor is missing, or a tensor that
        stands there twice has two values.
    """
    state = {canonical(name): np.asarray(value) for name, value in state.items()}
    state = {name: value for name, value in state.items() if not _COUNTER.search(name)}
    flat, loaded, missing = flatten_dict(variables), [], []
    find = _family(family, flat)
    for path, leaf in flat.items():
        parts = _tensors(path, leaf.shape, find, family)
        absent = [(name, shape) for name, shape, *_ in parts if name not in state]
        missing += absent
        if absent:
            continue
        for name, shape, _, copy in parts:
            if copy in state and not np.array_equal(state[copy], state[name]):
                raise CheckpointError(
                    "a tensor that the model shares has two values",
                    where=copy,
                    found=f"other numbers than in {name}",
                    expected="the same",
                )
            if _bare(state[name].shape) != _bare(shape):
                raise CheckpointError(
                    "a tensor of the checkpoint does not fit the model",
                    where=name,
                    found=state[name].shape,
                    expected=shape,
                    do="build the model with the checkpoint's layout, persons, channels, classes",
                )
        loaded += [name for name, *_ in parts] + [copy for *_, copy in parts if copy in state]
        arrays = [_to_ours(state[name].reshape(shape), kind) for name, shape, kind, _ in parts]
        joined = np.concatenate(arrays, -1) if len(arrays) > 1 else arrays[0]
        flat[path] = jnp.asarray(joined.reshape(leaf.shape), jnp.float32)
    taken = set(loaded)
    unused = tuple(
        (name, value.shape)
        for name, value in state.items()
        if name not in taken and not _GRAPH.search(name)
    )
    report = Report(tuple(loaded), tuple(missing), unused)
    if strict and missing:
        raise CheckpointError(
            f"the checkpoint lacks {len(missing)} tensors of the model",
            found=_some(unused, "tensors without a place") or f"{len(loaded)} tensors that fit",
            expected=_some(missing, "tensors"),
            do=f"check that it is a checkpoint of {family!r}, of this depth and width",
        )
    return unflatten_dict(flat), report


def state_dict(variables: Mapping[str, Any], family: str) -> dict[str, np.ndarray]:
    """The inverse of `load_state_dict`: our variables under a public code base's names."""
    state, flat = {}, flatten_dict(variables)
    find = _family(family, flat)
    for path, leaf in flat.items():
        parts = _tensors(path, leaf.shape, find, family)
        arrays = np.split(np.asarray(leaf), len(parts), -1) if len(parts) > 1 else [leaf]
        for (name, shape, kind, copy), array in zip(parts, arrays):
            state[name] = _to_torch(np.asarray(array), kind).reshape(shape)
            if copy:
                state[copy] = state[name]
    return state


def read_pt(path) -> dict[str, np.ndarray]:
    """Tensors of a ``.pt``/``.pth`` file by name; unwraps mmcv's and other common wrappers.

    Only weights are read: for classes and functions that the file names, such as those of a
    training's records, stand some that do nothing.

    Raises:
      CheckpointError: no PyTorch here, no such file, or not a file of weights.
    """
    path = pathlib.Path(path)
    torch = _torch(path, "reading")
    try:
        inert = [type(name, (_Inert,), {"__module__": module}) for module, name in _named(path)]
        with torch.serialization.safe_globals(inert):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError("cannot read it", where=path, found=error.strerror) from None
    except Exception as error:  # of damaged bytes the unpickler may raise anything
        found = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            "not a file of weights alone", where=path, found=found, expected="a state dict"
        ) from None
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = {}
    if isinstance(content, dict):
        tensors = {str(n): _array(t) for n, t in content.items() if torch.is_tensor(t)}
    if not tensors:
        raise CheckpointError("no tensors in the file", where=path, expected="a state dict")
    return tensors


class _Inert:
    """Stands for a class or function of a file that are no weights: takes anything, does nothing.

    PyTorch's own, which tensors are made of, come before it.
    """

    def __new__(cls, *args):
        return object.__new__(cls)

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        pass


def _named(path) -> set[tuple[str, str]]:
    """(module, name) of all that a file would import; nothing of it runs."""
    with contextlib.ExitStack() as opened:
        file, pickles = opened.enter_context(open(path, "rb")), 4  # the last one is the content
        zipped = file.read(4) == b"PK\3\4"
        file.seek(0)
        if zipped:
            parts = opened.enter_context(zipfile.ZipFile(file))
            inner = next(name for name in parts.namelist() if name.endswith("data.pkl"))
            file, pickles = opened.enter_context(parts.open(inner)), 1
        operations = (part for _ in range(pickles) for part in pickletools.genops(file))
        named = (arg.split(" ", 1) for code, arg, _ in operations if code.name == "GLOBAL")
        return {(module.replace("__builtin__", "builtins"), name) for module, name in named}


def _array(tensor) -> np.ndarray:
    tensor = tensor.detach()  # parameters too
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def write_pt(path, state: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict as ``torch.save`` does, whole or not at all.

    Raises:
      CheckpointError: no PyTorch here.
    """
    torch = _torch(path, "writing")
    with atomic(path) as file:
        torch.save({name: torch.from_numpy(np.array(value)) for name, value in state.items()}, file)


def _torch(path, what: str):
    try:
        import torch
    except ImportError:
        raise CheckpointError(
            f"{what} a PyTorch checkpoint needs PyTorch",
            where=path,
            do="pip install skeljax[torch]",
        ) from None
    return torch


def canonical(name: str) -> str:
    """A tensor's name as its family has it, without what a way of saving put into it."""
    for pattern, replacement in _ALIASES:
        name = pattern.sub(replacement, name)
    return name


def _family(family, flat):
    """path -> names, for a model with the variables `flat`."""
    find = FAMILIES[choose("checkpoint family", family, FAMILIES)]
    return functools.partial(find, _SIZES[family](flat)) if family in _SIZES else find


def _tensors(path, shape, find, family):
    """(name, shape, kind, name of a copy or "") of the tensors that make up a leaf of ours."""
    path, suffix = "/".join(path[1:]), ""  # without the collection
    names = find(path)
    if names is None:
        module, leaf = path.rsplit("/", 1)
        names, suffix = find(module), f".{_LEAVES.get(leaf, leaf)}"
    if names is None:
        raise CheckpointError(f"{family} has no name for {path!r}", do="add it to skeljax.interop")
    parts = []
    for name in names:
        name, _, kind = name.partition(":")
        name, _, copy = name.partition("=")
        if path.endswith("/kernel"):
            kind = kind or "conv"
        elif suffix:  # the kind is that of the module's weight
            kind = ""
        part = (*shape[:-1], shape[-1] // len(names)) if shape else (1,)
        parts.append((name + suffix, _torch_shape(part, kind), kind, copy and copy + suffix))
    return parts


def _torch_shape(shape, kind):
    if kind == "linear":
        return shape[::-1]
    if kind == "conv":
        *size, channels, features = shape
        return (features, channels, *(size or (1,)), 1)
    if kind == "conv3d":
        size, channels, features = shape
        return (features, channels, 1, size, 1)
    if kind == "conv1d":
        return (*shape[::-1], 1)
    return (1, *shape, 1, 1) if kind == "map" else shape


def _bare(shape):
    """A Linear (D, C) may be saved as a 1x1 convolution (D, C, 1, 1), and the other way round."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(shape)


def _to_ours(array, kind):
    if kind == "linear":
        return array.T
    if kind == "conv":  # (D, C, K, 1) -> (K, C, D), its first axis drops in the caller for K = 1
        return array[..., 0].transpose(2, 1, 0)
    if kind == "conv3d":
        return array[:, :, 0, :, 0].transpose(2, 1, 0)
    return array[..., 0].T if kind == "conv1d" else array


def _to_torch(array, kind):
    return array.T if kind else array  # (K, C, D) and (C, D) alike


def _some(tensors, what):
    if not tensors:
        return None
    first = ", ".join(f"{name} {shape}" for name, shape in tensors[:3])
    return f"{len(tensors)} {what}: {first}" + (" ..." if len(tensors) > 3 else "")
