"""What a run tells: a line on the console, metrics.jsonl, TensorBoard."""

from __future__ import annotations

import json
import math
import pathlib
import time

import numpy as np

from skeljax import files, rundir


class Logbook:
    """Writes the metrics of a run; a silent one for the processes that are not the first.

    After a resume, lines of steps that will be taken again are dropped from metrics.jsonl, so that
    the file reads as if the run had never stopped.

    Raises:
      CheckpointError: from every call that writes, when the disk is full.
    """

    def __init__(self, folder: str | pathlib.Path | None, *, resumed_step: int = 0):
        self._began, self._said, self._file = time.monotonic(), -math.inf, None
        if folder is None:
            return
        self._folder = folder
        path = pathlib.Path(folder) / "metrics.jsonl"
        if path.exists():
            kept = [row for row in read_metrics(path) if _taken(row, resumed_step)]
            with files.atomic(path) as file:
                file.write("".join(json.dumps(row) + "\n" for row in kept).encode())
            self._began -= kept[-1]["seconds"] if kept else 0.0
        with rundir.guarded(folder):
            self._file = path.open("a", buffering=1)
            self._board = Board(folder, resumed_step + 1)

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
        with rundir.guarded(self._folder):
            self._file.write(json.dumps(row) + "\n")
            self._board.write(step, values)

    def due(self, every: float) -> bool:
        """Whether nothing was said for so many seconds."""
        return time.monotonic() - self._said >= every

    def say(self, text: str) -> None:
        self._said = time.monotonic()
        if self._file is not None:
            print(text, flush=True)

    def close(self) -> None:
        if self._file is not None:
            with rundir.guarded(self._folder):
                self._file.close()
                self._board.close()


class Board:
    """A file for TensorBoard, written in the caller's thread.

    tensorboardX's SummaryWriter has one of its own: where the disk is full it dies there with a
    trace, and the training waits for it for ever.

    Args:
      folder: of the file.
      first_step: what other files there say of this step and later ones no longer holds.
    """

    def __init__(self, folder: str | pathlib.Path, first_step: int):
        from tensorboardX import summary  # a second to import
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._event, self._scalar = Event, summary.scalar
        # the step, since files of the same second would have the same name
        self._file = EventsWriter(f"{folder}/events", filename_suffix=f".{first_step}")
        self._flushed = time.monotonic()
        self._add(step=first_step, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, values: dict[str, float]) -> None:
        """Numbers of a step by their names; on disk with a write 10 s later, or at `close`."""
        for key, value in values.items():
            self._add(step=step, summary=self._scalar(key, value))
        if time.monotonic() - self._flushed > 10:
            self._file.flush()
            self._flushed = time.monotonic()

    def _add(self, **what) -> None:
        self._file.write_event(self._event(wall_time=time.time(), **what))

    def close(self) -> None:
        self._file.close()


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
