"""NTU RGB+D's way into training, timed part by part: parse, all cores, build, re-read, memory.

    python benchmarks/ntu_reader.py --build 3000 --json benchmarks/results/ntu_reader.json

Files of the real size are made up: 84 frames on average, two bodies in one of four, about 270 kB.

1. parse: ours against a plain line-by-line reader, such as the public ones are, one core.
2. cores: a zip of such files, read by one process and by one for each core. Beside the wall's time
   stands the processors' time of all processes: what several cost more than one is what an idle
   machine loses by them.
3. build: ``skeljax prepare ntu60/xsub``, then ``ntu60/xview``, of a zip of some clips and of one
   of three times as many, in processes of their own: seconds, peak memory of all their
   processes together, whether the second read the raw files.
4. re-read: clips a second of the built set, from disk to the arrays that training holds.

Times are the best of several runs: other work on the machine only adds to them, and `load` stands
beside them. What is said of the whole of NTU 60 is extrapolated by the number of files.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import numpy as np
import record

from skeljax.readers import ntu

FILES, CLIPS = 56_880, 56_578  # of NTU RGB+D 60: raw, and without the owners' missing ones
REFERENCE = 17.0  # ms a file of 270 kB on a machine of two such cores: the public reader


def made(seed: int, frames: int | None = None) -> bytes:
    """A file like the real ones: people who stand and sway, twelve fields a joint.

    Args:
      frames: default a draw of 40 to 128, 84 on average.
    """
    rng = np.random.default_rng(seed)
    frames = frames or int(rng.integers(40, 129))
    bodies = 2 if seed % 4 == 0 else 1
    stand = rng.uniform(-0.3, 0.3, (bodies, 25, 3))
    stand[:, :, 1] = np.linspace(-0.9, 0.9, 25)
    stand[:, :, 2] += 3
    sway = 0.1 * rng.normal(size=(frames, 1, 1, 3)).cumsum(axis=0) / frames**0.5
    values = np.concatenate(
        [
            stand + sway + rng.normal(0, 0.005, (frames, bodies, 25, 3)),
            rng.uniform(100, 1000, (frames, bodies, 25, 4)),  # where in the depth and colour image
            rng.normal(0, 0.5, (frames, bodies, 25, 4)),  # orientation
        ],
        axis=-1,
    )
    lines = [str(frames)]
    for frame in values:
        lines.append(str(bodies))
        for i, body in enumerate(frame):
            lines += [f"7205759403793{i:04d} 0 1 1 1 1 0 -0.1159187 0.1413209 2", "25"]
            lines += [("%.7g " * 11 + "2") % tuple(row) for row in body.tolist()]
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


def best(run, repeat: int, clock=time.process_time) -> float:
    """Seconds of the fastest of several runs; by default the processor's, not the wall's."""
    times = []
    for _ in range(repeat):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def parsing() -> dict:
    texts = [made(seed, 84) for seed in range(8)]
    for text in texts:
        np.testing.assert_array_equal(ntu.parse(text, "a").points, line_by_line(text))
    size = sum(map(len, texts)) / len(texts)
    ours, plain = [], []
    for _ in range(15):  # in turn, so that a busy machine slows both alike
        ours.append([best(lambda text=text: ntu.parse(text, "a"), 3) for text in texts])
        plain.append([best(lambda text=text: line_by_line(text), 1) for text in texts])
    ours, plain = (np.min(times, axis=0).mean() * 1e3 for times in (ours, plain))
    return {
        "kB a file": round(size / 1e3),
        "ms a file": round(ours, 2),
        "ms a file, line by line": round(plain, 2),
        "times as fast as line by line": round(plain / ours, 1),
        "times as fast as the public reader's 17 ms": round(REFERENCE * size / 270e3 / ours, 1),
    }


def zipped(path: pathlib.Path, names) -> pathlib.Path:
    """A zip of these clips, of 64 different texts."""
    texts = [made(seed) for seed in range(64)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for i, name in enumerate(names):
            archive.writestr(f"nturgb+d_skeletons/{name}.skeleton", texts[i % len(texts)])
    return path


def family(pid: int) -> list[tuple[int, int, float]]:
    """(pid, resident bytes, processor seconds) of a process and all below it."""
    parent, found = {}, {}
    tick = os.sysconf("SC_CLK_TCK")
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                pages = (entry / "statm").read_text().split()
            except OSError:  # it has ended
                continue
            parent[int(entry.name)] = int(fields[1])
            resident = int(pages[1]) * os.sysconf("SC_PAGE_SIZE")
            found[int(entry.name)] = resident, (int(fields[11]) + int(fields[12])) / tick
    kin = {pid}
    while more := {child for child, of in parent.items() if of in kin} - kin:
        kin |= more
    return [(one, *found[one]) for one in kin if one in found]


def cores(folder: pathlib.Path, count: int) -> dict:
    """A pass over a zip, by one process and by all cores."""
    files = ntu.files(zipped(folder / "a.zip", [f"S001C001P001R001A{i:03d}" for i in range(count)]))
    everybody = len(os.sched_getaffinity(0))
    out = {"files": count, "cores": everybody}
    for workers in dict.fromkeys((1, everybody)):
        walls, spent = [], []
        for _ in range(3):
            start = time.time(), sum(seconds for *_, seconds in family(os.getpid()))
            for i, _ in enumerate(ntu.read(files, workers)):
                if i == count - 1:  # before the processes end
                    spent.append(sum(seconds for *_, seconds in family(os.getpid())) - start[1])
            walls.append(time.time() - start[0])
        out[f"{workers} processes: files/s"] = round(count / min(walls))
        out[f"{workers} processes: processor ms a file, all together"] = round(
            min(spent) / count * 1e3, 2
        )
    return out


def watched(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak memory in MB of all its processes at one time, and what it said."""
    peak, done = [0.0], threading.Event()
    start = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def watch():
        while not done.wait(0.1):
            peak[0] = max(peak[0], sum(memory for _, memory, _ in family(process.pid)) / 1e6)

    threading.Thread(target=watch).start()
    said = process.communicate()[0]
    done.set()
    if process.returncode:
        raise RuntimeError(said)
    return time.time() - start, peak[0], said


def building(folder: pathlib.Path, count: int) -> dict:
    from skeljax.datasets import ntu_names

    names = list(np.random.default_rng(0).permutation(ntu_names.available("ntu60")))
    out = {}
    for clips in (count // 3, count):
        here = folder / f"{clips}"
        here.mkdir()
        source = zipped(here / ntu.ARCHIVES[0], sorted(names[:clips]))
        out[f"{clips} clips"] = entry = {"zip MB": round(source.stat().st_size / 1e6)}
        for config in ("xsub", "xview"):
            prepare = [sys.executable, "-m", "skeljax", "prepare", f"ntu60/{config}"]
            options = ["--source", str(source), "--data_dir", str(here / "tfds")]
            seconds, peak, said = watched([*prepare, *options, "--allow-missing"])
            entry[config] = {
                "seconds": round(seconds, 1),
                "peak MB, all processes": round(peak),
                "parsed the raw files": "parse " in said,
            }
        shelf = sum(f.stat().st_size for f in (here / "tfds/skeljax_parsed").rglob("arrays.bin"))
        entry["shelf MB"] = round(shelf / 1e6)
    few, many = (out[f"{n} clips"]["xsub"]["peak MB, all processes"] for n in (count // 3, count))
    slope = max(0.0, (many - few) / (count - count // 3))
    out["peak MB for all of NTU 60, extrapolated"] = round(few + slope * FILES)
    return out


def rereading(folder: pathlib.Path) -> dict:
    """Clips a second of a built ntu60/xsub, file cache warm."""
    from skeljax.data.store import Store

    out = {}
    for dtype in (np.float32, np.float16):
        seconds, wall = [], []
        for _ in range(5):
            start = time.process_time(), time.time()
            store = Store.from_tfds("ntu60/xsub", "train", data_dir=folder, dtype=dtype)
            seconds.append(time.process_time() - start[0])
            wall.append(time.time() - start[1])
        name = np.dtype(dtype).name
        out[f"{name}: clips"] = len(store)
        out[f"{name}: clips/s"] = round(len(store) / min(wall))
        out[f"{name}: clips a processor second"] = round(len(store) / min(seconds))
    return out


def resident() -> dict:
    """GB of NTU 60 as training holds it: frames without padding in time, two bodies everywhere."""
    frames = CLIPS * 84
    return {
        f"GB of {CLIPS:,} clips of 84 frames, {np.dtype(dtype).name}": round(
            frames * 2 * 25 * 3 * np.dtype(dtype).itemsize / 1e9, 2
        )
        for dtype in (np.float32, np.float16)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=400, help="files of the zip of `cores`")
    parser.add_argument("--build", type=int, default=0, help="clips of the set that is built")
    parser.add_argument("--json", help="where the numbers are written")
    args = parser.parse_args()
    results = {}

    def add(name, numbers):
        results[name] = numbers | {"load": round(os.getloadavg()[0], 1)}
        print(json.dumps({name: results[name]}, indent=1), flush=True)

    add("parse", parsing())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        add("cores", cores(folder, args.files))
        if args.build:
            add("build", building(folder, args.build))
            add("re-read", rereading(folder / str(args.build) / "tfds"))
    add("resident", resident())
    if args.json:
        record.write(args.json, results, "array-record")


if __name__ == "__main__":
    main()
