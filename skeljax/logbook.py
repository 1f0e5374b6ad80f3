"""What a run tells: a line on the console, metrics.jsonl, TensorBoard."""

from __future__ import annotations

import json
import math
import pathlib
import time

import numpy as np

from skeljax import files


class Logbook:
    """Writes the metrics of a run; a silent one for the processes that are not the first.

    After a resume, lines of steps that will be taken again are dropped from metrics.jsonl, so that
    the file reads as if the run had never stopped.
    """

    def __init__(self, folder: str | pathlib.Path | None, *, resumed_step: int = 0):
        self._began, self._said, self._file = time.monotonic(), -math.inf, None
        if folder is None:
            return
        from tensorboardX import SummaryWriter  # a second to import

        path = pathlib.Path(folder) / "metrics.jsonl"
        if path.exists():
            kept = [row for row in read_metrics(path) if _taken(row, resumed_step)]
            with files.atomic(path) as file:
                file.write("".join(json.dumps(row) + "\n" for row in kept).encode())
            self._began -= kept[-1]["seconds"] if kept else 0.0
        self._file = path.open("a", buffering=1)
        self._board = SummaryWriter(str(folder), purge_step=resumed_step + 1, flush_secs=10)

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, without the time between a stop and its resumption."""
        return time.monotonic() - self._began

    def write(self, step: int, values: dict[str, float]) -> None:
        """One row: {"epoch": 1.5, "train/loss": 0.7}."""
        if self._file is None:
            return
        row = {"step": step, "seconds": round(self.seconds, 2)}
        row |= {key: _short(value) for key, value in values.items()}
        self._file.write(json.dumps(row) + "\n")
        for key, value in values.items():
            self._board.add_scalar(key, value, step)

    def due(self, every: float) -> bool:
        """Whether nothing was said for so many seconds."""
        return time.monotonic() - self._said >= every

    def say(self, text: str) -> None:
        self._said = time.monotonic()
        if self._file is not None:
            print(text, flush=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._board.close()


class Progress:
    """Rate and time left, from the time spent in steps."""

    def __init__(self, total: int, batch: int):
        self.total, self.batch = total, batch
        self.steps, self.seconds = 0, 0.0

    def add(self, steps: int, seconds: float) -> None:
        self.steps += steps
        self.seconds += seconds

    def line(self, step: int) -> str:
        if not self.steps:
            return ""
        rate = self.steps / self.seconds
        return f"{rate * self.batch:.1f} clips/s  eta {clock((self.total - step) / rate)}"


def clock(seconds: float) -> str:
    """``1:02:03`` or ``02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute:02}:{second:02}"


def read_metrics(path: str | pathlib.Path) -> list[dict]:
    """Rows of a metrics.jsonl; a last line cut short by a kill is left out."""
    rows = []
    for line in pathlib.Path(path).read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _taken(row, resumed_step) -> bool:
    """Whether a row stays; the validation of the step resumed at is made again."""
    return row["step"] < resumed_step or (row["step"] == resumed_step and "train/loss" in row)


def _short(value):
    value = np.asarray(value).item()
    return float(f"{value:.6g}") if isinstance(value, float) else value
