"""Recognition by text of a run trained with language (LST): classes it never saw, and retrieval.

    skeljax zeroshot split ntu60/xsub --unseen ntu60-5 --out seen.txt
    skeljax train --config configs/ntu60_lst.py:xsub --config.data.train=seen.txt --workdir runs/s
    skeljax zeroshot test runs/s --shots 1,5

A clip goes to the class whose texts its projections are nearest to. Unseen are the classes of which
the run had no training clip.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import numpy as np

from skeljax import files, presets, rundir
from skeljax.checkpoint import Checkpoints
from skeljax.data.longtail import as_text
from skeljax.errors import ConfigError, choose, run_cli
from skeljax.evaluate import Evaluator, find_checkpoint
from skeljax.job import build, check_layout, load_split
from skeljax.sharding import make_mesh, replicate, set_up

# The random splits of SynSE (Gupta et al., ICIP 2021), which the literature uses: action numbers.
UNSEEN = {
    "ntu60-5": (11, 12, 20, 27, 57),
    "ntu60-12": (4, 6, 10, 13, 16, 41, 43, 48, 52, 57, 59, 60),
    "ntu120-10": (5, 14, 38, 44, 50, 66, 89, 96, 100, 107),
    "ntu120-24": (
        2, 4, 5, 11, 18, 20, 28, 48, 49, 54, 59, 64, 67, 80, 84, 87, 90, 93, 98, 99, 101, 104, 106,
        109,
    ),
}  # fmt: skip
DRAWS = 10  # of support clips, for the mean of few-shot accuracies
SPACES = {"text": "embedding", "backbone": "feature"}  # in which few shots are compared


@dataclasses.dataclass(frozen=True)
class _ByText:
    """The method, predicting its projections into the text's space too."""

    method: Any

    @property
    def views(self):
        return self.method.views

    def predict(self, params, extra, batch):
        embedding = self.method.embed(params, extra, batch)
        return {**self.method.predict(params, extra, batch), "embedding": embedding}


def unseen_classes(wanted: str, classes: tuple[str, ...], seed: int = 0) -> np.ndarray:
    """Labels of `wanted`: a name of `UNSEEN`, a number of classes drawn, or class names.

    Raises:
      ConfigError: no such class, or none is left to train on.
    """
    if wanted in UNSEEN:
        chosen = np.array(UNSEEN[wanted]) - 1
        if chosen.max() >= len(classes):
            raise ConfigError("the split is for more classes", where="--unseen", found=wanted)
    elif wanted.isdigit():
        chosen = np.random.default_rng(seed).permutation(len(classes))[: int(wanted)]
    else:
        names = [name.strip() for name in wanted.split(",")]
        chosen = np.array([classes.index(choose("class", n, classes, "--unseen")) for n in names])
    if not 0 < len(set(chosen)) < len(classes):
        raise ConfigError(
            "some classes must be unseen and some seen", where="--unseen",
            found=f"{len(set(chosen))} of {len(classes)}",
        )  # fmt: skip
    return np.unique(chosen)


def by_text(similarity: np.ndarray, label: np.ndarray, unseen: np.ndarray) -> dict[str, float]:
    """Zero-shot and generalised zero-shot accuracies, fractions.

    Args:
      similarity: (N, K) of clips and classes.
      label: (N,).
      unseen: labels without training clips.

    Returns:
      ``unseen`` among the unseen classes alone; ``gzsl_seen`` and ``gzsl_unseen`` among all, their
      harmonic mean ``gzsl``. All classes count as clips do.
    """
    is_unseen = np.isin(label, unseen)
    alone = unseen[similarity[:, unseen].argmax(1)] == label
    right = similarity.argmax(1) == label
    seen_share, unseen_share = _mean(right[~is_unseen]), _mean(right[is_unseen])
    both = seen_share + unseen_share
    return {
        "unseen": _mean(alone[is_unseen]),
        "gzsl_seen": seen_share,
        "gzsl_unseen": unseen_share,
        "gzsl": 2 * seen_share * unseen_share / both if both else 0.0,
    }


def retrieval(similarity: np.ndarray, label: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Text to motion: every class's text asks for its clips among those of `classes`.

    Args:
      similarity: (N, K).
      label: (N,).
      classes: labels that ask; those without a clip do not.

    Returns:
      ``R@k``, share of texts with a clip of theirs among the first k; ``mAP``, mean average
      precision; ``median_rank`` of the first right clip, from 1.
    """
    clips = np.isin(label, classes)
    precision, first = [], []
    for name in np.intersect1d(classes, label):
        order = np.argsort(-similarity[clips, name], kind="stable")
        hit = (label[clips] == name)[order]
        ranks = np.flatnonzero(hit) + 1
        precision.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
        first.append(ranks[0])
    first = np.array(first)
    recalls = {f"R@{k}": _mean(first <= k) for k in (1, 5, 10)}
    return {**recalls, "mAP": _mean(precision), "median_rank": float(np.median(first))}


def few_shot(support, support_label, query, query_label, shots: int, seed: int = 0):
    """Mean and deviation over draws of the accuracy of the nearest class mean.

    Args:
      support, query: (N, D) features of the training and test clips of some classes.
      shots: clips a class that are shown.
    """
    rng, classes = np.random.default_rng(seed), np.unique(support_label)
    support, query = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (support, query))
    found = []
    for _ in range(DRAWS):
        means = []
        for name in classes:
            clips = rng.permutation(np.flatnonzero(support_label == name))[:shots]
            means.append(support[clips].mean(0))
        means = np.stack(means)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        found.append(_mean(classes[(query @ means.T).argmax(1)] == query_label))
    return float(np.mean(found)), float(np.std(found))


def few_shots(shown: dict, shown_label, asked: dict, asked_label, counts) -> dict[str, float]:
    """`few_shot` in the text's space and in the backbone's, for several numbers of shots.

    Args:
      shown, asked: outputs of the training and test clips of some classes: `embedding` (N, P, d),
        projected into the text's space, and `feature` (N, D).
      counts: clips a class that are shown.
    """
    found = {}
    for space, name in SPACES.items():
        support, query = (out[name].reshape(len(out[name]), -1) for out in (shown, asked))
        for count in counts:
            mean, deviation = few_shot(support, shown_label, query, asked_label, count)
            found |= {f"{space} {count}": mean, f"{space} {count} +-": deviation}
    return found


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def split(args) -> None:
    """Writes the names of the training clips of the seen classes."""
    config = presets.base()
    config.data.dataset, config.data.dir = args.dataset, args.data_dir
    store = load_split(config, "train")
    unseen = unseen_classes(args.unseen, store.classes, args.seed)
    names = store.name[~np.isin(store.label, unseen)]
    with files.atomic(args.out) as file:
        file.write(as_text(names.tolist()).encode())
    print(f"{len(names):,} of {len(store):,} clips; unseen: ", end="")
    print(", ".join(store.classes[k] for k in unseen))


def test(args) -> dict:
    """Prints and returns what a run recognises by text."""
    set_up()
    folder, step = find_checkpoint(args.run, args.checkpoint)
    saved, mesh = Checkpoints(folder, read_only=True), make_mesh(args.devices)
    config, facts = rundir.config_and_facts(saved.about(step))
    config.data.dir = args.data_dir or config.data.dir
    job = build(config, facts)
    if not hasattr(job.method, "embed"):
        raise ConfigError(
            "the run was not trained with language", where=args.run,
            found=config.method.name, expected="lst",
        )  # fmt: skip
    variables = saved.variables(step)
    texts = np.asarray(job.method.class_texts(variables["params"], variables["extra"]))
    placed = replicate(variables, mesh)
    reader = dataclasses.replace(job, method=_ByText(job.method))

    def outputs(split, labels=None):
        store = load_split(config, split)
        check_layout(facts, store)
        if labels is not None:
            store = store.select(np.flatnonzero(np.isin(store.label, labels)))
        store = store.with_bodies(facts.num_bodies)
        run = Evaluator(reader, store, config.test.batch, mesh)
        return store.label, run.outputs(placed["params"], placed["extra"])

    label, out = outputs(config.data.test)
    similarity = np.einsum("npd,kpd->nk", out["embedding"], texts) / texts.shape[1]
    unseen = np.flatnonzero(np.asarray(facts.class_counts) == 0)
    asked = unseen if len(unseen) else np.arange(len(facts.classes))
    found = {"by text": {"all": _mean(similarity.argmax(1) == label)}}
    if len(unseen):
        found["by text"] = by_text(similarity, label, unseen)
    found["text to motion"] = retrieval(similarity, label, asked)
    if args.shots and len(unseen):
        shown, features = outputs("train", unseen)
        query = np.isin(label, unseen)
        asking = {name: out[name][query] for name in SPACES.values()}
        found["few shots"] = few_shots(features, shown, asking, label[query], args.shots)
    print(f"{len(label):,} clips, {len(facts.classes)} classes, {len(unseen)} of them unseen")
    for title, values in found.items():
        print(title, *(f"  {name:<15}{_shown(name, v)}" for name, v in values.items()), sep="\n")
    if args.out:
        files.write_json(args.out, {**found, "unseen": [facts.classes[k] for k in unseen]})
    return found


def _shown(name, value) -> str:
    return f"{value:7.1f}" if name == "median_rank" else f"{100 * value:7.2f} %"


def _counts(text: str) -> tuple[int, ...]:
    counts = [part.strip() for part in text.split(",")]
    if not all(count.isdecimal() and int(count) for count in counts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 1,5")
    return tuple(map(int, counts))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="skeljax zeroshot", description=__doc__.splitlines()[0])
    verbs = made.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("split", help="list the training clips of the seen classes")
    one.add_argument("dataset", help="TFDS name, or a folder of Store files")
    one.add_argument(
        "--unseen", required=True, help=f"{', '.join(UNSEEN)}; a number; or names, with commas"
    )
    one.add_argument("--seed", type=int, default=0, help="of the drawn classes")
    one.add_argument("--out", required=True, help="text file, for --config.data.train")
    one.add_argument("--data_dir", default="", help="TFDS folder")
    two = verbs.add_parser("test", help="test a run")
    two.add_argument("run", help="run folder")
    two.add_argument("--checkpoint", default="last", help="last, best, or a checkpoint's folder")
    two.add_argument(
        "--shots", type=_counts, default=(), help="few-shot too: clips a class, such as 1,5"
    )
    two.add_argument("--out", default="", help=".json to write")
    two.add_argument("--data_dir", default="", help="TFDS folder")
    two.add_argument("--devices", default="", help="a number or a list of devices")
    return made


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    {"split": split, "test": test}[args.verb](args)


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
