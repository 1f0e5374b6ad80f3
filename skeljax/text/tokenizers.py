"""Strings to token ids, in plain Python: CLIP's byte pairs and BERT's word pieces."""

from __future__ import annotations

import functools
import gzip
import html
import itertools
import pathlib
import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from skeljax.errors import ConfigError, DataError

CLIP_MERGES = 48_894  # of CLIP's vocabulary; the published file goes on
CLIP_CONTEXT = 77

_MARKS = ("<|startoftext|>", "<|endoftext|>")
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
_CHUNK = re.compile("L+|N|O+")  # letters, one digit, a run of other marks; over `_kind`


class BytePairs:
    """CLIP's tokenizer (Radford et al. 2021): 256 bytes, the same ending a word, merges, two marks.

    Text is taken as it is: broken encodings, which the original mends with ftfy, are not mended.

    Args:
      merges: pairs of symbols in the order in which they are joined.
    """

    def __init__(self, merges: Iterable[tuple[str, str]]):
        merges = list(merges)
        symbols = list(_byte_symbols().values())
        symbols += [f"{s}</w>" for s in symbols] + ["".join(pair) for pair in merges]
        self.vocabulary = {s: i for i, s in enumerate([*symbols, *_MARKS])}
        self.start, self.end = len(symbols), len(symbols) + 1
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self._join = functools.cache(self._join_word)

    @classmethod
    def load(cls, path) -> BytePairs:
        """Of ``bpe_simple_vocab_16e6.txt.gz`` (OpenAI) or ``merges.txt`` (Hugging Face).

        Raises:
          DataError: no such file, or not a list of merges.
        """
        path = pathlib.Path(path).expanduser()
        path = path / "merges.txt" if path.is_dir() else path
        try:
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", encoding="utf-8") as file:
                lines = file.read().split("\n")[1 : CLIP_MERGES + 1]
        except (OSError, UnicodeDecodeError, EOFError) as error:
            raise DataError(
                "cannot read CLIP's vocabulary", where=path, found=error,
                do="fetch bpe_simple_vocab_16e6.txt.gz from OpenAI's CLIP, or merges.txt of the "
                "same model from Hugging Face, and name it in method.vocabulary",
            ) from None  # fmt: skip
        merges = [tuple(line.split()) for line in lines if line.strip()]
        if not merges or any(len(pair) != 2 for pair in merges):
            raise DataError("not a list of byte-pair merges", where=path, expected="two a line")
        return cls(merges)

    def ids(self, text: str) -> list[int]:
        """Token ids of one string, without the marks of start and end."""
        text = html.unescape(html.unescape(text))
        found = []
        for word in _words(" ".join(text.split()).lower()):
            letters = "".join(_byte_symbols()[b] for b in word.encode("utf-8"))
            found += [self.vocabulary[s] for s in self._join(letters)]
        return found

    def __call__(self, texts: Iterable[str], length: int = CLIP_CONTEXT) -> np.ndarray:
        """(n, length) int32: start, ids, end, zeros.

        Raises:
          DataError: a text that does not fit.
        """
        texts = list(texts)
        rows = np.zeros((len(texts), length), np.int32)
        for row, text in zip(rows, texts):
            ids = [self.start, *self.ids(text), self.end]
            if len(ids) > length:
                raise DataError(
                    "the text is too long for CLIP", where=repr(text[:60] + " ..."),
                    found=f"{len(ids)} tokens", expected=f"at most {length}", do="shorten it",
                )  # fmt: skip
            row[: len(ids)] = ids
        return rows

    def _join_word(self, letters: str) -> tuple[str, ...]:
        symbols = [*letters[:-1], f"{letters[-1]}</w>"]
        while len(symbols) > 1:
            pairs = list(itertools.pairwise(symbols))
            best = min(pairs, key=lambda pair: self._rank.get(pair, np.inf))
            if best not in self._rank:
                break
            joined, i = [], 0
            while i < len(symbols):
                step = 2 if i + 1 < len(symbols) and pairs[i] == best else 1
                joined.append("".join(symbols[i : i + step]))
                i += step
            symbols = joined
        return tuple(symbols)


def _words(text: str) -> Iterable[str]:
    kinds, at = "".join(map(_kind, text)), 0
    while at < len(text):
        contraction = next((c for c in _CONTRACTIONS if text.startswith(c, at)), None)
        chunk = _CHUNK.match(kinds, at)
        if contraction:
            yield contraction
            at += len(contraction)
        elif chunk:
            yield text[at : chunk.end()]
            at = chunk.end()
        else:
            at += 1


def _kind(char: str) -> str:
    if char.isspace():
        return " "
    category = unicodedata.category(char)[0]
    return category if category in "LN" else "O"


@functools.cache
def _byte_symbols() -> dict[int, str]:
    """A printable character for every byte, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


class WordPiece:
    """BERT's tokenizer.

    Args:
      vocabulary: word pieces in order; pieces that go on within a word begin with ``##``.
      lower: whether case and accents are dropped, as in all ``uncased`` models.
      longest: tokens a text is cut to, [CLS] and [SEP] included.
    """

    def __init__(self, vocabulary: Iterable[str], lower: bool = True, longest: int = 256):
        self.vocabulary = {piece: i for i, piece in enumerate(vocabulary)}
        self.lower, self.longest = lower, longest
        for mark in ("[UNK]", "[CLS]", "[SEP]"):
            if mark not in self.vocabulary:
                raise ConfigError(f"the vocabulary has no {mark}", expected="vocab.txt of a BERT")

    @classmethod
    def load(cls, path, **options) -> WordPiece:
        """Of a ``vocab.txt``, one piece a line."""
        try:
            lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError("cannot read the vocabulary", where=path, found=error) from None
        return cls((line.rstrip("\r") for line in lines), **options)

    def ids(self, text: str) -> list[int]:
        """[CLS], the pieces' ids, [SEP]."""
        known = self.vocabulary
        pieces = [p for word in self._words(text) for p in self._pieces(word)]
        return [known["[CLS]"], *pieces[: self.longest - 2], known["[SEP]"]]

    def __call__(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids and mask, both (n, L) int32; L of the longest text."""
        rows = [self.ids(text) for text in texts]
        width = max(map(len, rows))
        ids = np.array([row + [0] * (width - len(row)) for row in rows], np.int32)
        mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], np.int32)
        return ids, mask

    def _words(self, text: str) -> list[str]:
        text = "".join(map(_cleaned, text))
        if self.lower:
            text = unicodedata.normalize("NFD", text.lower())
            text = "".join(c for c in text if unicodedata.category(c) != "Mn")
        return "".join(f" {c} " if _is_punctuation(c) else c for c in text).split()

    def _pieces(self, word: str) -> list[int]:
        unknown = [self.vocabulary["[UNK]"]]
        if len(word) > 100:
            return unknown
        found, at = [], 0
        while at < len(word):
            prefix = "##" if at else ""
            ends = range(len(word), at, -1)
            end = next((e for e in ends if prefix + word[at:e] in self.vocabulary), None)
            if end is None:
                return unknown
            found.append(self.vocabulary[prefix + word[at:end]])
            at = end
        return found


def _cleaned(char: str) -> str:
    """A character of BERT's input: controls go, any white space is a blank, CJK stand alone."""
    if char in "\t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    if char == "\ufffd" or unicodedata.category(char)[0] == "C":
        return ""
    return f" {char} " if _is_cjk(ord(char)) else char


def _is_cjk(code: int) -> bool:
    blocks = (
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
    )  # fmt: skip
    return any(first <= code <= last for first, last in blocks)


def _is_punctuation(char: str) -> bool:
    ascii_mark = char.isascii() and not char.isalnum() and char.isprintable() and char != " "
    return ascii_mark or unicodedata.category(char).startswith("P")
