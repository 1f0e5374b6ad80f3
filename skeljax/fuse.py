"""Several streams' scores -> one: ``skeljax fuse runs/joint runs/bone --preset brl-2``."""

from __future__ import annotations

import argparse
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skeljax import files, labels, metrics, scores
from skeljax.errors import ConfigError, DataError, choose, run_cli
from skeljax.scores import Scores


class Preset(NamedTuple):
    """A published fusion: streams and their weights, in the order the score files are given."""

    rule: str
    weights: dict[str, float]


_FOUR = ("joint", "bone", "joint_motion", "bone_motion")
_SIX = ("joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion")


RULES = ("logits", "probabilities")


def _preset(rule, streams, weights) -> Preset:
    return Preset(rule, dict(zip(streams, weights)))


PRESETS = {
    # FR-Head's ensemble.py, per benchmark; CTR-GCN's own script uses the second row everywhere.
    "frhead-xsub": _preset("logits", _FOUR, (2, 2, 1, 1)),
    "frhead-xview": _preset("logits", _FOUR, (0.6, 0.6, 0.4, 0.4)),
    "frhead-ucla": _preset("logits", _FOUR, (0.6, 0.6, 0.4, 0.4)),
    "frhead-120": _preset("logits", _FOUR, (0.6, 0.75, 0.3, 0.15)),
    "ctrgcn": _preset("logits", _FOUR, (0.6, 0.6, 0.4, 0.4)),
    "lst-3": _preset("logits", _FOUR[:3], (0.6, 0.6, 0.4)),
    "lst-4": _preset("logits", _FOUR, (0.8, 0.8, 0.2, 0.2)),
    # BRL: averaged probabilities; Kinetics has its own four-stream weights.
    "brl-2": _preset("probabilities", _FOUR[:2], (1, 1)),
    "brl-4": _preset("probabilities", _FOUR, (2, 2, 1, 1)),
    "brl-6": _preset("probabilities", _SIX, (2, 2, 2, 1, 1, 1)),
    "k400-2": _preset("probabilities", _FOUR[:2], (1, 1)),
    "k400-4": _preset("probabilities", _FOUR, (3, 3, 1, 1)),
}


def _kin(stream: str) -> str:
    """What the presets call a stream of InfoGCN or LST: bones with any k.

    But lst6 is LST's joints of NW-UCLA, where its k goes past the root.
    """
    base, *motion = stream.partition("_")
    if base == "lst6":
        base = "joint"
    elif re.fullmatch(r"(infogcn|lst)\d+", base):
        base = "bone"
    return "".join((base, *motion))


def fuse(streams: Sequence[Scores], weights: Sequence[float], rule: str) -> Scores:
    """Weighted sum of S streams' scores of the same clips, matched by clip name.

    Args:
      rule: ``logits`` sums the raw scores; ``probabilities`` takes the softmax of each stream
        first (streams that hold probabilities are taken as they are) and gives probabilities.

    Returns:
      Scores of kind ``sums`` or ``probabilities``.

    Raises:
      ConfigError: an unknown rule, another number of weights than of streams, no positive weight.
      DataError: streams of other clips, labels or classes; ``logits`` asked of probabilities, or
        probabilities of fused logits.
    """
    choose("rule", rule, RULES)
    streams = align(streams)
    values = [stream.scores for stream in streams]
    for stream in streams:
        if rule == "probabilities" and stream.kind == "sums":
            raise DataError(
                "probabilities are asked for, but these scores are fused logits",
                where=stream.source,
                do="fuse their streams and the others together",
            )
        if rule == "logits" and stream.kind == "probabilities":
            raise DataError(
                "the sum of logits is asked for, but this stream holds probabilities",
                where=stream.source,
                do="--rule probabilities, or a preset that says so",
            )
    if rule == "probabilities":
        if not sum(weights) > 0:
            raise ConfigError("the weights must not sum to 0", found=list(weights))
        weights = [w / sum(weights) for w in weights]
        values = [metrics.softmax(s.scores) if s.kind == "logits" else s.scores for s in streams]
    return streams[0].replace(
        scores=metrics.fuse(values, weights).astype(np.float32),
        kind="sums" if rule == "logits" else rule,
        feature=None,
        source="fused",
    )


def align(streams: Sequence[Scores]) -> list[Scores]:
    """The streams with the clips of the first, in its order, and with its labels.

    Streams without names must all be without, and are taken to be in one order.

    Raises:
      DataError: clips that some streams lack, or labels, classes or counts that differ.
    """
    first = streams[0]
    aligned = [first]
    for stream in streams[1:]:
        where = f"{stream.source} against {first.source}"
        if stream.scores.shape[1] != first.scores.shape[1]:
            raise DataError(
                "the streams have different classes",
                where=where,
                found=stream.scores.shape[1],
                expected=first.scores.shape[1],
            )
        if (stream.name is None) != (first.name is None):
            raise DataError(
                "one stream has clip names and the other has none, so they cannot be matched",
                where=where,
                do="give --labels a file with names in the order of the nameless scores",
            )
        if first.name is None:
            if len(stream.scores) != len(first.scores):
                raise DataError(
                    "the streams have different numbers of clips and no names",
                    where=where,
                    found=len(stream.scores),
                    expected=len(first.scores),
                )
        else:
            stream = stream.take(match(stream.name, first.name, where))
        aligned.append(stream)
    labelled = [s for s in aligned if s.label is not None]
    for stream in labelled[1:]:
        odd = np.flatnonzero(stream.label != labelled[0].label)
        if odd.size:
            clip = odd[0] if stream.name is None else stream.name[odd[0]]
            raise DataError(
                "the streams disagree about labels",
                where=f"{stream.source} against {labelled[0].source}",
                found=f"clip {clip}: {stream.label[odd[0]]} and {labelled[0].label[odd[0]]} "
                f"({odd.size} such clips)",
            )
    label = labelled[0].label if labelled else None
    return [stream.replace(label=label) for stream in aligned]


def match(names, wanted, where) -> np.ndarray:
    """Positions (N,) in `names` of each of `wanted`.

    Raises:
      DataError: the two are not the same set; names some that are missing on either side.
    """
    position = {name: i for i, name in enumerate(names.tolist())}
    missing = [name for name in wanted.tolist() if name not in position]
    extra = sorted(set(position) - set(wanted.tolist()))
    if missing or extra:
        said = [
            f"{len(clips):,} {word} ({', '.join(clips[:5])}{', ...' if len(clips) > 5 else ''})"
            for clips, word in ((missing, "missing"), (extra, "not in the other"))
            if clips
        ]
        raise DataError("the clips are not the same", where=where, found="; ".join(said))
    return np.array([position[name] for name in wanted.tolist()])


def attach_labels(stream: Scores, path, split: str | None = None) -> Scores:
    """`stream` with the labels of a file, matched by name.

    Scores without names take names and order from the file; names that merely count (``0``, ``1``
    ... of FR-Head's NW-UCLA scores) are positions in it.

    Raises:
      DataError: labels for other clips, or of another number.
    """
    name, label = labels.read(path, split)
    where = f"{stream.source} against {path}"
    if name is not None and stream.name is not None:
        counting = stream.name.tolist() == [str(i) for i in range(len(stream.name))]
        if not counting or set(name.tolist()) == set(stream.name.tolist()):
            return stream.replace(label=label[match(name, stream.name, where)])
    if len(label) != len(stream.scores):
        raise DataError(
            "the labels are of another number of clips",
            where=where,
            found=len(label),
            expected=len(stream.scores),
        )
    return stream.replace(label=label, name=stream.name if name is None else name)


def stream_name(path) -> str | None:
    """The stream a run folder was trained on, as its result.json says; None for a file."""
    result = pathlib.Path(path) / "result.json"
    return files.read_json(result).get("stream") if result.is_file() else None


def preset_weights(preset: Preset, sources: Sequence) -> list[float]:
    """One weight a source: by the stream of a run folder, by position for score files.

    Raises:
      ConfigError: another number of sources than of streams, or a stream that is not wanted.
    """
    expected = ", ".join(f"{name} {weight:g}" for name, weight in preset.weights.items())
    if len(sources) != len(preset.weights):
        raise ConfigError(
            "the preset is for another number of streams", found=len(sources), expected=expected
        )
    named = [stream_name(path) for path in sources]
    if all(named):
        named = [_kin(name) for name in named]
        if sorted(named) != sorted(preset.weights):
            raise ConfigError("other streams than the preset's", found=named, expected=expected)
        return [preset.weights[name] for name in named]
    return list(preset.weights.values())


def table(rows: Sequence[tuple[str, str, Scores]]) -> str:
    """Text: name, weight and accuracies in percent, one line a stream."""
    width = max([6, *(len(name) for name, _, _ in rows)])
    lines = [f"{'stream':<{width}}  weight   top-1   top-5  mean class"]
    for name, weight, stream in rows:
        found = metrics.summary(stream.scores, stream.label)
        top1, top5, mean = (100 * found[key] for key in ("top1", "top5", "mean_class"))
        lines.append(f"{name:<{width}}  {weight:>6}  {top1:6.2f}  {top5:6.2f}  {mean:10.2f}")
    return "\n".join(lines)


def main(argv=None) -> None:
    """``skeljax fuse``."""
    parser = argparse.ArgumentParser(prog="skeljax fuse", description="Fuse the scores of streams.")
    parser.add_argument("sources", nargs="+", help="run folders, or .npz, .pkl, .json, .csv scores")
    parser.add_argument("--weights", help="one a source, comma separated (1 each)")
    parser.add_argument("--rule", help="logits or probabilities; required without --preset")
    parser.add_argument("--preset", help="published weights and rule: " + ", ".join(PRESETS))
    parser.add_argument("--labels", help="labels for scores that carry none")
    parser.add_argument("--split", help="split of a PYSKL annotation pickle given as --labels")
    parser.add_argument("--out", help="write the fused scores: .npz, .pkl, .json or .csv")
    args = parser.parse_args(argv)
    if args.preset and (args.weights or args.rule):
        raise ConfigError("--preset already says weights and rule", do="drop it, or drop them")
    if args.preset:
        preset = PRESETS[choose("preset", args.preset, PRESETS)]
        rule, weights = preset.rule, preset_weights(preset, args.sources)
    elif args.rule:
        rule, weights = args.rule, _numbers(args.weights or ",".join("1" for _ in args.sources))
    else:
        raise ConfigError(
            "say how scores are summed", do="--rule logits, --rule probabilities, or --preset NAME"
        )
    streams = [scores.read(path) for path in args.sources]
    if args.labels:
        streams = [attach_labels(stream, args.labels, args.split) for stream in streams]
    fused = fuse(streams, weights, rule)
    if fused.label is None:
        raise DataError("none of the scores carries labels", do="--labels FILE")
    rows = zip(args.sources, weights, align(streams))
    print(
        table(
            [
                *((stream_name(path) or path, f"{weight:g}", s) for path, weight, s in rows),
                ("fused", "", fused),
            ]
        )
    )
    if args.out:
        scores.write(args.out, fused)
        print(f"wrote {args.out}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(value) for value in text.split(",")]
    except ValueError:
        raise ConfigError(
            "the weights are not numbers", found=text, expected="for example 0.6,0.6,0.4,0.4"
        ) from None


if __name__ == "__main__":
    run_cli(main)
