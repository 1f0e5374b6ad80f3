"""Which public code base a checkpoint comes from, and what its tensors say of the network.

One line of `KNOWN` a family: a tensor that only this family has tells it, the sizes of a few others
tell joints, persons, coordinates, width and depth.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

import numpy as np

from skeljax.errors import CheckpointError, ConfigError, choose
from skeljax.interop.pytorch import canonical
from skeljax.layouts import Layout
from skeljax.models.stgcn import GRAPHS

State = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Known:
    """A family of public checkpoints.

    Attributes:
      family: one of FAMILIES, and of BACKBONES.
      practice: how these code bases feed their networks, see `settings.PRACTICES`.
      head: the weight (K, D) of the classifier.
      blocks: names of a tensor (D,) of every block; the group is the block's number.
      joints: a tensor whose last axis is V.
      sign: a tensor that is there.
      absent: a tensor that is not there, where `sign` alone does not tell.
      coordinates: the weight (D, C, ...) that sees the coordinates; empty for C = 3.
      normed: a tensor as long as the channels that reach the data norm; empty for C.
      shared: whether the bodies share the statistics of the data norm, so that M does not show.
      graph: whether the tensor `joints` is a constant (K, V, V) that the backbone's argument
        `graph` and the layout give.
      own_last: whether the last block has a width of its own (`last_width`).
      arguments: further arguments of the backbone that the tensors tell.
      asks: arguments that they do not tell and that nobody may guess.
    """

    family: str
    practice: str
    head: str
    blocks: str
    joints: str
    sign: str
    absent: str = ""
    coordinates: str = ""
    normed: str = ""
    shared: bool = False
    graph: bool = False
    own_last: bool = False
    arguments: Callable[[State], dict] = lambda state: {}
    asks: tuple[str, ...] = ()


def _pyskl_stgcn(state: State) -> dict:
    """The switches of PYSKL's ST-GCN and ST-GCN++ by the tensors that they bring along."""
    unit = "backbone.gcn.0.gcn."
    graph, kernel = state[unit + "A"], state[unit + "conv.weight"]
    features = state[unit + "bn.weight"].size
    found = {
        "topology": "free",
        "order": "pre" if len(kernel) == len(graph) * features else "post",
        "residual": unit + "down.0.weight" in state,
        "multi_scale": "backbone.gcn.0.tcn.branches.0.0.weight" in state,
    }
    if not found["multi_scale"]:
        found["kernel_size"] = state["backbone.gcn.0.tcn.conv.weight"].shape[2]
    if unit + "PA" in state:  # a factor stays near 1 where there is an edge, a term near 0
        factor = np.abs(state[unit + "PA"])[graph != 0].mean() > 0.3
        found["topology"] = "importance" if factor else "offset"
    return found


def _msg3d(state: State) -> dict:
    graph = state["backbone.sgcn1.0.A"]
    windows = [
        value for name, value in state.items() if re.fullmatch(r"backbone\.gcn3d1\..*\.A", name)
    ]
    windows = windows or [state["backbone.gcn3d1.gcn3d.0.gcn3d.1.A"]]  # says that it is not there
    return {
        "scales": len(graph),
        "window_scales": len(windows[0]),
        "windows": tuple(sorted(window.shape[-1] // graph.shape[-1] for window in windows)),
    }


def _dgstgcn(state: State) -> dict:
    unit = "backbone.gcn.0.gcn."
    subsets = len(state[unit + "A"])
    opened = len(state[unit + "pre.0.weight"])
    gates = [value for name, value in state.items() if re.search(r"gcn\.(alpha|beta)$", name)]
    return {
        "subsets": subsets,
        "ratio": opened / subsets / state[unit + "bn.weight"].size,
        "subset_wise": any(np.any(gate[1:]) for gate in gates),  # else only the first is trained
    }


def _official(family, coordinates, *, sign="", **more) -> Known:
    """A family of CTR-GCN's line; `coordinates`, in the first block's spatial unit, is its sign
    where no other is given."""
    first = "l1.gcn1."
    return Known(
        family, "ctrgcn", "fc.weight", r"l(\d+)\.gcn1\.bn\.weight", first + "PA",
        sign or first + coordinates, coordinates=first + coordinates, **more,
    )  # fmt: skip


def _pyskl(
    family, coordinates, *, sign="", blocks="gcn", unit="gcn", practice="pyskl", **more
) -> Known:
    """The same of PYSKL's code."""
    first = f"backbone.{blocks}.0.{unit}."
    return Known(
        family, practice, "cls_head.fc_cls.weight",
        rf"backbone\.{blocks}\.(\d+)\.{unit}\.bn\.weight", first + "A",
        sign or first + coordinates, coordinates=first + coordinates, **more,
    )  # fmt: skip


def _stgcn(family, practice, prefix, head) -> Known:
    """The original ST-GCN and what has it inside."""
    sign = prefix + "st_gcn_networks.0.gcn.conv.weight"
    blocks = re.escape(prefix) + r"st_gcn_networks\.(\d+)\.tcn\.0\.weight"
    return Known(
        family, practice, prefix + head, blocks, prefix + "A", sign, coordinates=sign,
        shared=True, graph=True, own_last=True,
        arguments=lambda state: {
            "kernel_size": state[prefix + "st_gcn_networks.0.tcn.2.weight"].shape[2]
        },
    )  # fmt: skip


_PROTOTYPES = "backbone.prn.query_matrix.weight"  # of ProtoGCN, which is a DG-STGCN

KNOWN = (
    _official(
        "ctrgcn", "convs.0.conv3.weight", sign="l1.gcn1.convs.0.conv4.weight",
        absent="l1.gcn1.convs.0.conv_rf.g.weight",
    ),
    Known(
        "msg3d", "pyskl", "cls_head.fc_cls.weight",
        r"backbone\.gcn3d(\d+)\.gcn3d\.0\.out_bn\.weight", "backbone.sgcn1.0.A",
        "backbone.sgcn1.0.mlp.layers.0.weight",
        coordinates="backbone.sgcn1.0.mlp.layers.0.weight", arguments=_msg3d,
    ),
    _official("tcagcn", "convs.0.conv1.weight", sign="l1.gcn1.convs.0.conv_rf.g.weight"),
    _official("aagcn", "conv_d.0.weight", sign="l1.gcn1.conv_sa.weight"),
    _official("hdgcn", "conv_down.0.0.weight", asks=("centre_of_mass",)),
    Known(
        "infogcn", "ctrgcn", "decoder.weight", r"l(\d+)\.agcn\.bn\.weight",
        "l1.agcn.shared_topology", "l1.agcn.shared_topology",
        coordinates="to_joint_embedding.weight", normed="to_joint_embedding.weight",
        arguments=lambda state: {"heads": len(state["l1.agcn.shared_topology"])},
    ),
    _pyskl(
        "dgstgcn", "pre.0.weight", absent=_PROTOTYPES, practice="pyskl_no_spine", shared=True,
        arguments=_dgstgcn,
    ),
    _pyskl(
        "protogcn", "pre.0.weight", sign=_PROTOTYPES, practice="pyskl_no_spine", shared=True,
        arguments=lambda state: _dgstgcn(state) | {"prototypes": len(state[_PROTOTYPES])},
    ),
    _pyskl(
        "aagcn_pyskl", "conv_d.0.weight", sign="backbone.gcn.0.gcn.conv_a.0.weight",
        arguments=lambda state: {"attention": "backbone.gcn.0.gcn.conv_sa.weight" in state},
    ),
    _pyskl("ctrgcn_pyskl", "convs.0.conv3.weight", blocks="net", unit="gcn1"),
    _pyskl("stgcn", "conv.weight", shared=True, graph=True, arguments=_pyskl_stgcn),
    _stgcn("stgcn_contrastive", "contrastive", "encoder_q.", "fc.weight"),
    _stgcn("stgcn_original", "stgcn", "", "fcn.weight"),
    _official("stgcn_frhead", "conv_d.0.weight", absent="l1.gcn1.conv_a.0.weight"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A public checkpoint that was recognised.

    Attributes:
      known: its family.
      state: its tensors by the names of the family.
      names: the name in the file of each of them.
      arguments: of the backbone.
      joints, channels: V, C.
      bodies: M, or None where the tensors do not tell because the bodies share all of them.
      classes: K, or None where there is no classifier.
    """

    known: Known
    state: dict[str, np.ndarray]
    names: dict[str, str]
    arguments: dict
    joints: int
    channels: int
    bodies: int | None
    classes: int | None


def recognise(tensors: State, *, family: str = "", stream: str = "", where=None) -> Checkpoint:
    """Finds the family of a file's tensors and reads off what they tell.

    Args:
      tensors: of the file, by name.
      family: take it for this one of FAMILIES.
      stream: which of several encoders in one file (CrosSCLR: ``encoder_q_motion``) is meant.
      where: the file, for messages.

    Raises:
      CheckpointError: no family fits, it shows what the file's names look like; or the tensors
        are not all there, do not fit each other, or are not of that stream.
    """
    if family:
        choose("checkpoint family", family, [known.family for known in KNOWN])
    kind = _encoder_kind([canonical(name) for name in tensors], stream, where)
    names = {_encoder(canonical(name), kind): name for name in tensors}
    fits = (
        known
        for known in KNOWN
        if family in ("", known.family) and known.sign in names and known.absent not in names
    )
    known = next(fits, None)
    if known is None:
        some = ", ".join(f"{name} {np.shape(tensors[name])}" for name in list(tensors)[:4])
        raise CheckpointError(
            f"no checkpoint of {family}" if family else "no family of checkpoints has these names",
            where=where,
            found=f"{len(tensors)} tensors: {some} ...",
            expected="one of " + ", ".join(sorted({known.family for known in KNOWN})),
        )
    state = _Tensors({name: np.asarray(tensors[file]) for name, file in names.items()}, where)
    V = state[known.joints].shape[-1]
    arguments = _stages(known, state) | known.arguments(state)
    C = state[known.coordinates].shape[1] if known.coordinates else 3
    if arguments.get("order") == "post" or "scales" in arguments:  # once for every subset
        C //= len(state[known.joints])
    norm = next((name for name in state if name.endswith("data_bn.weight")), "data_bn.weight")
    normed = len(state[known.normed]) if known.normed else C
    bodies, rest = divmod(state[norm].size, max(V * normed, 1))
    if rest or not bodies:
        raise CheckpointError(
            "the tensors do not fit each other",
            where=where,
            found=f"{norm} {state[norm].shape}",
            expected=f"a multiple of {V} joints x {normed} channels",
        )
    if known.shared and bodies > 1:
        arguments["data_norm"] = "MVC"
    head = state.get(known.head)
    return Checkpoint(
        known=known,
        state=dict(state),
        names=names,
        arguments=arguments,
        joints=V,
        channels=C,
        bodies=bodies if bodies > 1 or not known.shared else None,
        classes=None if head is None else len(head),
    )


class _Tensors(dict):
    """Tensors by name; one that is not there is a CheckpointError."""

    def __init__(self, tensors: State, where):
        super().__init__(tensors)
        self.where = where

    def __missing__(self, name: str):
        raise CheckpointError("the checkpoint lacks a tensor", where=self.where, expected=name)


def _encoder_kind(names: list[str], stream: str, where) -> str:
    """Which of CrosSCLR's encoders, one a stream in one file, that of `stream` is; "" for the
    first, or where the file has no others (AimCLR, SkeleMixCLR), whatever it was trained on."""
    others = {match[1] for name in names if (match := re.match(r"encoder_q_([a-z_]+)\.", name))}
    kind = stream.replace("joint_motion", "motion")
    if not others or kind in ("", "joint"):
        return ""
    if kind not in others:
        raise CheckpointError(
            "the file has no encoder of this stream",
            where=where,
            found=", ".join(["joint", *sorted(others)]),
            expected=stream,
        )
    return kind


def _encoder(name: str, kind: str) -> str:
    """The encoder `kind` becomes ``encoder_q``, and that one ``encoder_q_joint``."""
    if not kind:
        return name
    renamed = re.sub(rf"^encoder_q_{kind}\.", "encoder_q.", name)
    return renamed if renamed != name else re.sub(r"^encoder_q\.", "encoder_q_joint.", name)


def _stages(known: Known, state: _Tensors) -> dict:
    """Width, depth and the blocks that double the width, from the widths of all blocks."""
    widths = {}
    for name, value in state.items():
        if match := re.fullmatch(known.blocks, name):
            widths[int(match[1])] = len(value)
    widths = [widths[number] for number in sorted(widths)]
    if len(widths) < 1 + known.own_last:
        raise CheckpointError(
            "the checkpoint lacks blocks",
            where=state.where,
            found=f"{len(widths)} blocks",
            expected=f"tensors named like {known.blocks}",
        )
    own = {}
    if known.own_last:
        own, widths[-1] = {"last_width": widths[-1]}, widths[-2]
    grow = tuple(i + 1 for i in range(1, len(widths)) if widths[i] == 2 * widths[i - 1])
    return {"width": widths[0], "depth": len(widths), "grow": grow} | own


def graph_of(found: Checkpoint, layout: Layout) -> dict:
    """The backbone's argument `graph` that gives a checkpoint's constant graph on this layout.

    A graph that was learned (`topology` free) is loaded; then its beginning does not matter.

    Raises:
      ConfigError: no graph of this layout is that of the checkpoint.
    """
    if not found.known.graph:
        return {}
    there = found.state[found.known.joints]
    if found.arguments.get("topology") == "free":
        return {"graph": "direction", "subsets": len(there) if len(there) != 3 else 0}
    for name, make in GRAPHS.items():
        ours = make(layout)
        if ours.shape == there.shape and np.allclose(ours, there, atol=1e-5):
            return {"graph": name}
    ours = GRAPHS["direction"](layout)[1:].sum(0)
    pairs = np.argwhere((there.sum(0) != 0) != ((ours + np.eye(len(ours))) != 0))
    shown = ", ".join(f"{layout.joints[a]}-{layout.joints[b]}" for a, b in pairs[:4])
    raise ConfigError(
        "the checkpoint was trained on another graph than the layout's",
        where=f"layout {layout.name}",
        found=f"other edges: {shown} ..." if len(pairs) else "the same edges, counted otherwise",
        do="correct `joints`, `edges` or `centre` of the layout, or give another --layout",
    )
