"""A working directory on a real Slurm: Snakemake in the background, its Slurm jobs, and an end to both.

Compute nodes must see the directory: where each has a /tmp of its own, ``pytest tests/slurm --basetemp FOLDER``. Where
no partition is named as in the profile, GEOML_SLURM_PARTITION names one.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
# Signals what trains in a job, and nothing around it: a Python whose script is train.py.
KILL = """
for process in /proc/[0-9]*; do
    if tr '\\0' ' ' < $process/cmdline | grep -Eq '^[^ ]*python[^ ]* [^ ]*/scripts/[^ ]*train[.]py' \\
            && tr '\\0' '\\n' < $process/environ | grep -qx SLURM_JOB_ID=NUMBER; then
        kill -SIGNAL ${process#/proc/} && echo killed
    fi
done 2>/dev/null
"""


def defaults() -> dict[str, Any]:
    """The profile's ``default-resources``, on the partition that GEOML_SLURM_PARTITION may name."""
    found = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["default-resources"]
    return found | {"slurm_partition": os.environ.get("GEOML_SLURM_PARTITION", found["slurm_partition"])}


def say(command: str) -> str:
    """Output of a Slurm command."""
    return subprocess.run(command.split(), check=True, text=True, capture_output=True, timeout=60).stdout


def wait(found: Callable[[], Any], what: str, seconds: float, tail: Callable[[], str] = str) -> Any:
    """The first answer that is not empty; a failure after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:g} s: {what}\n{tail()}")
        time.sleep(0.3)
    return answer


@dataclass(frozen=True)
class SlurmJob:
    """A job as ``squeue`` shows it; ``comment`` is its rule or group, its wildcards and a token."""

    number: str
    state: str
    partition: str
    comment: str

    @property
    def shown(self) -> dict[str, str]:
        """What ``scontrol`` knows of it, such as ``TRES`` and ``TimeLimit``."""
        return dict(re.findall(r"(\w+)=(\S+)", say(f"scontrol -o show job {self.number}")))


@dataclass
class Work:
    """A working directory that compute nodes see, and the Snakemake processes that were started in it."""

    folder: Path
    config: dict[str, Any]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def snakemake(self, *arguments: object, targets: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Start Snakemake with the Slurm profile in a process group of its own; the output of each goes to one file."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", ROOT / "Snakefile"]
        command += ["--profile", ROOT / "profiles/slurm", "--jobs", 64, "--directory", self.folder]
        command += ["--configfile", self.folder / "config.yaml"]
        if "GEOML_SLURM_PARTITION" in os.environ:
            command += ["--default-resources", *(f"{name}={value}" for name, value in defaults().items())]
        with open(self.folder / "output.txt", "a") as output:
            process = subprocess.Popen(
                [*map(str, command), *map(str, arguments)],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    @property
    def output(self) -> str:
        """What all Snakemakes of this directory said."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def tail(self) -> str:
        """The end of the output, and the Slurm jobs."""
        return self.output[-5000:] + "\n" + "\n".join(map(str, self.jobs()))

    def wait_for(self, pattern: str, seconds: float = 60) -> "re.Match[str]":
        """Wait until the output has a regular expression."""
        return wait(lambda: re.search(pattern, self.output), f"{pattern!r} in the output", seconds, self.tail)

    def finish(self, seconds: float = 180) -> int:
        """Exit code of the Snakemake that was started last, when it has ended."""
        process = self.started[-1]
        wait(lambda: process.poll() is not None, "the end of Snakemake", seconds, self.tail)
        return process.returncode

    @property
    def name(self) -> str:
        """Name of all Slurm jobs of this directory."""
        from hashlib import sha256

        return f"geoml_{sha256(str(self.folder).encode()).hexdigest()[:12]}"

    def jobs(self, pattern: str = "") -> list[SlurmJob]:
        """Slurm jobs of this directory, ended ones too, whose comment has a regular expression; oldest first."""
        lines = say(f"squeue --states=all --noheader --sort=i --name {self.name} --format=%i|%T|%P|%k").splitlines()
        found = [SlurmJob(*line.strip().split("|", 3)) for line in lines]
        return [job for job in found if re.search(pattern, job.comment)]

    def wait_for_job(self, pattern: str, state: str = "RUNNING", seconds: float = 90) -> SlurmJob:
        """Wait until a Slurm job whose comment has a regular expression is in a state."""

        def found() -> SlurmJob | None:
            return next((job for job in self.jobs(pattern) if job.state == state), None)

        return wait(found, f"a job {pattern!r} that is {state}", seconds, self.tail)

    def wait_for_epoch(self, epoch: int, run: str = "*/*/*/*", seconds: float = 120, besides: str = "") -> str:
        """Wait until a training (task/dataset/variant/seed, may have stars) has written an epoch; its path part."""

        def found() -> str | None:
            for log in self.folder.glob(f"logs/train/{run}.log"):
                name = str(log.relative_to(self.folder / "logs/train").with_suffix(""))
                if name != besides and re.search(rf"epoch {epoch}/", log.read_text()):
                    return name
            return None

        return wait(found, f"epoch {epoch} of {run}", seconds, self.tail)

    def wait_for_model(self, seconds: float = 120) -> str:
        """Wait until the first training has ended; its path part."""
        folder = self.folder / "results/models"
        found = wait(lambda: next(folder.rglob("training.json"), None), "a trained model", seconds, self.tail)
        return str(found.parent.relative_to(folder))

    def why(self, job: SlurmJob | str) -> str:
        """What Snakemake said of the end of a Slurm job, in one line."""
        number = job if isinstance(job, str) else job.number
        found = re.search(rf"^Slurm job {number} \(.+\) ended: .+$", self.output, re.MULTILINE)
        assert found, self.tail()
        return found[0]

    def kill_training(self, number: str, signal_name: str = "KILL") -> None:
        """A signal for the Python that trains in a Slurm job; the Snakemake around it gets none."""
        script = KILL.replace("NUMBER", number).replace("SIGNAL", signal_name)
        step = ["srun", "--overlap", "--quiet", f"--jobid={number}", "sh", "-c", script]
        done = subprocess.run(step, text=True, capture_output=True, timeout=60)
        assert "killed" in done.stdout, f"nothing trains in job {number}: {done.stdout}{done.stderr}"

    def history(self, run: str) -> list[int]:
        """Epochs of a training's history, in the order of the file."""
        with open(self.folder / f"results/models/{run}/history.csv") as file:
            return [int(row["epoch"]) for row in csv.DictReader(file)]

    def assert_whole(self, run: str, epochs: int, resumed: int | None = None) -> None:
        """The model loads, the history has each epoch once and in order, and the record says the same."""
        from geoml import models

        folder = self.folder / f"results/models/{run}"
        assert models.load(folder / "model.keras").network.count_params() > 0
        assert self.history(run) == list(range(1, epochs + 1))
        record = json.loads((folder / "training.json").read_text())
        assert record["epochs"] == epochs
        assert resumed is None or record["resumed"] == resumed, record["resumed"]
        assert not [path for path in (self.folder / "checkpoints").rglob("*") if path.is_file()], "a checkpoint is left"

    def end(self) -> None:
        """Kill what runs, and cancel the Slurm jobs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        subprocess.run(["scancel", "--name", self.name], check=False, timeout=60)
        wait(lambda: all(job.state in ENDED for job in self.jobs()), "the end of the Slurm jobs", 90)


def slow_training(epochs: int = 300, seeds: int = 1, **task: Any) -> dict[str, Any]:
    """A configuration of one network with many cheap epochs and a checkpoint after each; a run a seed."""
    settings = {
        "runtime": 10,
        "seeds": list(range(seeds)),
        "datasets": {"ins": {"source": "synthetic", "rows": 120}},
        "split": {"val": 0.2, "test": 0.2},
        "fit": {"epochs": epochs, "batch_size": 32, "patience": 0},
        "variants": {"cnn_ross": {"model": "cnn_ross"}},
    }
    return {"title": "slow", "tasks": {"polarity": settings | task}}


def model(seed: int = 0) -> str:
    """The model of a run of :func:`slow_training`, as a target; `RUN` is its first run."""
    return f"results/models/polarity/ins/cnn_ross/seed{seed}/model.keras"


RUN = "polarity/ins/cnn_ross/seed0"


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """Skip everything where no Slurm answers."""
    if not shutil.which("sbatch"):
        pytest.skip("there is no sbatch on this machine")
    try:
        say("sinfo --noheader")
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"Slurm does not answer: {error}")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    """A working directory with a slow training to do; whatever still runs at the end is ended."""
    folder = tmp_path / uuid.uuid4().hex[:8]  # Slurm remembers the jobs of a folder, also of one that was deleted
    folder.mkdir()
    found = Work(folder, slow_training())
    yield found
    found.end()


@pytest.fixture
def lab() -> dict[str, Path]:
    """Pid files of the daemons by name (``slurmctld``, ``slurmd-<node>``); skips where they are not ours to kill."""
    settings = dict(re.findall(r"^(\w+) += (.+)$", say("scontrol show config"), re.MULTILINE))
    nodes = say("sinfo --noheader --Node --format=%N").split()
    found = {"slurmctld": Path(settings["SlurmctldPidFile"])}
    found |= {f"slurmd-{node}": Path(settings["SlurmdPidFile"].replace("%n", node)) for node in nodes}
    for name, path in found.items():
        try:
            os.kill(int(path.read_text()), 0)
        except (OSError, ValueError):
            pytest.skip(f"{name} does not run on this machine as ours ({path})")
    return found


@dataclass
class Daemons:
    """The daemons of a Slurm that is ours: kill one, and start it again as it was started before."""

    pids: dict[str, Path]
    started: dict[str, tuple[list[str], dict[str, str]]] = field(default_factory=dict)

    def kill(self, name: str) -> None:
        """SIGKILL; what a ``slurmd`` started goes on."""
        process = Path("/proc", self.pids[name].read_text().strip())
        command, variables = ((process / part).read_text().rstrip("\0").split("\0") for part in ("cmdline", "environ"))
        self.started[name] = command, dict(line.partition("=")[::2] for line in variables)
        os.kill(int(process.name), signal.SIGKILL)
        wait(lambda: not process.exists(), f"the end of {name}", 20)

    def start(self, name: str) -> None:
        """Start it again, and wait until Slurm answers."""
        command, environment = self.started.pop(name)
        subprocess.run(command, env=environment, check=True, timeout=60, stdin=subprocess.DEVNULL)
        wait(lambda: subprocess.run(["scontrol", "ping"], capture_output=True).returncode == 0, "slurmctld", 60)

    def end(self) -> None:
        """All as before: every daemon is there, and every node can be used."""
        for name in list(self.started):
            self.start(name)
        for node in say("sinfo --noheader --Node --format=%N --states=down,drain").split():
            subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=False, timeout=60)
        wait(lambda: not say("sinfo --noheader --states=down,drain --format=%N").strip(), "all nodes up", 120)


@pytest.fixture
def daemons(work: Work, lab: dict[str, Path]) -> Iterator[Daemons]:
    """The daemons, to kill; all run again before the jobs of the test are ended."""
    found = Daemons(lab)
    yield found
    found.end()


def in_front(work: Work, name: str, script: str) -> None:
    """Put a shell script before a Slurm command, for this directory's Snakemakes; ``REAL`` in it is the command."""
    folder, real = work.folder / "front", shutil.which(name)
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + script.replace("REAL", str(real)))
    (folder / name).chmod(0o755)
    path = work.environment["PATH"].removeprefix(f"{folder}:")
    work.environment["PATH"] = f"{folder}:{path}"
