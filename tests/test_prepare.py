"""`skeljax prepare`: builds once, survives whatever stops it, says what is wrong in words."""

import http.server
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
import tensorflow_datasets as tfds
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import split_names

import fake_nw_ucla
from skeljax.datasets import BUILDERS
from skeljax.errors import ConfigError, DataError
from skeljax.prepare import main, prepare
from skeljax.readers import download, nw_ucla

LISTS = split_names()
NAMES = [*LISTS["train"], *LISTS["test"]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return fake_nw_ucla.write_zip(tmp_path_factory.mktemp("raw") / "all_sqe.zip", NAMES)


def start(*args):
    """`skeljax prepare` in a process of its own."""
    command = [sys.executable, "-m", "skeljax.prepare", *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=pathlib.Path(__file__).parents[1],
    )  # fmt: skip


def leftovers(folder):
    """Files and folders that are neither a finished dataset nor ours to keep."""
    return [path.name for path in folder.rglob("*") if "incomplete" in path.name]


def test_builds_tells_how_to_open_it_and_does_nothing_twice(source, tmp_path, capsys):
    arguments = ["nw_ucla", "--source", str(source), "--data_dir", str(tmp_path)]
    main(arguments)
    out, err = capsys.readouterr()
    assert "read 1,484/1,484" in err and "/s" in err
    rows = [line.split() for line in out.splitlines()]
    assert ["train", "1,020", "10", "96-124", "1-5", "1-1"] in rows
    assert ["train_lt10", "403", "10", "10-100", "1-5", "1-1"] in rows
    code = [line for line in out.splitlines() if "import" in line or "data_source" in line]
    scope = {}
    exec("\n".join(line.strip() for line in code), scope)
    assert len(scope["clips"]) == 1020

    built = next(tmp_path.rglob("dataset_info.json")).stat().st_mtime_ns
    main(arguments)
    out, err = capsys.readouterr()
    assert "nothing to do" in out and str(tmp_path) in out and "read" not in err
    assert next(tmp_path.rglob("dataset_info.json")).stat().st_mtime_ns == built

    main(["--list", "--data_dir", str(tmp_path)])
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    for dataset, builder in BUILDERS.items():
        assert f"{dataset}:" in listed
        assert {f"{dataset}/{config}" for config in builder.builder_configs} <= set(listed)
    assert str(tmp_path) in listed["nw_ucla"] and "not prepared" in listed["synthetic/ntu25"]


def test_force_builds_anew_and_a_failed_one_leaves_the_old(source, tmp_path):
    raw = fake_nw_ucla.write(tmp_path / "raw", NAMES[:1400])
    with pytest.raises(DataError):
        prepare("nw_ucla", [raw], tmp_path)
    prepare("nw_ucla", [raw], tmp_path, allow_missing=True)

    def size():
        return tfds.builder("nw_ucla", data_dir=tmp_path).info.splits.total_num_examples

    assert size() < 1887
    assert prepare("nw_ucla", [source], tmp_path).info.splits.total_num_examples < 1887
    prepare("nw_ucla", [source], tmp_path, force=True)
    assert size() == 1887
    with pytest.raises(DataError, match="not complete"):
        prepare("nw_ucla", [raw], tmp_path, force=True)
    assert size() == 1887 and not leftovers(tmp_path)


def test_a_dataset_put_aside_by_a_killed_rebuild_comes_back(source, tmp_path):
    final = pathlib.Path(prepare("nw_ucla", [source], tmp_path).data_path)
    final.rename(final.with_name("incomplete.old_1.0.0"))
    (final.parent / "incomplete.ABCDEF_1.0.0").mkdir()
    assert prepare("nw_ucla", [], tmp_path).info.splits.total_num_examples == 1887
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_build_leaves_nothing_and_runs_again(how, tmp_path):
    for number in range(5):  # on a busy machine the build may be done before we look
        data_dir = tmp_path / str(number)
        process = start("synthetic", "--data_dir", data_dir)
        folder = data_dir / "synthetic" / "ntu25"
        give_up = time.monotonic() + 60
        while not leftovers(data_dir) and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
        if leftovers(data_dir):
            break
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)
    assert leftovers(data_dir) and not (folder / "1.0.0").exists()
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert not (folder / "1.0.0").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130 and "Traceback" not in err
        assert not leftovers(data_dir)
    assert prepare("synthetic", [], data_dir).info.splits["train"].num_examples == 720
    assert not leftovers(data_dir)


def test_two_at_once_build_one(source, tmp_path):
    arguments = ["nw_ucla", "--source", source, "--data_dir", tmp_path]
    processes = [start(*arguments) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("read 1,484/1,484" in err for _, err in said) == 1
    assert all("1,020" in out for out, _ in said)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nw_ucla", "--source", "/no/such/folder"], ["does not exist", "/no/such/folder"]),
        (["nw_ulca"], ["did you mean 'nw_ucla'"]),
        (["synthetic/ntu26"], ["did you mean 'ntu25'"]),
        (["nw_ucla/xsub"], ["config"]),
        ([], ["--list"]),
    ],
)
def test_mistakes_get_one_message_and_exit_2(arguments, words, tmp_path):
    process = start(*arguments, "--data_dir", tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == "" and "Traceback" not in err
    assert all(word in err for word in words), err
    assert not list(tmp_path.rglob("*.array_record*"))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot build[^$]*--data_dir"):
        prepare("synthetic", [], tmp_path / "file")


def test_unknown_names_raise_config_errors(tmp_path):
    with pytest.raises(ConfigError):
        prepare("kinetics", [], tmp_path)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves a file whole as /whole, in part as /part."""

    content = b""

    def do_GET(self):
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        half = len(self.content) // 2
        self.wfile.write(self.content if self.path == "/whole" else self.content[:half])

    def log_message(self, *args):
        pass


@pytest.fixture
def address(source):
    Server.content = source.read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_without_a_source_the_public_file_is_downloaded(address, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(nw_ucla, "URL", f"{address}/whole")
    assert prepare("nw_ucla", [], tmp_path).info.splits["test"].num_examples == 464
    assert "download all_sqe.zip" in capfd.readouterr().err
    kept = tmp_path / "downloads" / "nw_ucla" / "all_sqe.zip"
    assert kept.read_bytes() == Server.content


@pytest.mark.parametrize("path, words", [("/part", "bytes came"), ("/gone", "404")])
def test_a_failed_download_asks_for_a_source(path, words, address, tmp_path, monkeypatch):
    monkeypatch.setattr(nw_ucla, "URL", address + path)
    with pytest.raises(DataError, match=rf"cannot download[^$]*{words}[^$]*--source"):
        prepare("nw_ucla", [], tmp_path)
    assert not [file for file in tmp_path.rglob("*") if "all_sqe" in file.name]


def test_without_a_network_a_source_is_asked_for(tmp_path):
    with pytest.raises(DataError, match="use what you have"):
        download.fetch("http://127.0.0.1:9/x.zip", tmp_path / "x.zip", "use what you have")
    assert os.listdir(tmp_path) == []


def test_the_default_folder_is_that_of_tfds(tmp_path):
    code = "from skeljax.datasets import open_dataset; print(open_dataset('synthetic').data_path)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"TFDS_DATA_DIR": str(tmp_path)},
    )  # fmt: skip
    assert out.stdout.strip() == str(tmp_path / "synthetic" / "ntu25" / "1.0.0")
