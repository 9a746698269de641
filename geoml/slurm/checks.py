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
    """What a Slurm job asks for: partition, minutes, cores, megabytes, GPUs of a model, and its ``sbatch`` call."""

    rule: str
    partition: str
    gpu: int
    minutes: int | None
    cores: int
    memory: int
    model: str
    command: str


@dataclass(frozen=True)
class Node:
    """What a kind of node has, up or not."""

    minutes: float
    cores: int
    memory: int
    gres: str

    def takes(self, request: Request) -> bool:
        """Whether a job has room; what a job asks for beside (``constraint``) is not known here."""
        kind = re.escape(request.model) if request.model else "[a-zA-Z][^:,]*"
        gpu = sum(map(int, re.findall(rf"gpu(?::{kind}){'' if request.model else '?'}:(\d+)", self.gres)))
        room = self.cores >= request.cores and self.memory >= request.memory and gpu >= request.gpu
        return room and " -C " not in request.command


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
        call(["sinfo", "--noheader", "--summarize"])
    except NoAnswer as error:
        raise Refused(
            f"Slurm does not answer ({error}). Nothing was submitted; run the same command again later."
        ) from None


def check(requests: Iterable[Request]) -> None:
    """Ask Slurm whether it would take each kind of job, without submitting any.

    Raises:
        Refused: Slurm would not take one; with the rule, what was asked for and the setting to change.
    """
    nodes = _nodes()
    for request in sorted(set(requests), key=lambda request: request.rule):
        limit = max((node.minutes for node in nodes.get(request.partition, ())), default=None)
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
            if not only_now(str(error), request, nodes):
                raise Refused(_said(request, str(error), list(nodes))) from None


def only_now(said: str, request: Request, nodes: dict[str, list[Node]] | None = None) -> bool:
    """Whether a job is refused since no such node is up, and the partition has one: for that it may wait."""
    of_partition = (nodes or _nodes()).get(request.partition, ())
    return "node configuration is not available" in said and any(node.takes(request) for node in of_partition)


def _said(request: Request, message: str, partitions: list[str]) -> str:
    lower, partition = message.lower(), "gpu_partition" if request.gpu else "slurm_partition"
    if "partition" in lower and "account" not in lower:
        setting = f"{partition} (this cluster has {', '.join(sorted(partitions))})"
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


def _nodes() -> dict[str, list[Node]]:
    """Kinds of nodes by partition."""
    nodes: dict[str, list[Node]] = {}
    for line in call(["sinfo", "--exact", "--noheader", "--format=%R|%l|%c|%m|%G"]).splitlines():
        name, limit, cores, memory, gres = line.strip().split("|")
        nodes.setdefault(name, []).append(Node(minutes(limit), int(cores), int(memory), gres))
    return nodes


def minutes(text: str) -> float:
    """A time limit as Slurm prints it (``[days-]hours:minutes:seconds``, ``infinite``) in minutes."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text)
    if not found:
        return float("inf")
    days, hours, least, seconds = (int(part or 0) for part in found.groups())
    return days * 1440 + hours * 60 + least + seconds / 60
