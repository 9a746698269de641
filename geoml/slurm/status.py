"""What Slurm says of jobs, and what that means to their owner."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ACTIVE = {
    "PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED",
    "RESIZING", "RESV_DEL_HOLD", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED",
}  # fmt: skip
# Reasons of waiting that no waiting ends. Slurm writes them with underscores or spaces, by version.
_HOPELESS = re.compile(
    r"PartitionTimeLimit|PartitionNodeLimit|BadConstraints|Invalid(Account|QOS)|(Account|QOS)NotAllowed"
    r"|(QOS|Assoc)Max\w+PerJob\w*|(QOS|Assoc)MaxWall\w*|launch failed requeued held|JobHeldAdmin"
)
# Refusals of sbatch that pass.
_PASSING = re.compile(
    r"unable to contact|timed out|no answer within|temporarily unable|try again|connection (refused|reset)|zero bytes"
    r"|SubmitJob\w*Limit|job submit limit",
    re.IGNORECASE,
)
_TIMEOUT_S = 60


class NoAnswer(Exception):
    """Slurm did not answer, which says nothing about the jobs."""


@dataclass(frozen=True)
class Job:
    """A job as ``squeue`` shows it."""

    state: str
    reason: str = ""
    comment: str = ""

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def hopeless(self) -> bool:
        """Whether it waits for what will not come."""
        return self.state == "PENDING" and bool(_HOPELESS.fullmatch(self.reason.replace("_", " ").strip("()")))


def call(command: list[str]) -> str:
    """Output of a Slurm command.

    Raises:
        NoAnswer: it failed, or took more than a minute; with what it said.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{command[0]}: no answer within {_TIMEOUT_S} s") from None
    except OSError as error:
        raise NoAnswer(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise NoAnswer((done.stderr or done.stdout).strip() or f"{command[0]}: exit code {done.returncode}")
    return done.stdout


def jobs(name: str) -> dict[str, Job]:
    """All jobs of a name that Slurm remembers, by id: those that wait or run, and those that ended minutes ago.

    Raises:
        NoAnswer: see :func:`call`.
    """
    lines = call(["squeue", "--states=all", "--noheader", "--name", name, "--format=%i|%T|%r|%k"]).splitlines()
    fields = (line.split("|", 3) for line in lines if line.count("|") >= 3)
    return {number: Job(state, reason, comment) for number, state, reason, comment in fields}


def forgotten(number: str) -> str:
    """State of a job that ``squeue`` shows no more, by the accounts; empty where there are none."""
    try:
        lines = call(["sacct", "-X", "-n", "-P", "-j", number, "-o", "State"]).split()
    except NoAnswer:
        return ""
    return lines[0] if lines else ""


def passes(message: str) -> bool:
    """Whether a refusal of ``sbatch`` is one to wait out."""
    return bool(_PASSING.search(message))


def why(number: str, state: str, log: Path | None) -> str:
    """Why a job ended: in words, with the setting to change where there is one."""
    try:
        known = dict(re.findall(r"(\w+)=(\S+)", call(["scontrol", "-o", "show", "job", number])))
    except NoAnswer:
        known = {}
    code, _, signal = known.get("ExitCode", "").partition(":")
    where = f" on {known['NodeList']}" if known.get("NodeList", "(null)") != "(null)" else ""
    after = f" after {known['RunTime']}" if "RunTime" in known else ""
    text = log.read_text(errors="replace") if log and log.exists() else None
    if state == "TIMEOUT":
        limit = known.get("TimeLimit", "of its runtime")
        return f"time limit {limit} reached{where} (setting: runtime)"
    if state == "OUT_OF_MEMORY" or (text and re.search(r"oom[-_ ]kill|out of memory", text, re.IGNORECASE)):
        memory = re.search(r"mem=(\w+)", known.get("TRES", ""))
        return f"out of memory ({memory[1] if memory else 'mem_mb'} asked for){where}{after} (setting: mem_mb)"
    if state == "NODE_FAIL":
        return f"node failure{where}{after}"
    if state == "BOOT_FAIL":
        return f"the node did not start{where}"
    if state == "PREEMPTED":
        return f"preempted by a job of higher priority{where}{after}"
    if state == "DEADLINE":
        return f"deadline of the job reached{where}{after}"
    if state.startswith("CANCELLED"):
        by = state.removeprefix("CANCELLED").strip()
        return f"cancelled{f' {by}' if by else ''}, by scancel or by an administrator{where}{after}"
    if text is None and state == "FAILED":
        return (
            f"exit code {code or '?'}{where}{after}, and no log was written: that node does not see this directory or"
            " this Python. Put the project and its environment on a file system that all nodes share"
        )
    died = re.search(r"died with <Signals\.(\w+)", text or "")
    if by := died[1] if died else signal.strip("0"):
        hint = "; by the kernel, if memory was short (setting: mem_mb)"
        return f"a process of it was killed by signal {by}{where}{after}{hint}"
    return f"{state.lower().replace('_', ' ')}, exit code {code or '?'}{where}{after}"


def last_lines(paths: Iterable[Path], since: float, number: int = 8) -> str:
    """The last lines of the file that was written last, and its name; empty where none was written since a time."""
    written = [(path.stat().st_mtime, path) for path in paths if path.is_file() and path.stat().st_size]
    if not written or max(written)[0] < since:
        return ""
    path = max(written)[1]
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        lines = file.read().decode(errors="replace").splitlines()[-number:]
    return f"last lines of {path}:\n" + "\n".join(f"    {line}" for line in lines)
