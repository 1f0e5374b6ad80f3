"""A prepared dataset in the forms other code reads: PYSKL's, CTR-GCN's and ST-GCN's."""

from __future__ import annotations

import pathlib

from skeljax.errors import ConfigError
from skeljax.readers import Clip, exchange


def export(builder, path) -> list[str]:
    """Writes all clips of `builder` in the form that the end of `path` says.

    ``FILE.pkl``: PYSKL's, with the long-tailed parts as further splits. ``FILE.npz``: CTR-GCN's.
    A folder: ST-GCN's ``train_data.npy``, ``train_label.pkl``, ``val_data.npy``, ``val_label.pkl``.

    Returns:
      What was written, in words.

    Raises:
      ConfigError: another ending.
      DataError: the place cannot be written to.
    """
    path = pathlib.Path(path).expanduser()
    info, layout = builder.info, builder.info.metadata["layout"]
    splits = {split: builder.as_data_source(split) for split in info.splits}
    parts = {
        split: [
            lambda source=splits[split], i=i: _clip(source[i], layout)
            for i in range(len(splits[split]))
        ]
        for split in ("train", "test")
    }
    if path.suffix == ".pkl":
        config = builder.builder_config.name.partition("_")[0] if builder.builder_config else ""
        before = f"{config}_" if builder.name.startswith("ntu") else ""
        names = {
            before + {"test": "val"}.get(split, split): [one["name"].decode() for one in source]
            for split, source in splits.items()
        }
        from skeljax.layouts import get_layout

        every = (load() for clips in parts.values() for load in clips)
        exchange.write_pyskl(path, names, every, get_layout(layout).dims)
        return [f"{path}: splits {', '.join(names)}"]
    if path.suffix == ".npz":
        classes = info.features["label"].num_classes
        exchange.write_ctrgcn(path, parts, classes, copy_alone=builder.name == "ntu120")
        return [f"{path}: x_train, y_train, x_test, y_test"]
    if path.suffix:
        raise ConfigError(
            "no such form of export", where="--export", found=path.name,
            expected="FILE.pkl (PYSKL), FILE.npz (CTR-GCN), or a folder (ST-GCN)",
        )  # fmt: skip
    suffix = ".skeleton" if builder.name.startswith("ntu") else ""
    exchange.write_stgcn(path, parts, suffix)
    return [f"{path}: train_data.npy, train_label.pkl, val_data.npy, val_label.pkl"]


def _clip(example: dict, layout: str) -> Clip:
    facts = {"img_shape": example["img_shape"]} if "img_shape" in example else {}
    return Clip(
        example["name"].decode(), example["keypoints"], int(example["label"]), layout, facts
    )
