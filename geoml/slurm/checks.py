"""What a cluster must have before anything is submitted, said in the words of the settings."""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from geoml.slurm.status import NoAnswer, call, passes

PROFILE = "profiles/slurm/config.yaml"


class Refused(Exception):
    """This cluster does not take a job; nothing was submitted."""


@dataclass(frozen=True)
class Request:
    """What a Slurm job asks for: partition, minutes and the whole ``sbatch`` call."""

    rule: str
    partition: str
    gpu: int
    minutes: int | None
    command: str


def reach() -> None:
    """Fail with a message if this machine cannot submit.

    Raises:
        Refused: there is no ``sbatch``, or the controller does not answer.
    """
    if not shutil.which("sbatch"):
        raise Refused(
            "There is no sbatch on this machine. Run on a login node of your cluster (perhaps after `module load"
            " slurm`), or here with --profile profiles/local."
        )
    try:
        call("sinfo --noheader --summarize")
    except NoAnswer as error:
        raise Refused(
            f"Slurm does not answer ({error}). Nothing was submitted; run the same command again later."
        ) from None


def check(requests: Iterable[Request]) -> None:
    """Ask Slurm whether it would take each kind of job, without submitting any.

    Raises:
        Refused: Slurm would not take one; with the rule, what was asked for and the setting to change.
    """
    limits = _limits()
    for request in sorted(set(requests), key=lambda request: request.rule):
        limit = limits.get(request.partition)
        if limit is not None and request.minutes and request.minutes > limit:
            raise Refused(
                f"Jobs of {request.rule} ask for {request.minutes} min, and partition {request.partition} ends jobs"
                f" after {limit:g}. Change runtime (set-resources), group-components or slurm_partition in {PROFILE}."
            )
        try:
            call(["sh", "-c", f"{request.command} --test-only --wrap true"])
        except NoAnswer as error:
            if passes(str(error)):
                raise
            raise Refused(_said(request, str(error), limits)) from None


def _said(request: Request, message: str, limits: dict[str, float]) -> str:
    lower, partition = message.lower(), "gpu_partition" if request.gpu else "slurm_partition"
    if "partition" in lower and "account" not in lower:
        setting = f"{partition} (this cluster has {', '.join(sorted(limits))})"
    elif "account" in lower:
        setting = "slurm_account, or take it out"
    elif "qos" in lower:
        setting = "slurm-qos"
    elif "time limit" in lower:
        setting = "runtime (set-resources)"
    elif request.gpu:
        setting = (
            f"{partition}: {request.partition} has no node with {request.gpu} such GPU, or too little memory or cores"
        )
    else:
        setting = f"mem_mb or set-threads: no node of {request.partition} has so much"
    asked = re.sub(r"^sbatch.*?(?= -[pA] )", "sbatch", request.command)
    return f"Slurm refuses jobs of {request.rule}: {message}\n    {asked}\nChange {setting}, in {PROFILE}."


def _limits() -> dict[str, float]:
    """Longest run time of each partition in minutes."""
    limits = {}
    for line in call(["sinfo", "--noheader", "--format=%R|%l"]).splitlines():
        name, _, text = line.strip().partition("|")
        limits[name] = minutes(text)
    return limits


def minutes(text: str) -> float:
    """A time limit as Slurm prints it (``[days-]hours:minutes:seconds``, ``infinite``) in minutes."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text)
    if not found:
        return float("inf")
    days, hours, least, seconds = (int(part or 0) for part in found.groups())
    return days * 1440 + hours * 60 + least + seconds / 60
