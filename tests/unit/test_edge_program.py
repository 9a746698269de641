"""The program of a bundle on this machine: watching a folder, power cuts, full disks, and what it is to refuse."""

import argparse
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported import lean_packages
from onnx import helper

from geoml import edge, runtimes
from geoml.errors import InputError
from geoml.export import bundle
from geoml.files import checksum
from geoml.predict import predict

ONNX = onnx.TensorProto.FLOAT
TASKS = {"slip": ("efficiency", [128, 64, 1]), "patchnet": ("answer", [112, 112, 1])}
# Runs the program in a Python that dies, as if the power failed, at the step of that number of those that change disks;
# it ends by itself after a few looks into the folder.
DYING = """
import os, signal, sys
from geoml_pi import edge

left, looks = int(sys.argv.pop(1)), 3

def dying(real):
    def call(*arguments, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    return call

for name in ("fsync", "mkdir", "rename", "replace", "rmdir", "unlink"):
    setattr(os, name, dying(getattr(os, name)))

def sleep(seconds):
    global looks
    looks -= 1
    if not looks:
        sys.exit(0)

edge.time.sleep = sleep
sys.exit(edge.main(sys.argv[1:]))
"""
HASTY = "import sys; from geoml_pi import edge; edge._WAIT_S = 0.1; sys.exit(edge.main(sys.argv[1:]))"


def write_model(path: Path, task: str = "slip", **more: Any) -> Path:
    """A network of one layer that says how bright its input is, as ONNX of ours."""
    output, shape = TASKS[task]
    given, asked = ["batch", *shape], ["batch", 1]
    weights = onnx.numpy_helper.from_array(np.full((int(np.prod(shape)), 1), 3e-4, np.float32), "w")
    nodes = [helper.make_node("Flatten", ["map"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], [output])]
    ends = [helper.make_tensor_value_info("map", ONNX, given)], [helper.make_tensor_value_info(output, ONNX, asked)]
    model = helper.make_model(
        helper.make_graph(nodes, task, *ends, [weights]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    run = {"task": task, "dataset": "made", "variant": "bright", "seed": 0}
    meta = {"task": task, "run": run, "data_source": "synthetic", "sigma_scale": 0.1, "input_shape": shape}
    if more.get("ours", True):
        helper.set_model_props(model, {runtimes.KEY: json.dumps(meta)})
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export of the slip task."""
    folder = tmp_path_factory.mktemp("export")
    model = write_model(folder / "model.onnx")
    found = {"file": model.name, "status": "checked", "sha256": checksum(model)}
    found |= {"accuracy_2sd": 0.5, "accuracy_2sd_ci_low": 0.4, "accuracy_2sd_ci_high": 0.6}
    card = {
        "task": "slip", "run": {"task": "slip", "dataset": "made", "variant": "bright", "seed": 0},
        "formats": {"onnx": found}, "bundle": [model.name], "score": "accuracy_2sd", "n_test": 10,
        "method": "a method", "citation": "a citation", "data_source": "synthetic",
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "MODEL_CARD.md").write_text("# A card\n")
    return folder


@pytest.fixture(scope="module")
def archive(exported: Path) -> Path:
    bundle.bundle(exported / "card.json", exported / "geoml-pi-slip.tar.gz")
    return exported / "geoml-pi-slip.tar.gz"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has NumPy and onnxruntime, and nothing else."""
    folder = lean_packages(tmp_path_factory.mktemp("packages"))
    return script(folder / "python", f'PYTHONPATH="$PYTHONPATH:{folder}" exec {sys.executable} -S "$@"')


def script(path: Path, text: str) -> Path:
    """A shell script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    """The unpacked bundle, not installed."""
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    return tmp_path / "geoml-pi-slip"


@pytest.fixture
def home(unpacked: Path, python: Path) -> Path:
    """The unpacked bundle, as if it were installed."""
    (unpacked / ".venv/bin").mkdir(parents=True)
    (unpacked / ".venv/bin/python").symlink_to(python)
    (unpacked / ".venv/ready").touch()
    return unpacked


def run(home: Path, *arguments: object, code: str = "") -> "subprocess.CompletedProcess[str]":
    """The program, or Python code with the program's packages."""
    command = [home / ".venv/bin/python", "-c", code] if code else [home / "geoml-pi"]
    given = list(map(str, [*command, *arguments]))
    return subprocess.run(given, text=True, capture_output=True, timeout=60, env=os.environ | {"PYTHONPATH": str(home)})


def refused(home: Path, *arguments: object) -> str:
    """Why the program does not do what it was asked for."""
    done = run(home, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def write_map(path: Path, row: int = 60) -> Path:
    """A map of one straight fault."""
    faults = np.zeros((128, 114), np.uint8)
    faults[row : row + 5] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, faults)
    return path


def wait(found: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 30
    while not found():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_the_program_answers_as_geoml_does_and_no_package_is_missing(home: Path, exported: Path, tmp_path: Path):
    inputs = write_map(tmp_path / "a.npy")
    done = run(home, "slip", inputs, "-o", tmp_path / "pi")
    assert done.returncode == 0, done.stderr
    said = str(predict("slip", [inputs], tmp_path / "here", exported / "model.onnx"))
    assert (tmp_path / "pi/efficiency.csv").read_bytes() == (tmp_path / "here/efficiency.csv").read_bytes()
    assert [line for line in said.splitlines() if not line.startswith("wrote")] == done.stdout.splitlines()[:2]
    assert "no figures: Matplotlib is not installed" in done.stdout
    tested = run(home, "selftest")
    assert tested.returncode == 0 and "model.onnx, onnxruntime" in tested.stdout, tested.stderr


def test_a_network_that_answers_otherwise_fails_the_self_test(home: Path):
    with np.load(home / "selftest.npz") as known:
        arrays = dict(known)
    np.savez(home / "selftest.npz", **arrays | {"model.onnx:efficiency": arrays["model.onnx:efficiency"] + 0.01})
    assert "model.onnx: answers: expected those of the machine that made it, within 0.0001" in refused(home, "selftest")


# Watching, in this process: each look into the folder is a step of the test.


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Watch ``in`` with something to do before each further look; gives the files in the order they were answered."""

    def watch(*steps: Callable[[], Any], answer: Callable[[Path, Path], str] | None = None) -> list[str]:
        todo, answered = iter(steps), []

        def sleep(seconds: float) -> None:
            step = next(todo, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        def write(file: Path, out: Path) -> str:
            answered.append(file.name)
            assert out.suffix != file.suffix, "a folder whose name is that of a file is refused by some tasks"
            if answer:
                return answer(file, out)
            (out / "size.txt").write_text(str(file.stat().st_size))
            return f"wrote {out / 'size.txt'}"

        monkeypatch.setattr(edge.time, "sleep", sleep)
        (tmp_path / "in").mkdir(exist_ok=True)
        given = argparse.Namespace(inputs=[tmp_path / "in"], out=tmp_path / "out", watch=1.0)
        with pytest.raises(KeyboardInterrupt):
            edge._watch(given, write)
        return answered

    return watch


def nothing() -> None:
    """A look later."""


def put(path: Path, text: str) -> Callable[[], Any]:
    def step() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return step


def test_files_that_are_there_and_files_that_come_are_answered_once(
    looks: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / "old.sac", "xxx")()
    assert looks(nothing, put(folder / "sub/new.sac", "xx"), put(folder / ".hidden", "x"), nothing, nothing) == [
        "old.sac", "new.sac",
    ]  # fmt: skip
    assert sorted(path.parent for path in out.rglob("input.json")) == [out / "old.sac", out / "sub/new.sac"]
    assert (out / "old.sac/size.txt").read_text() == "3"
    assert f"wrote {out / 'old.sac/size.txt'}" in capsys.readouterr().out, "the folder's name when it is whole"
    assert looks(nothing, nothing) == [], "what was answered is not answered again when it starts again"


def test_a_file_that_grows_waits_until_it_is_whole(looks: Callable[..., list[str]], tmp_path: Path):
    file, out = tmp_path / "in/a.sac", tmp_path / "out"

    def grow() -> None:
        with open(file, "a") as more:
            more.write("xxxx")
        assert not list(out.iterdir())

    put(file, "x")()
    assert looks(grow, grow, grow, nothing) == ["a.sac"]
    assert (out / "a.sac/size.txt").read_text() == "13"


def test_a_bad_file_gets_its_reason_and_is_tried_again_when_it_changes(looks: Callable[..., list[str]], tmp_path: Path):
    file, answers = tmp_path / "in/a.sac", tmp_path / "out/a.sac"

    def answer(file: Path, out: Path) -> str:
        if file.read_text() == "bad":
            (out / "half.txt").touch()
            raise InputError(file, "content", "a seismogram", "bad")
        if file.read_text() == "odd":
            raise IndexError("of a reader that knows no such file")
        return "good"

    put(file, "bad")()
    assert looks(nothing, nothing, nothing, answer=answer) == ["a.sac"], "not again while it is the same"
    assert (answers / "error.txt").read_text() == f"{file}: content: expected a seismogram, got bad.\n"
    assert sorted(path.name for path in answers.iterdir()) == ["error.txt", "input.json"]
    put(file, "odd")()
    assert looks(nothing, answer=answer) == ["a.sac"]
    assert (answers / "error.txt").read_text() == "IndexError: of a reader that knows no such file\n"
    put(file, "good")()
    assert looks(nothing, answer=answer) == ["a.sac"]
    assert [path.name for path in answers.iterdir()] == ["input.json"]


@pytest.mark.parametrize("error", [InputError("a", "disk space", "room", "0 MB left"), OSError(28, "No space left")])
def test_a_file_is_done_again_when_the_disk_has_room_again(
    looks: Callable[..., list[str]], tmp_path: Path, error: Exception
):
    errors = iter([error])

    def answer(file: Path, out: Path) -> str:
        for found in errors:
            raise found
        return "good"

    def gone() -> None:
        assert not list((tmp_path / "out").iterdir())

    put(tmp_path / "in/a.sac", "x")()
    assert looks(nothing, gone, nothing, answer=answer) == ["a.sac", "a.sac"]
    assert [path.name for path in (tmp_path / "out/a.sac").iterdir()] == ["input.json"]


def test_answers_in_the_folder_that_is_watched_are_no_inputs(looks: Callable[..., list[str]], tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "in/answers")
    (tmp_path / "in/answers").mkdir()
    put(tmp_path / "in/a.sac", "x")()
    assert looks(nothing, nothing, nothing) == ["a.sac"]


# Watching, as a process of its own.


@pytest.fixture
def watching(home: Path, tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start the program on ``in``; ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str = "") -> "subprocess.Popen[str]":
        (tmp_path / "in").mkdir(exist_ok=True)
        command = [home / ".venv/bin/python", "-c", code] if code else [home / "geoml-pi"]
        command += ["slip", tmp_path / "in", "--watch", "0.1", "-o", tmp_path / "out"]
        with open(tmp_path / "said.txt", "a") as said:
            process = subprocess.Popen(
                list(map(str, command)), stdout=said, stderr=said, text=True, env=os.environ | {"PYTHONPATH": str(home)}
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def whole(answers: Path) -> bool:
    """Answers that are there are all there, to some state of the file."""
    return not answers.exists() or {path.name for path in answers.iterdir()} == {"efficiency.csv", edge.RECORD}


def test_the_end_of_the_service_is_a_clean_one(watching: Callable[..., "subprocess.Popen[str]"], tmp_path: Path):
    write_map(tmp_path / "in/a.npy")
    process = watching()
    wait((tmp_path / "out/a.npy/efficiency.csv").exists, "answers of a.npy")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130, "what the unit calls a success"
    said = (tmp_path / "said.txt").read_text()
    assert said.endswith("geoml-pi: stopped\n") and "Traceback" not in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.npy"]


def test_whenever_the_power_fails_answers_are_whole_or_not_there_and_the_next_start_gives_them(
    home: Path, tmp_path: Path
):
    watch = ["slip", tmp_path / "in", "--watch", "1", "-o", tmp_path / "out"]
    write_map(tmp_path / "in/a.npy", 10)
    assert run(home, 999, *watch, code=DYING).returncode == 0
    (tmp_path / "out").rename(tmp_path / "before")
    inputs = write_map(tmp_path / "in/a.npy", 80)  # it changed, so that there are answers to be replaced
    step, killed = 0, True
    while killed:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.copytree(tmp_path / "before", tmp_path / "out")
        done = run(home, step, *watch, code=DYING)
        killed = done.returncode == -signal.SIGKILL
        assert killed or done.returncode == 0, done.stderr
        assert whole(tmp_path / "out/a.npy"), f"killed at step {step}"
        assert run(home, 999, *watch, code=DYING).returncode == 0
        assert edge._done(tmp_path / "out/a.npy", edge._state(inputs)), f"killed at step {step}"
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.npy"]
        step += 1
    assert step > 8, "too few steps: the program was not killed where it writes"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the answers."""
    disk = tmp_path / "out"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_has_whole_answers_only_and_with_room_it_goes_on(
    watching: Callable[..., "subprocess.Popen[str]"], small_disk: Path, tmp_path: Path
):
    (small_disk / ".ballast").write_bytes(bytes(56 * 1024))
    for number in range(4):
        write_map(tmp_path / f"in/{number}.npy", 10 + number)
    watching(HASTY)
    wait(lambda: "not written" in (tmp_path / "said.txt").read_text(), "a word of the full disk")
    time.sleep(0.5)
    for number in range(4):
        assert whole(small_disk / f"{number}.npy")
    assert "Trying again in 0.1 s" in (tmp_path / "said.txt").read_text()
    assert sum((small_disk / f"{number}.npy").exists() for number in range(4)) < 4
    (small_disk / ".ballast").unlink()
    wait(lambda: all((small_disk / f"{number}.npy").exists() for number in range(4)), "answers with room on the disk")
    assert not list(small_disk.glob("*/error.txt"))


# What the program is not to be given.


class Evil:
    """What would be run by who unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_models_that_are_not_this_bundles_are_refused(home: Path, tmp_path: Path):
    inputs, model = write_map(tmp_path / "a.npy"), tmp_path / "m.onnx"

    def said(name: str = "m.onnx") -> str:
        words = refused(home, "slip", inputs, "-o", tmp_path / "out", "--model", tmp_path / name)
        assert not (tmp_path / "out").exists()
        return words

    assert "m.onnx: file: expected an exported model (.onnx, .tflite), got no such file" in said()
    write_model(model, ours=False)
    assert "metadata: expected those of a geoml model ('geoml'), got none" in said()
    write_model(model, "patchnet")
    assert "m.onnx: task: expected slip, got patchnet" in said()
    model.write_bytes((home / "model.onnx").read_bytes()[:-500])
    assert "content: expected an ONNX model, whole" in said()
    (tmp_path / "m.tflite").write_bytes(b"TFL3")
    assert "m.tflite: content: expected a geoml model" in said("m.tflite")
    (tmp_path / "m.keras").write_bytes(b"x")
    assert "m.keras: content: expected a geoml model" in said("m.keras")
    for name in ("m.onnx", "m.tflite"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil(tmp_path / "run")))
        assert f"{name}: content: expected" in said(name)
    assert not (tmp_path / "run").exists(), "code of a model file was run"


def test_inputs_and_options_that_cannot_be_used_are_refused(home: Path, tmp_path: Path):
    inputs, out = write_map(tmp_path / "a.npy"), tmp_path / "out"
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "flat.npy", np.zeros(9))
    np.save(tmp_path / "narrow.npy", np.ones((128, 20)))
    (tmp_path / "text.npy").write_text("no array")

    def said(*arguments: object) -> str:
        return refused(home, "slip", *arguments)

    assert "no such file" in said(tmp_path / "none.npy", "-o", out)
    assert "empty: inputs: expected at least one of" in said(tmp_path / "empty", "-o", out)
    assert "flat.npy: " in said(tmp_path / "flat.npy", "-o", out)
    assert "narrow.npy: columns: expected at least 64" in said(tmp_path / "narrow.npy", "-o", out)
    assert "text.npy: " in said(tmp_path / "text.npy", "-o", out)
    assert "--stride: option: expected nothing: the task slip does not use it" in said(inputs, "-o", out, "--stride", 4)
    assert "INPUT: expected one folder to watch" in said(inputs, "-o", out, "--watch", 1)
    assert "--watch: seconds: expected more than 0" in said(tmp_path, "-o", out, "--watch", 0)
    assert "--out: expected a folder" in said(tmp_path, "-o", tmp_path / "a.csv", "--watch", 1)
    assert "invalid choice: 'tremor' (choose from" in refused(home, "tremor", inputs, "-o", out)
    assert not out.exists()


def test_a_bundle_that_is_not_installed_or_not_whole_says_so(home: Path, tmp_path: Path):
    (home / "card.json").unlink()
    assert "card.json: file: expected a JSON file, got no such file" in refused(home, "selftest")
    (home / "selftest.npz").write_bytes(b"PK")
    (home / "card.json").write_text('{"task": "slip", "method": "", "bundle": ["model.onnx"]}')
    assert "selftest.npz: content: expected answers to compare with" in refused(home, "selftest")
    (home / ".venv/ready").unlink()
    assert f"not installed yet: run {home}/install.sh" in refused(home, "selftest")


@pytest.fixture
def install(unpacked: Path, tmp_path: Path) -> Callable[..., str]:
    """What ``install.sh`` says before it installs anything; programs in ``bin`` come first."""
    script(tmp_path / "bin/python3", f'exec {sys.executable} "$@"')

    def say(*arguments: str) -> str:
        environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            [unpacked / "install.sh", *arguments], text=True, capture_output=True, timeout=60, env=environment
        )
        assert done.returncode == 2, done.stderr
        assert not (unpacked / ".venv").exists()
        return done.stderr

    return say


def test_an_installation_that_cannot_be_is_not_begun(install: Callable[..., str], unpacked: Path, tmp_path: Path):
    assert install("no/such/wheels") == "install.sh: no such folder: no/such/wheels\n"
    script(tmp_path / "bin/df", "echo head; echo 'disk 900 800 100 90% /'")
    assert "400 MB of disk are needed, 100 MB are left" in install()
    script(tmp_path / "bin/python3", f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    assert "the module venv is missing: sudo apt install python3-venv" in install()
    script(tmp_path / "bin/python3", "exit 1")
    assert "Python 3.11 or newer is needed" in install()
    with open(unpacked / "model.onnx", "ab") as model:
        model.write(b"x")
    assert "this bundle is damaged: unpack it again, or copy it again" in install()


def test_the_unit_is_one_that_systemd_takes(home: Path, tmp_path: Path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze on this machine")
    unit = (home / "geoml-pi.service").read_text()
    assert "/opt/geoml-pi-slip/geoml-pi slip /srv/geoml/in" in unit
    (tmp_path / "geoml-pi-slip.service").write_text(unit.replace("/opt/geoml-pi-slip", str(home)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "geoml-pi-slip.service"], text=True, capture_output=True
    )
    assert not [line for line in done.stderr.splitlines() if "geoml" in line], done.stderr
