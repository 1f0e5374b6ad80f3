"""Strings to vectors behind one seam: ``make_encoder(name, ...).features(strings) -> (n, d)``."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import numpy as np

from skeljax import files
from skeljax.errors import ConfigError, DataError, choose
from skeljax.text import bert, clip_text
from skeljax.text.tokenizers import CLIP_CONTEXT, BytePairs, WordPiece
from skeljax.text.weights import digest, find_weights, read_weights

EMBEDDED = pathlib.Path(__file__).parent / "embedded.npz"
CACHE = "~/.cache/skeljax/text"
_BATCH = 32


class Encoder(Protocol):
    """A text encoder.

    `identity` tells one encoder with its weights from any other. Encoders that can be trained also
    have `tokens(strings) -> tree of (n, ...)`, `params` and `encode(params, tokens) -> (n, d)`.
    """

    identity: str

    def features(self, strings: Sequence[str]) -> np.ndarray:
        """(n, d) float32."""


def make_encoder(name: str, weights: str = "", vocabulary: str = "") -> Encoder:
    """An encoder by name.

    Args:
      name: ``embedded`` (MiniLM's embeddings of the shipped descriptions; needs no download),
        ``bert`` (MiniLM or its kin), ``clip``, ``table`` (precomputed) or ``hash`` (words without
        meaning: for tests and as a control).
      weights: folder or file of the weights; of ``table`` the .npz.
      vocabulary: of ``clip`` the merges, where they do not lie beside the weights.

    Raises:
      ConfigError: unknown name, or no weights where they are needed.
    """
    make = ENCODERS[choose("text encoder", name, ENCODERS, where="method.encoder")]
    if name in ("embedded", "hash"):
        return make()
    if not weights:
        raise ConfigError(
            f"the text encoder {name!r} needs a file",
            where="method.weights",
            do="name it, or take the text encoder 'embedded': docs/language.md",
        )
    return make(weights, vocabulary) if name == "clip" else make(weights)


class Table:
    """Precomputed features: an .npz with `features` (n, d), and `strings` (n,) or their `key`.

    Raises:
      DataError: not such a file; from `features`, a string it does not hold.
    """

    def __init__(self, path=EMBEDDED):
        self.path = pathlib.Path(path).expanduser()
        arrays = files.read_npz(self.path, ["features"])
        if "key" not in arrays and "strings" not in arrays:
            raise DataError("the table has neither 'strings' nor 'key'", where=self.path)
        keys = arrays["key"] if "key" in arrays else map(key, arrays["strings"].tolist())
        self._rows = {int(k): row for row, k in enumerate(keys)}
        self._features = arrays["features"]
        if self._features.ndim != 2 or len(self._rows) != len(self._features):
            raise DataError(
                "the table's strings and features do not belong together",
                where=self.path,
                found=f"{len(self._rows)} strings, features {self._features.shape}",
            )
        self.identity = f"table {digest(self.path)}"

    def features(self, strings: Sequence[str]) -> np.ndarray:
        rows = [self._rows.get(key(text)) for text in strings]
        if None in rows:
            raise DataError(
                "the table has no features for a text",
                where=self.path,
                found=repr(strings[rows.index(None)]),
                do="own or changed texts need a real encoder: method.encoder=bert or clip, or a "
                "table of them made by python -m skeljax.text.table",
            )
        return self._features[np.asarray(rows)].astype(np.float32)


def key(text: str) -> int:
    """The number a table knows a string by."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


class Hash:
    """Bags of words, each word a random direction: no meaning beyond shared words."""

    identity = "hash"

    def features(self, strings: Sequence[str]) -> np.ndarray:
        return np.stack([sum(map(_direction, text.lower().split())) for text in strings])


@functools.cache
def _direction(word: str, width: int = 64) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=width).astype(np.float32)


class Clip:
    """CLIP's text tower.

    Args:
      weights: .safetensors or .npz with OpenAI's or Hugging Face's names, or a folder with one.
      vocabulary: see `BytePairs.load`; by default the merges beside the weights.
    """

    def __init__(self, weights, vocabulary=""):
        path = find_weights(weights)
        self.net, self.params = clip_text.from_tensors(read_weights(path))
        beside = [path.parent / "merges.txt", path.parent / "bpe_simple_vocab_16e6.txt.gz"]
        found = next((p for p in beside if p.is_file()), beside[0])
        self.tokenizer = BytePairs.load(vocabulary or found)
        if len(self.tokenizer.vocabulary) != self.net.vocab_size:
            raise ConfigError(
                "the vocabulary is not that of the weights",
                where=vocabulary or found,
                found=f"{len(self.tokenizer.vocabulary)} tokens",
                expected=f"{self.net.vocab_size}",
            )
        self.identity = f"clip {digest(path)}"

    def tokens(self, strings: Sequence[str]) -> np.ndarray:
        """(n, L) int32, cut behind the longest text: the causal mask never sees the rest."""
        ids = self.tokenizer(strings, min(CLIP_CONTEXT, self.net.context))
        return ids[:, : ids.argmax(1).max() + 1]

    def encode(self, params, tokens) -> jax.Array:
        return self.net.apply(params, tokens).projected

    def features(self, strings: Sequence[str]) -> np.ndarray:
        return _batched(self, strings)


class Bert:
    """A sentence encoder from a folder with the weights, ``vocab.txt`` and ``config.json``.

    A sentence is the mean over its tokens.

    Raises:
      ConfigError: ``1_Pooling/config.json`` of sentence-transformers asks for another pooling.
    """

    def __init__(self, folder):
        path = find_weights(folder)
        _check_pooling(path.parent / "1_Pooling" / "config.json")
        config = _json(path.parent / "config.json")
        limit = _json(path.parent / "sentence_bert_config.json").get("max_seq_length", 256)
        lower = _json(path.parent / "tokenizer_config.json").get("do_lower_case", True)
        tensors = read_weights(path)
        self.net, self.params = bert.from_tensors(
            tensors,
            heads=config.get("num_attention_heads", 12),
            epsilon=config.get("layer_norm_eps", 1e-12),
        )
        longest = min(limit, self.net.context)
        vocabulary = path.parent / "vocab.txt"
        self.tokenizer = WordPiece.load(vocabulary, lower=lower, longest=longest)
        self.identity = f"bert {digest(path)}"

    def tokens(self, strings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids and mask, (n, L) int32."""
        return self.tokenizer(strings)

    def encode(self, params, tokens) -> jax.Array:
        return self.net.apply(params, *tokens).sentence

    def features(self, strings: Sequence[str]) -> np.ndarray:
        return _batched(self, strings)


def _check_pooling(path) -> None:
    """Refuses what says that it does not take the mean over the tokens."""
    modes = [name for name, on in _json(path).items() if on is True and "pooling_mode_" in name]
    if modes not in ([], ["pooling_mode_mean_tokens"]):
        raise ConfigError(
            "this encoder does not pool its tokens by their mean, the only way built here",
            where=path,
            found=", ".join(modes),
            expected="pooling_mode_mean_tokens alone",
            do="take another encoder, or method.encoder=table with features of its own library",
        )


ENCODERS: dict[str, Callable[..., Any]] = {
    "embedded": Table,
    "bert": Bert,
    "clip": Clip,
    "table": Table,
    "hash": Hash,
}


def _batched(encoder, strings) -> np.ndarray:
    """Features of many strings, on the device in batches of one shape."""
    tokens = encoder.tokens(strings)
    run, total, parts = jax.jit(encoder.encode), len(strings), []
    for first in range(0, total, _BATCH):
        rows = np.minimum(np.arange(first, first + _BATCH), total - 1)
        parts.append(run(encoder.params, jax.tree.map(lambda t, rows=rows: t[rows], tokens)))
    return np.concatenate([np.asarray(part, np.float32) for part in parts])[:total]


def cached_features(encoder: Encoder, strings: Sequence[str]) -> np.ndarray:
    """`encoder.features(strings)`, kept under a hash of the strings and the encoder's weights."""
    if isinstance(encoder, Table | Hash):
        return encoder.features(strings)
    path = pathlib.Path(CACHE).expanduser() / f"{fingerprint(encoder, strings)}.npz"
    if path.is_file():
        with contextlib.suppress(DataError):
            return files.read_npz(path, ["features"])["features"]
    with jax.ensure_compile_time_eval():  # a method asks while its own program is being traced
        found = encoder.features(strings)
    with contextlib.suppress(DataError), files.atomic(path) as file:
        np.savez(file, features=found)
    return found


def fingerprint(encoder: Encoder, strings: Sequence[str]) -> str:
    """16 digits that change with any string or weight."""
    text = "\n".join([encoder.identity, *strings])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _json(path) -> dict:
    return files.read_json(path) if path.is_file() else {}
