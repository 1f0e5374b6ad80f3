"""What a run can and cannot do: ``skeljax report runs/x`` writes text, tables and pictures."""

from __future__ import annotations

import argparse
import csv
import io
import pathlib
from collections.abc import Sequence

import numpy as np

from skeljax import embedding, files, metrics, pairs, scores
from skeljax.errors import DataError, run_cli
from skeljax.fuse import match
from skeljax.logbook import read_metrics
from skeljax.scores import Scores

_SAID = ("dataset", "protocol", "method", "backbone", "stream", "which", "epoch")
SHOWN = 600  # clips in the picture of features: t-SNE of so many takes five seconds


def write_report(run_dir, *, baseline=None, out=None) -> str:
    """Writes the report of one run and returns its text.

    ``report.txt``, ``per_class.csv``, ``confusion.csv`` and ``confusion.png`` always;
    ``calibration.png`` but of fused logits; ``groups.csv`` and ``frequency.png`` where training
    clips a class differ by more than half; ``features.png`` where the scores carry features;
    ``curve.png`` where there is a metrics.jsonl; ``collapse.png`` of a contrastive pre-training;
    ``gains.png``, ``pairs.csv`` and ``pairs.png`` with a baseline.

    Args:
      run_dir: a run folder, or a file of scores with labels.
      baseline: another run on the same clips, to compare classes with.
      out: folder for the files; default ``report`` in the run folder, or ``report/FILE`` beside a
        file of scores.

    Raises:
      DataError: no scores or labels, or a baseline on other clips.
    """
    from skeljax import plots  # matplotlib is slow to import

    run_dir = pathlib.Path(run_dir)
    run, result = load_run(run_dir)
    beside = run_dir / "report" if run_dir.is_dir() else run_dir.parent / "report" / run_dir.name
    out = pathlib.Path(out or beside)
    matrix = metrics.confusion(run.scores, run.label)
    accuracy = metrics.per_class(run.scores, run.label)
    other = None if baseline is None else _same_clips(run, baseline)
    gain = None if other is None else accuracy - metrics.per_class(other.scores, other.label)
    groups, names = _group_rows(run, other), run.class_names()
    tested = np.bincount(run.label, minlength=len(names)) > 0
    changed = pairs.confusable(other.scores, run.scores, run.label) if other else []
    text = "\n\n".join(
        part
        for part in (
            _heading(run, result),
            aligned(groups) if groups else "",
            _classes(run, accuracy, gain),
            _pairs(matrix, names),
            pairs.text(changed, other, run) if changed else "",
        )
        if part
    )
    _write(out / "report.txt", text + "\n")
    _write(out / "per_class.csv", _csv(_class_rows(run, accuracy, gain)))
    counted = [["true", *names], *([name, *row] for name, row in zip(names, matrix.tolist()))]
    _write(out / "confusion.csv", _csv(counted))
    pictures = {"confusion.png": plots.confusion(matrix, names)}
    if run.kind != "sums":
        reliability = metrics.reliability(chances(run), run.label)
        pictures["calibration.png"] = plots.calibration(*reliability)
    seen = panels(run)
    if seen:
        pictures["features.png"] = plots.features(*seen, names)
    if groups:
        _write(out / "groups.csv", _csv(groups))
        pictures["frequency.png"] = plots.frequency(
            run.train_counts, np.where(tested, accuracy, np.nan), metrics.shots(run.train_counts)
        )
    if gain is not None:
        pictures["gains.png"] = plots.gains(gain[tested], [n for n, t in zip(names, tested) if t])
    if changed:
        _write(out / "pairs.csv", _csv(pairs.rows(changed, names)))
        pictures["pairs.png"] = pairs.figure(changed, names)
    log = run_dir / "metrics.jsonl"
    if log.is_file():
        rows = read_metrics(log)
        pictures["curve.png"] = plots.curve(rows)
        watch = plots.collapse(rows)
        if watch is not None:
            pictures["collapse.png"] = watch
    for name, figure in pictures.items():
        with files.atomic(out / name) as file:
            figure.savefig(file, format="png", dpi=150, bbox_inches="tight")
    return text


def load_run(path) -> tuple[Scores, dict]:
    """Scores of a run, and its result.json ({} where there is none).

    Raises:
      DataError: no scores, or scores without labels.
    """
    run = scores.read(path)
    if run.label is None:
        raise DataError("the scores carry no labels", where=path, do="skeljax fuse --labels FILE")
    result = pathlib.Path(path) / "result.json"
    return run, files.read_json(result) if result.is_file() else {}


def uneven(counts) -> bool:
    """Whether the commonest class has at least twice the training clips of the rarest."""
    return counts is not None and counts.max() >= 2 * max(counts.min(), 1)


def chances(run: Scores) -> np.ndarray:
    """(N,K) probabilities."""
    return run.scores if run.kind == "probabilities" else metrics.softmax(run.scores)


def calibration_error(run: Scores) -> float:
    """ECE; NaN for fused logits, which are as large as their weights."""
    return float("nan") if run.kind == "sums" else metrics.ece(chances(run), run.label)


def panels(run: Scores) -> tuple[dict, np.ndarray] | None:
    """({title: (n, 2)}, labels (n,)) of up to `SHOWN` clips; None without features to show."""
    if run.feature is None or len(run.feature) < 10 or not np.isfinite(run.feature).all():
        return None
    count = len(run.feature)
    rows = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).astype(int))
    feature = run.feature[rows].astype(np.float64)
    flat, share = embedding.pca(feature)
    found = {f"principal components, {100 * share.sum():.0f} % of the variance": flat}
    return found | {"t-SNE": embedding.tsne(feature)}, run.label[rows]


def table(paths: Sequence) -> list[list[str]]:
    """A header and one row a run: what it is, and its accuracies and calibration in percent.

    With those of many, medium and few clips, and of thirds, where a run's training was uneven.
    """
    runs = [load_run(path) for path in paths]
    tailed = any(uneven(run.train_counts) for run, _ in runs)
    rows = [["run", *_SAID[:5], "top-1", "top-5", "mean class", "ECE"]]
    rows[0] += ["many", "medium", "few", "head", "middle", "tail"] if tailed else []
    for path, (run, result) in zip(paths, runs):
        found = metrics.summary(run.scores, run.label)
        numbers = [found[key] for key in ("top1", "top5", "mean_class")]
        numbers.append(calibration_error(run))
        if tailed:
            for groups in _groupings(run):
                numbers += metrics.group_accuracy(run.scores, run.label, groups).values()
        said = [str(result.get(key) or "-") for key in _SAID[:5]]
        rows.append([pathlib.Path(path).name, *said, *map(_percent, numbers)])
        rows[-1] += ["-"] * (len(rows[0]) - len(rows[-1]))
    return rows


def _percent(share: float, form: str = ".2f") -> str:
    return "-" if np.isnan(share) else f"{100 * share:{form}}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text: the first column to the left, numbers to the right."""
    width = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    number = [all(_is_number(row[c]) for row in rows[1:]) for c in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, width, number)
        ).rstrip()
        for row in rows
    )


def _is_number(text: str) -> bool:
    return text == "-" or text.lstrip("+-").replace(".", "", 1).replace("%", "").isdigit()


def _heading(run: Scores, result: dict) -> str:
    said = [f"{key} {result[key]}" for key in _SAID if result.get(key) not in (None, "")]
    found = metrics.summary(run.scores, run.label)
    numbers = ", ".join(
        f"{word} {100 * found[key]:.2f}"
        for word, key in (("top-1", "top1"), ("top-5", "top5"), ("mean class", "mean_class"))
    )
    clips = f"{len(run.label):,} clips, {run.scores.shape[1]} classes"
    calibration = f"calibration error (ECE) {_percent(calibration_error(run))} %"
    if run.kind == "sums":
        calibration = "no calibration error, as fused logits are no logits of a probability"
    return "\n".join([", ".join(said) or run.source, clips, f"{numbers} %, {calibration}"])


def _groupings(run: Scores) -> list[dict[str, np.ndarray]]:
    """Classes by thresholds of their training clips, and by thirds; none where they are even."""
    if not uneven(run.train_counts):
        return []
    return [metrics.shots(run.train_counts), metrics.thirds(run.train_counts)]


def _group_rows(run: Scores, other: Scores | None) -> list[list[str]]:
    """Mean class accuracy by training clips a class, and its gain over a baseline."""
    rows = [["group", "classes", "training clips", "mean class %", *(["gain"] if other else [])]]
    for groups in _groupings(run):
        found = metrics.group_accuracy(run.scores, run.label, groups)
        before = metrics.group_accuracy(other.scores, run.label, groups) if other else {}
        for name, mask in groups.items():
            if mask.any():
                counts = run.train_counts[mask]
                span = f"{counts.min()} to {counts.max()}"
                rows.append([name, str(mask.sum()), span, _percent(found[name])])
                if other:
                    rows[-1].append(_percent(found[name] - before[name], "+.2f"))
    return rows if len(rows) > 1 else []


def _class_rows(run: Scores, accuracy, gain) -> list[list[str]]:
    """Class number, name, training and test clips, accuracy and gain, in class order."""
    tested = np.bincount(run.label, minlength=len(accuracy))
    trained = ["-"] * len(accuracy) if run.train_counts is None else run.train_counts.tolist()
    rows = [["class", "name", "train clips", "test clips", "accuracy %"]]
    for c, name in enumerate(run.class_names()):
        shown = f"{100 * accuracy[c]:.2f}" if tested[c] else "-"
        rows.append([str(c), name, str(trained[c]), str(tested[c]), shown])
    if gain is not None:
        rows[0].append("gain")
        for row, value in zip(rows[1:], gain):
            row.append(f"{100 * value:+.2f}" if row[4] != "-" else "-")
    return rows


def _classes(run: Scores, accuracy, gain) -> str:
    header, *rows = _class_rows(run, accuracy, gain)
    worst = sorted(rows, key=lambda row: 101 if row[4] == "-" else float(row[4]))
    return "classes, the worst first\n" + aligned([header, *worst])


def _pairs(matrix, names: Sequence[str]) -> str:
    rows = [["mistaken", "for", "clips", "of its clips"]]
    for true, predicted, clips, share in metrics.confused_pairs(matrix):
        rows.append([names[true], names[predicted], str(clips), f"{100 * share:.1f}%"])
    return "most confused pairs\n" + aligned(rows) if len(rows) > 1 else ""


def _same_clips(run: Scores, baseline) -> Scores:
    """The baseline's scores of the run's clips, in the run's order."""
    other, _ = load_run(baseline)
    if run.name is not None and other.name is not None:
        other = other.take(match(other.name, run.name, f"{baseline} against {run.source}"))
    if other.scores.shape != run.scores.shape or (other.label != run.label).any():
        raise DataError(
            "the baseline is on other clips, classes or labels",
            where=baseline,
            found=f"scores {other.scores.shape}",
            expected=f"{run.scores.shape}, with the same labels",
        )
    return other


def _csv(rows) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path, text: str) -> None:
    with files.atomic(path) as file:
        file.write(text.encode())


def _names(paths: Sequence[str]) -> list[str]:
    """A folder for each run of several: its last name, or the whole path where two share one."""
    names = [pathlib.Path(path).name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [path.strip("./").replace("/", "_") for path in paths]


def main(argv=None) -> None:
    """``skeljax report``."""
    parser = argparse.ArgumentParser(prog="skeljax report", description="Tables and pictures.")
    parser.add_argument("runs", nargs="+", help="run folders, or files of scores with labels")
    parser.add_argument("--baseline", help="a run to compare the classes with")
    parser.add_argument("--out", help="folder (default: report/ in each run, report/FILE)")
    args = parser.parse_args(argv)
    rows = table(args.runs)
    several = len(args.runs) > 1
    for path, name in zip(args.runs, _names(args.runs)):
        out = pathlib.Path(args.out) / name if several and args.out else args.out
        text = write_report(path, baseline=args.baseline, out=out)
    print(aligned(rows) if several else text)
    if several and args.out:
        _write(pathlib.Path(args.out) / "runs.csv", _csv(rows))


if __name__ == "__main__":
    run_cli(main)
