"""Configs of supervised papers: what the files in configs/ share, as self_supervised.py for theirs.

A file in configs/ names a dataset and what is its own; a function here has the words after the
colon of ``--config FILE.py:WORDS``, the data and the training.
"""

from __future__ import annotations

from collections.abc import Mapping

from ml_collections import ConfigDict

from skeljax import presets
from skeljax.errors import ConfigError
from skeljax.fuse import PRESETS
from skeljax.losses import LOSSES

PROTOCOLS = {"ntu60": ("xsub", "xview"), "ntu120": ("xsub", "xset")}
MORE_BACKBONES = ("dgstgcn", "infogcn", "hdgcn", "protogcn")  # that no method was published with
LONG_TAIL = {  # groups of words of BRL's configs
    "method": ("", "brl", "bfl", "plain"),
    "loss": ("", *LOSSES),
    "backbone": ("stgcnpp", "stgcn", "aagcn", "ctrgcn", "msg3d", "tcagcn", *MORE_BACKBONES),
    "slips": ("corrected", "as_published"),
}
SIX_STREAMS = {"two": "brl-2", "four": "brl-4", "six": "brl-6"}
FRHEAD = {  # groups of words of FR-Head's configs and of those without the head
    "backbone": ("ctrgcn", "aagcn", "tcagcn", "stgcn_frhead", "stgcnpp", "msg3d", *MORE_BACKBONES),
    "imbalance": ("full", "lt100", "lt50", "lt10"),
    "sampler": ("uniform", "class_specific"),
    "loss": ("", *LOSSES),
}
LST = {  # groups of words of LST's configs
    "stream": (*PRESETS["lst-4"].weights, "row"),
    "k": tuple(f"k{k}" for k in range(1, 9)),
    "backbone": (
        "ctrgcn", "stgcnpp", "aagcn", "msg3d", "tcagcn",
        "stgcn_frhead",  # the public code's baseline on NW-UCLA
        *MORE_BACKBONES,
    ),
    "terms": ("all", "global", "parts"),
    "parts": ("parts_by_joint", "parts_by_bone"),
    "slips": ("corrected", "public_code"),
}  # fmt: skip


def use_streams(
    config: ConfigDict,
    stream: str,
    fusions: Mapping[str, str],
    names: Mapping[str, str] | None = None,
    epochs: Mapping[str, int] | None = None,
) -> None:
    """One stream; or for the words ``row`` and ``all`` those of published fusions, and their row.

    Args:
      fusions: fuse.PRESETS by the name of the fusion, all of one rule.
      names: what the streams of the presets are called here, where not the same.
      epochs: as of `presets.use_row`.
    """
    if stream not in ("row", "all"):
        config.stream = (names or {}).get(stream, stream)
        return
    published = {name: PRESETS[preset] for name, preset in fusions.items()}
    weights = {
        name: {(names or {}).get(one, one): weight for one, weight in preset.weights.items()}
        for name, preset in published.items()
    }
    (rule,) = {preset.rule for preset in published.values()}
    presets.use_row(config, max(weights.values(), key=len), weights, rule=rule, epochs=epochs)


# -------------------------------------------------------------------- PYSKL's practice, and BRL


def long_tail(dataset: str, text: str) -> ConfigDict:
    """BRL and its baselines on one of NTU's sets."""
    chosen = presets.options(
        text,
        protocol=PROTOCOLS[dataset],
        imbalance=("lt100", "lt50", "lt10", "full"),
        stream=(*presets.STREAMS, "all"),
        **LONG_TAIL,
    )
    config = _pyskl_ntu(dataset, chosen["protocol"])
    config.data.train = training_split(chosen["imbalance"])
    use_long_tail(config, chosen)
    use_streams(config, chosen["stream"], SIX_STREAMS)
    return config


def training_split(imbalance: str) -> str:
    """``train``, or the list of the word ``lt100``."""
    return "train" if imbalance == "full" else f"train_{imbalance}"


def use_long_tail(config: ConfigDict, chosen: Mapping[str, str]) -> None:
    """BRL's experiments: network, recipe, method and training of all long-tailed configs.

    Args:
      chosen: a word of each group of LONG_TAIL. The method is ``brl``; ``bfl``, the same with
        class-balanced weights; or ``plain``, the published baselines (100 frames, no augmentation,
        16 epochs of cross entropy). A loss takes the place of the method's own; alone it trains
        without mixing and resampling, else as BRL does. The slips ``as_published`` run BRL's code
        to the letter.
    """
    flavour = {"aagcn": "aagcn_pyskl", "ctrgcn": "ctrgcn_pyskl"}
    presets.use_model(config, flavour.get(chosen["backbone"], chosen["backbone"]))
    loss, exact = chosen["loss"], chosen["slips"] == "as_published"
    method = chosen["method"] or ("alone" if loss else "brl")
    if method in ("brl", "bfl"):
        presets.use_method(config, "brl", aligned=not exact, shared=exact)
        own = {"brl": "action_aware", "bfl": "class_balanced"}[method]
        config.data.sampler = "class_specific"
    else:
        presets.use_method(config, "supervised", head_std=0.01)
        own = "ce"
    presets.use_loss(config, loss or own)
    if "published" in config.loss:
        config.loss.published = exact
    if exact and config.data.prepare == "prenorm3d":
        config.data.prepare = "prenorm3d_float16"
    presets.use_recipe(config, "pyskl" if method == "plain" else "brl")
    config.train.epochs = 16 if method == "plain" else 24
    config.train.batch = 16
    _use_pyskl_training(config)


def stgcnpp(dataset: str, text: str) -> ConfigDict:
    """ST-GCN++ as PYSKL trains it on all clips of one of NTU's sets."""
    chosen = presets.options(
        text,
        protocol=PROTOCOLS[dataset],
        stream=(*PRESETS["brl-4"].weights, "all"),
        recipe=("strong_aug", "plain"),
    )
    config = _pyskl_ntu(dataset, chosen["protocol"])
    presets.use_model(config, "stgcnpp")
    presets.use_method(config, "supervised", head_std=0.01)
    if chosen["recipe"] == "strong_aug":
        presets.use_recipe(config, "brl", length=100, flip=0.0)
        config.train.epochs = 24
    else:
        presets.use_recipe(config, "pyskl")
        config.train.epochs = 16
    config.train.batch = 128
    _use_pyskl_training(config)
    use_streams(config, chosen["stream"], {"two": "brl-2", "four": "brl-4"})
    return config


def _pyskl_ntu(dataset: str, protocol: str) -> ConfigDict:
    config = presets.base()
    config.data.dataset = f"{dataset}/{protocol}_pyskl"
    config.data.layout = "ntu25_pyskl"
    config.data.prepare = "prenorm3d"
    return config


def _use_pyskl_training(config: ConfigDict) -> None:
    """Optimizer and schedule of PYSKL: 0.1 for 128 clips a step, half a cosine; and the test of the
    best epoch too, whose scores BRL fuses."""
    config.data.repeat = 5
    config.train.test_best = True
    config.optim.base_batch = 128
    config.optim.weight_decay = 5e-4
    config.optim.schedule.name = "cosine"
    config.optim.schedule.per_step = True


# ------------------------------------------------- CTR-GCN's practice: FR-Head, its baseline, LST


def ctrgcn(dataset: str, text: str) -> ConfigDict:
    """CTR-GCN on one of NTU's sets: FR-Head's backbone without the head."""
    chosen = presets.options(
        text,
        protocol=PROTOCOLS[dataset],
        stream=(*presets.STREAMS, "row"),
        scaling=("bone_scale", "no_bone_scale"),
        **FRHEAD,
    )
    config = _ctrgcn_ntu(dataset, chosen, bone_scale=chosen["scaling"] == "bone_scale")
    presets.use_method(config, "supervised")
    use_tail(config, chosen)
    config.train.epochs = 65
    use_streams(config, chosen["stream"], {"four": "ctrgcn"})
    return config


def frhead(
    dataset: str, text: str, runs: Mapping[str, tuple[str, int, str, Mapping[str, int]]]
) -> ConfigDict:
    """FR-Head on one of NTU's sets.

    Args:
      runs: of each protocol the published version, epochs, fusion, and the epochs of the streams
        that were trained for others.
    """
    chosen = frhead_options(text, protocol=tuple(runs), run=("published", "readme"))
    version, epochs, fusion, others = runs[chosen["protocol"]]
    if chosen["run"] == "readme":
        version, epochs, others = "V0", 65, {}
    config = _ctrgcn_ntu(dataset, chosen, bone_scale=True)
    presets.use_method(config, "frhead", version=version)
    use_tail(config, chosen)
    config.train.epochs = others.get(chosen["stream"], epochs)
    use_streams(config, chosen["stream"], {"four": fusion}, epochs=others)
    return config


def frhead_options(text: str, **groups: tuple[str, ...]) -> dict[str, str]:
    """`presets.options` with FR-Head's groups.

    Raises:
      ConfigError: as there; or a word asks for mixed clips.
    """
    mixing = {"brl", "bfl"}.intersection(word.strip() for word in text.split(","))
    if mixing:
        raise ConfigError(
            "FR-Head does not go with mixed clips, which have no class to move a prototype of",
            where="the text after the colon of --config",
            found=", ".join(mixing),
            do="class_specific,action_aware takes the rest of BRL: its resampling and its weights",
        )
    return presets.options(text, stream=(*presets.STREAMS, "row"), **FRHEAD | groups)


def use_tail(config: ConfigDict, chosen: Mapping[str, str]) -> None:
    """The long-tailed split, sampler and loss that words of FRHEAD name."""
    config.data.train = training_split(chosen["imbalance"])
    config.data.sampler = chosen["sampler"]
    if chosen["loss"]:
        presets.use_loss(config, chosen["loss"])


def lst(dataset: str, text: str) -> ConfigDict:
    """LST on one of NTU's sets."""
    chosen = presets.options(text, protocol=PROTOCOLS[dataset], **LST)
    config = _ctrgcn_ntu(dataset, chosen)
    use_lst(config, chosen, descriptions="ntu120", alpha=0.8)
    config.train.batch = 200
    config.train.epochs = 110
    config.optim.weight_decay = 5e-4
    config.optim.schedule.milestones = (90, 100)
    return config


def lst_streams(k: str, joint: str = "joint", bone: str = "infogcn") -> dict[str, str]:
    """What the streams of LST's presets are called here.

    Args:
      k: a word of LST: the bones are joints minus their k-th ancestors.
      joint, bone: names of the two kinds, that of the bones without its k.
    """
    bone = f"{bone}{k.removeprefix('k')}"
    names = {"joint": joint, "bone": bone}
    return names | {f"{name}_motion": f"{here}_motion" for name, here in names.items()}


def use_lst(
    config: ConfigDict,
    chosen: Mapping[str, str],
    descriptions: str,
    alpha: float,
    public: Mapping[str, str] | None = None,
    **arguments,
) -> None:
    """LST's method and streams.

    Args:
      chosen: a word of each group of LST.
      descriptions, alpha, arguments: as of the method.
      public: arguments of `lst_streams` that give the public code's streams.
    """
    told = {"descriptions": descriptions, "terms": chosen["terms"], "alpha": alpha}
    presets.use_method(config, "lst", **told, **arguments)
    config.method.bone_parts = chosen["parts"] == "parts_by_bone"
    stream = chosen["stream"]
    if chosen["slips"] == "corrected":
        fusions = {"four": "lst-4", "three": "lst-3"}
        use_streams(config, stream, fusions, lst_streams(chosen["k"]))
        return
    if stream == "row":
        raise ConfigError(
            "the public code takes other body parts for bones than for joints",
            where="the text after the colon of --config",
            do="train its four streams one by one, then skeljax fuse --preset lst-4",
        )
    config.stream = lst_streams(chosen["k"], **(public or {}))[stream]
    config.method.update(encoder="clip", train_text=True, raw_scale=True, fused_names=True)
    config.method.bone_parts |= stream.startswith("bone")
    config.optim.groups = {"text": {"lr_ratio": 1.0}}


def _ctrgcn_ntu(dataset: str, chosen: Mapping[str, str], bone_scale: bool = False) -> ConfigDict:
    """CTR-GCN's practice on NTU, but for method, streams and epochs."""
    config = presets.base()
    config.data.dataset = f"{dataset}/{chosen['protocol']}"
    # its NTU 120 has a person who is alone twice
    config.data.prepare = "trim_copy" if dataset == "ntu120" else "trim"
    presets.use_recipe(config, "ctrgcn_ntu", bone_scale=bone_scale)
    presets.use_model(config, chosen["backbone"])
    config.train.batch = 64
    config.train.test_best = True
    config.optim.weight_decay = 4e-4
    config.optim.schedule.warmup_epochs = 5
    config.optim.schedule.milestones = (35, 55)
    return config


UCLA_SMOOTHING = {"published": 0.0, "cpu": 0.1}  # of the labels, by scale


def ucla(backbone: str, scale: str) -> ConfigDict:
    """CTR-GCN's practice on NW-UCLA, but for method and streams.

    Args:
      scale: ``published``; or ``cpu``, for two cores: half the width, half the frames, a cosine.
    """
    config = presets.base()
    config.scale = scale
    config.data.dataset = "nw_ucla"
    presets.use_recipe(config, "ucla")
    presets.use_model(config, backbone)
    config.train.batch = 16
    if scale == "published":
        config.train.epochs = 75 if backbone == "tcagcn" else 65  # as FR-Head's configs
        config.data.repeat = 5
        config.optim.weight_decay = 1e-4
        config.optim.schedule.warmup_epochs = 5
        config.optim.schedule.milestones = (50,)
    else:
        config.train.epochs = 180
        config.train.validate_every = 5
        config.model.width = 32
        config.recipe.frames = 26
        _use_cosine(config, weight_decay=5e-4, warmup_epochs=3)
    return config


# ------------------------------------------------------------------------------- demonstrations


def synthetic(layout: str, backbone: str, **arguments) -> ConfigDict:
    """Minutes on two cores, on the set that needs no download; but for the method.

    Args:
      layout: ``ntu25`` or ``coco17``.
      arguments: of the backbone.
    """
    config = presets.base()
    config.scale = "demo"
    config.data.dataset = f"synthetic/{layout}"
    config.data.prepare = "unit"
    config.data.bodies = 1  # the first of two is enough here, and half the work
    presets.use_recipe(config, "generic", window=24, rotation=0.0)
    presets.use_model(config, backbone, **arguments)
    config.train.epochs = 18
    config.train.batch = 32
    config.train.validate_every = 6
    _use_cosine(config, weight_decay=4e-4, warmup_epochs=1)
    return config


def _use_cosine(config: ConfigDict, weight_decay: float, warmup_epochs: int) -> None:
    config.optim.weight_decay = weight_decay
    config.optim.schedule.name = "cosine"
    config.optim.schedule.per_step = True
    config.optim.schedule.warmup_epochs = warmup_epochs
