"""Bundles of the workflow's own making, installed in an emulated 64-bit Raspberry Pi.

GEOML_PI names the program that runs a command there (``--bind FOLDER:FOLDER``, ``--wheelhouse REQUIREMENTS``, then
``-- COMMAND``); by default it is ``../shared/pi/run-on-pi`` beside the project. The emulated machine gives the answers
of ARM, and says nothing about its speed.
"""

import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
EMULATOR = Path(os.environ.get("GEOML_PI", ROOT.parent / "shared/pi/run-on-pi"))
# Of config/test.yaml, the network that is bundled and what it needs.
KEPT = {"patchnet": ["best_found"], "polarity": ["bulid_pp_model"], "tremor": ["convnet"]}


@dataclass
class Pi:
    """An unpacked bundle on the emulated machine, which sees the files of the test under the same names."""

    home: Path
    work: Path
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def command(self, command: str, *options: object) -> list[str]:
        """What runs a shell command there."""
        binds = [part for path in (self.home, self.work) for part in ("--bind", f"{path}:{path}")]
        return list(map(str, [EMULATOR, *options, *binds, "--", "sh", "-c", f"cd {self.work} && {command}"]))

    def run(self, command: str, *options: object) -> "subprocess.CompletedProcess[str]":
        """Run a shell command there; ``geoml-pi`` and ``install.sh`` are those of the bundle."""
        command = f"PATH={self.home}:$PATH; {command}"
        return subprocess.run(self.command(command, *options), text=True, capture_output=True, timeout=400)

    def done(self, command: str, *options: object) -> str:
        """What it says when all goes well."""
        found = self.run(command, *options)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def refused(self, command: str) -> str:
        """Why it does not do what it was asked for."""
        found = self.run(command)
        assert found.returncode == 2 and "Traceback" not in found.stderr, found.stdout + found.stderr
        return found.stderr

    def start(self, command: str) -> "subprocess.Popen[str]":
        """Start ``geoml-pi`` there; what it says goes to ``said.txt``."""
        with open(self.work / "said.txt", "a") as said:
            process = subprocess.Popen(
                self.command(f"exec {self.home}/geoml-pi {command}"),
                stdout=said,
                stderr=said,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what was started."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait(found: Callable[[], Any], what: str, seconds: float = 120) -> None:
    """Wait until something is so; a failure after so many seconds."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def emulator() -> None:
    """Skip what needs the emulated machine where there is none."""
    if not os.access(EMULATOR, os.X_OK):
        pytest.skip(f"there is no emulated Raspberry Pi: no program {EMULATOR} (GEOML_PI)")
    prepared = subprocess.run([EMULATOR, "--", "uname", "-m"], text=True, capture_output=True, timeout=400)
    if prepared.returncode or prepared.stdout.strip() != "aarch64":
        pytest.skip(f"the emulated Raspberry Pi does not start: {prepared.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Bundle of a task, made by the workflow from ``config/test.yaml`` when it is first asked for."""
    folder = tmp_path_factory.mktemp("workflow")

    def make(task: str) -> Path:
        made = folder / f"results/export/pi/geoml-pi-{task}.tar.gz"
        if not made.exists():
            config = yaml.safe_load((ROOT / "config/test.yaml").read_text())
            config["tasks"] = {task: config["tasks"][task]}
            variants = config["tasks"][task]["variants"]
            config["tasks"][task]["variants"] = {name: variants[name] for name in KEPT[task]}
            (folder / f"{task}.yaml").write_text(yaml.safe_dump(config))
            command = [sys.executable, "-m", "snakemake", made.relative_to(folder), "-s", ROOT / "Snakefile"]
            command += ["--configfile", folder / f"{task}.yaml", "-d", folder, "-c", 2, "--quiet"]
            done = subprocess.run(list(map(str, command)), cwd=ROOT, text=True, capture_output=True)
            assert done.returncode == 0, done.stderr[-5000:]
        return made

    return make


@pytest.fixture(scope="session")
def model(archive: Callable[[str], Path]) -> Callable[[str, str], Path]:
    """File of a task's export, as it lies on this machine."""
    return lambda task, name: archive(task).parents[1] / task / name


@pytest.fixture(scope="session")
def unpacked(archive: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A task's bundle, unpacked anew."""

    def unpack(task: str) -> Path:
        folder = tmp_path_factory.mktemp("opt")
        with tarfile.open(archive(task)) as file:
            file.extractall(folder, filter="data")
        return folder / f"geoml-pi-{task}"

    return unpack


@pytest.fixture(scope="session")
def installed(emulator: None, unpacked: Callable[[str], Path]) -> Callable[[str], Path]:
    """A task's bundle, installed off-line on the emulated machine when it is first asked for, with its self-test."""
    homes: dict[str, Path] = {}

    def install(task: str) -> Path:
        if task not in homes:
            home = unpacked(task)
            said = Pi(home, home).done("./install.sh $PI_WHEELS", "--wheelhouse", f"-r {home / 'requirements.txt'}")
            assert "model.onnx, onnxruntime" in said and "as where it was made" in said
            homes[task] = home
        return homes[task]

    return install


@pytest.fixture
def pi(installed: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], Pi]]:
    """The emulated machine with a task's bundle installed, and the files of the test."""
    found: list[Pi] = []

    def on(task: str) -> Pi:
        found.append(Pi(installed(task), tmp_path))
        return found[-1]

    yield on
    for each in found:
        each.end()


def line(path: Path, samples: int = 60, traces: int = 80) -> Path:
    """A SEG-Y line of noise with a reflection whose sign turns."""
    from geoml.tasks.patchnet import segy

    y, x = np.mgrid[:samples, :traces]
    reflection = 6 * np.exp(-(((y - samples / 2 - 5 * np.sin(x / 9)) / 2) ** 2)) * np.where(x < 0.6 * traces, 1, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 1, (samples, traces))
    segy.write(path, (noise + reflection).astype(np.float32), 4.0)
    return path


def sac(path: Path, data: np.ndarray, rate_hz: float, **more: Any) -> Path:
    """A SAC file; ``more`` are further fields of its header."""
    from obspy import Trace, UTCDateTime
    from obspy.io.sac import SACTrace

    header = {"network": "XX", "station": path.stem, "channel": "HHZ", "starttime": UTCDateTime(2020, 1, 1)}
    trace = SACTrace.from_obspy_trace(Trace(data.astype(np.float32), header | {"sampling_rate": rate_hz}))
    for name, value in more.items():
        setattr(trace, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    trace.write(str(path))
    return path


def picked(folder: Path) -> Path:
    """SAC files of several rates, with onsets and a pick in the header."""
    for number, rate_hz in enumerate((100, 40, 50, 200, 100, 62.5)):
        rng, t = np.random.default_rng(number), np.arange(round(40 * rate_hz)) / rate_hz - 20
        swing = np.where(t >= 0, 300 * np.sin(2 * np.pi * 3 * t) * np.exp(-2 * np.abs(t)), 0)
        data = rng.normal(1000, 5, len(t)) + rng.choice([-1, 1]) * swing
        sac(folder / f"S{number}.sac", data, rate_hz, a=20.013, kevnm=f"event {number}")
    return folder


def continuous(folder: Path) -> Path:
    """SAC files of 40 minutes, louder and louder."""
    for number, rate_hz in enumerate((20, 50)):
        n = round(2300 * rate_hz)
        data = np.random.default_rng(number).normal(50, 100, n) * (1 + 3 * (np.arange(n) / n) ** (2 + number))
        sac(folder / f"S{number}.sac", data, rate_hz)
    return folder
