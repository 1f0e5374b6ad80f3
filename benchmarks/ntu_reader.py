"""How fast .skeleton files are parsed: ``python benchmarks/ntu_reader.py``.

Files of the real size (84 frames, one body in three of four, about 270 kB) are made up; ours is
timed against a plain line-by-line reader, such as the public ones are, on one core, and over a zip
with all cores. Times are the best of several runs: other work on the machine only adds to them.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import tempfile
import time
import zipfile

import numpy as np

from skeljax.readers import ntu


def made(seed: int, frames: int = 84) -> bytes:
    """A file as large as the real ones are on average."""
    rng = np.random.default_rng(seed)
    bodies = 2 if seed % 4 == 0 else 1
    lines = [str(frames)]
    for _ in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"7205759403793{body:04d} 0 1 1 1 1 0 -0.1159187 0.1413209 2", "25"]
            lines += [" ".join(f"{v:.7g}" for v in row) + " 2" for row in rng.normal(size=(25, 11))]
    return ("\r\n".join(lines) + "\r\n").encode()


def line_by_line(text: bytes) -> np.ndarray:
    """All joints by a reader without tricks."""
    lines, points = iter(text.decode().splitlines()), []
    for _ in range(int(next(lines))):
        for _ in range(int(next(lines))):
            next(lines)
            for _ in range(int(next(lines))):
                points.append([float(value) for value in next(lines).split()][:3])
    return np.array(points, np.float32).reshape(-1, 25, 3)


def best(run, repeat: int = 9, clock=time.process_time) -> float:
    """Seconds of the fastest of several runs; by default the processor's, not the wall's."""
    times = []
    for _ in range(repeat):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=400, help="files in the zip")
    args = parser.parse_args()
    texts = [made(seed) for seed in range(8)]
    size = sum(map(len, texts)) / len(texts)
    for text in texts:
        np.testing.assert_array_equal(ntu.parse(text, "a").points, line_by_line(text))
    ours = np.mean([best(lambda text=text: ntu.parse(text, "a"), 25) for text in texts])
    plain = np.mean([best(lambda text=text: line_by_line(text), 5) for text in texts])
    print(f"{size / 1e3:.0f} kB a file, one core: {ours * 1e3:.2f} ms; line by line "
          f"{plain * 1e3:.1f} ms, {plain / ours:.1f} times as long")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(args.files):
                archive.writestr(f"S001C001P001R001A{i:03d}.skeleton", texts[i % len(texts)])
        files = ntu.files(path)
        for workers in sorted({1, len(os.sched_getaffinity(0))}):
            seconds = best(
                lambda workers=workers: sum(1 for _ in ntu.read(files, workers)), 2, time.time
            )
            rate = len(files) / seconds
            print(
                f"zip, {workers} cores: {rate:.0f} files/s, NTU 60 in {56880 / rate / 60:.1f} min"
            )


if __name__ == "__main__":
    main()
