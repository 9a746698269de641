"""The executor behind ``executor: slurm``.

What the plugin does well stays its own: the options of ``sbatch`` from resources, the threads that submit. Ours is what
happens when things go wrong. Jobs of a directory have one name, so that a Snakemake that is started again finds those
of the one before it. A query that fails says nothing about the jobs. Of a group that failed, what is whole is kept. A
job is one Snakemake, not two with ``srun`` between them.
"""

import hashlib
import json
import os
import shlex
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.iocontainers import ResourceList
from snakemake_executor_plugin_slurm import Executor as PluginExecutor
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import get_job_wildcards, set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_or_get_slurm_job_id, validate_slurm_extra
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.settings import SharedFSUsage
from snakemake_interface_executor_plugins.utils import format_cli_arg, join_cli_args

from geoml.slurm import checks, status
from geoml.slurm.status import NoAnswer

RECORDS = Path(".snakemake/slurm_jobs")
_LONGEST_WAIT_S = 60


@dataclass
class Request:
    """What one Slurm job asks for; to the plugin it looks like a job."""

    resources: ResourceList
    threads: int


class Executor(PluginExecutor):
    """Submits, watches and finds again the jobs of one working directory."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        self.earlier: dict[str, status.Job] = {}
        self.since: dict[Any, float] = {}  # by job, when it was first submitted, by an earlier Snakemake too
        self.missing: dict[str, float] = {}
        self.states: dict[str, str] = {}  # of the Slurm jobs that are waited for
        self.silent_since: float | None = None
        self.failed_queries = 0
        self.leaving = False  # no more is submitted
        self.jobs_go_on = False
        self.last_change = time.time()
        super().__init__(workflow, logger)  # it starts the thread that asks after the jobs

    def __post_init__(self, test_mode: bool = False) -> None:
        try:
            checks.reach()
            self.workflow.executor_settings.status_command = "squeue"
            super().__post_init__(test_mode)
            if self.array_jobs:
                raise checks.Refused("Short jobs share a Slurm job by group-components; leave slurm-array-jobs out.")
            # One name for all jobs of this directory; the plugin's is another at each start.
            prefix = self.workflow.executor_settings.jobname_prefix
            folder = hashlib.sha256(os.getcwd().encode()).hexdigest()[:12]
            self.run_uuid = "_".join(filter(None, [prefix, "geoml", folder]))
            self.earlier = {number: job for number, job in status.jobs(self.run_uuid).items() if job.active}
            checks.check(self._requests())
        except (NoAnswer, checks.Refused) as error:
            raise WorkflowError(str(error)) from None
        self.logger.info(f"Slurm jobs of this directory are named {self.run_uuid}.")
        if self.earlier:
            self.logger.info(f"{len(self.earlier)} of an earlier Snakemake still run or wait.")

    # What is asked for

    def _request(self, job: Any) -> Request:
        """What a job, or jobs that run one after the other, ask for: the most of each, and the time of all."""
        members = _members(job)
        resources: dict[str, Any] = {}
        for member in members:
            for name, value in member.resources.items():
                known = resources.get(name)
                if name == "runtime" and known is not None:
                    value += known
                elif isinstance(value, int) and isinstance(known, int):
                    value = max(value, known)
                resources[name] = value
        threads = max(map(self._threads, members))
        if not resources.get("gpu"):
            resources = {name: value for name, value in resources.items() if name not in ("gpu", "gpu_model", "gres")}
        return Request(ResourceList(fromdict=resources), threads)

    def _threads(self, job: Any) -> int:
        """Those of the profile, which Snakemake limits to the cores of the machine that it runs on."""
        wanted = self.workflow.resource_settings.overwrite_threads.get(job.rule.name)
        return wanted.raw if wanted is not None and isinstance(wanted.raw, int) else job.threads

    def get_partition_arg(self, job: Any) -> str:
        """``gpu_partition`` for jobs that ask for a GPU, where the profile has one."""
        partition = job.resources.get("gpu") and job.resources.get("gpu_partition")
        return f" -p {shlex.quote(str(partition))}" if partition else super().get_partition_arg(job)

    def _call(self, request: Request, comment: str = "", log: Path = Path("/dev/null")) -> str:
        validate_slurm_extra(request)
        account = request.resources.get("slurm_account")
        params = {
            "run_uuid": self.run_uuid,
            "slurm_logfile": log,
            "comment_str": comment,
            "account": f" -A {shlex.quote(str(account))}" if account else "",
            "partition": self.get_partition_arg(request),
            "workdir": self.workflow.workdir_init,
        }
        call: str = get_submit_command(request, params, self.workflow.executor_settings, self._failed_nodes)
        return call + set_gres_string(request)

    def _requests(self) -> Iterable[checks.Request]:
        dag = self.workflow.dag
        for job in {
            dag.get_job_group(job) or job for job in dag.needrun_jobs() if not job.is_local and not job.is_norun
        }:
            yield self._asked(job)

    def _asked(self, job: Any) -> checks.Request:
        request = self._request(job)
        wants = request.resources.get
        if elsewhere := wants("slurm_cluster") or wants("clusters") or wants("cluster"):
            raise checks.Refused(f"Jobs go to this cluster only, not to {elsewhere}: start a Snakemake on each.")
        return checks.Request(
            rule=" and ".join(sorted(set(job.rules))),
            partition=self.get_partition_arg(request).removeprefix(" -p "),
            gpu=wants("gpu") or 0,
            minutes=wants("runtime"),
            cores=request.threads,
            memory=wants("mem_mb") or 0,
            model=wants("gpu_model") or "",
            command=self._call(request),
        )

    # Submission

    def additional_general_args(self) -> str:
        """One Snakemake a job, that runs its parts itself and leaves the marks of what has begun to the main one.

        Otherwise it writes over them and takes them away, and the next start knows neither which Slurm job makes these
        files, nor from which settings it made them.
        """
        shared = self.workflow.storage_settings.shared_fs_usage - {SharedFSUsage.PERSISTENCE}
        environments = self.workflow.persistence
        return join_cli_args(
            [
                "--executor local",
                format_cli_arg("--shared-fs-usage", shared),
                format_cli_arg("--conda-prefix", environments.conda_env_path),
                format_cli_arg("--apptainer-prefix", environments.container_img_path),
            ]
        )

    def get_job_args(self, job: Any) -> str:
        """The cores and the memory that the job asked for are all that its parts may use at once."""
        request = self._request(job)
        memory = request.resources.get("mem_mb")
        limit = f" --resources mem_mb={memory}" if memory else ""
        return f"{super().get_job_args(job)} --cores {request.threads}{limit}"

    def run_job(self, job: Any) -> None:
        """Submit a job, or go on with what an earlier Snakemake submitted of it."""
        if self.leaving:
            return
        begun = time.time()
        try:
            if (number := self._still_running(job)) is not None:
                self.logger.info(f"Slurm job {number} of an earlier Snakemake does this: waiting for it.")
                self._register(job, number)
                return
            rest = self._rest(job)
            if rest is None:
                self.logger.info("Done by a Slurm job of an earlier Snakemake; nothing is submitted.")
                self._in_loop(self.report_job_success, SubmittedJobInfo(job))
                return
            self._submit(job, rest)
        except NoAnswer as error:
            self.workflow.scheduler.executor_error_callback(WorkflowError(self._farewell(str(error), begun)))
        except Exception as error:
            self.logger.error(f"Slurm job of {job.name} was not submitted: {error}")
            self._in_loop(self.report_job_error, SubmittedJobInfo(job))

    def _submit(self, job: Any, rest: Any) -> None:
        kind = f"group_{job.name}" if job.is_group() else f"rule_{job.name}"
        log = self.slurm_logdir / kind / get_job_wildcards(job) / "%j.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        token = uuid.uuid4().hex[:12]
        call = self._call(self._request(rest), f"{kind} {get_job_wildcards(job)} {token}", log)
        # As a script: the command of a group of many jobs is longer than an argument may be.
        path = Path(self.tmpdir, f"{token}.sh")
        path.write_text(f"#!/bin/sh\n{self.format_job_exec(rest)}\n", encoding="utf-8")
        number = self._sbatch(f"{call} {path}", token, self._asked(rest))
        log = log.with_name(f"{number}.log")
        self.logger.info(f"Submitted as Slurm job {number} (log: {os.path.relpath(log)}).")
        # By the clock of the file system, which is that of the outputs too.
        for member in _members(job):
            self.since.setdefault(member, path.stat().st_mtime)
        RECORDS.mkdir(parents=True, exist_ok=True)
        record = {_key(member): [_identity(member), self.since[member]] for member in _members(job)}
        (RECORDS / f"{number}.json").write_text(json.dumps(record), encoding="utf-8")
        self._register(job, number, log)

    def _sbatch(self, call: str, token: str, asked: checks.Request) -> str:
        """Number of the submitted job; waits while Slurm does not answer or takes no more jobs."""
        for attempt in range(self.workflow.executor_settings.status_attempts):
            try:
                # After a time-out the job may be there all the same.
                if attempt and (found := self._with(token)):
                    return found
                out = status.call(["sh", "-c", call])
                return str(validate_or_get_slurm_job_id(out.strip().split(";")[0], out))
            except NoAnswer as error:
                said = str(error)
                if not status.passes(said) and not checks.only_now(said, asked):
                    raise WorkflowError(f"sbatch: {said}") from None
                if not attempt:
                    self.logger.warning(f"Slurm takes no job now ({said}); trying again.")
            if self.leaving:
                break
            time.sleep(min(5 * (attempt + 1), _LONGEST_WAIT_S))
        raise NoAnswer(said)

    def _with(self, token: str) -> str | None:
        return next((n for n, job in status.jobs(self.run_uuid).items() if job.comment.endswith(token)), None)

    def _register(self, job: Any, number: str, log: Path | None = None) -> None:
        log = log or next(self.slurm_logdir.rglob(f"{number}.log"), None)
        self.states[number] = "PENDING"
        self.last_change = time.time()
        aux = {"slurm_logfile": log, "since": time.time()}
        self._in_loop(self.report_job_submission, SubmittedJobInfo(job, external_jobid=number, aux=aux))

    def _in_loop(self, report: Any, info: SubmittedJobInfo) -> None:
        if self._main_event_loop is None:
            report(info)
        else:
            self._main_event_loop.call_soon_threadsafe(report, info)

    def cancel(self) -> None:
        """Cancel all jobs; a submission that waits for Slurm is given up."""
        self.leaving = True
        super().cancel()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel all jobs, also those that are being asked after just now and are not in the list."""
        if self.states:
            try:
                status.call(["scancel", *self.states])
            except NoAnswer as error:
                self.logger.warning(f"Slurm jobs {' '.join(self.states)} are not cancelled: {error}")

    def shutdown(self) -> None:
        """End, and leave what jobs that are still in the queue look for when they start."""
        if self.jobs_go_on:
            self._tmpdir = None
        super().shutdown()

    # Work that goes on

    def _still_running(self, job: Any) -> str | None:
        """The Slurm job of an earlier Snakemake that does just this; others that write the same files are ended."""
        numbers = {number for member in _members(job) for number in self.workflow.persistence.external_jobids(member)}
        for number in numbers & set(self.earlier):
            if all(self._known(member, number) for member in _members(job)):
                return str(number)
            self.logger.warning(
                f"Slurm job {number} of an earlier Snakemake does what is to be done otherwise now: cancelled."
            )
            self._end(number)
        return None

    def _known(self, member: Any, number: str) -> bool:
        """Whether a Slurm job, of an earlier Snakemake too, was to do just this; remembers since when."""
        identity, since = _record(number).get(_key(member), (None, 0.0))
        if identity == _identity(member):
            self.since.setdefault(member, since)
        return bool(identity == _identity(member))

    def _end(self, number: str) -> None:
        status.call(["scancel", number])
        self.earlier.pop(number, None)
        while (job := status.jobs(self.run_uuid).get(number)) and job.active:
            time.sleep(1)

    def _rest(self, job: Any) -> Any:
        """What of a job is not done yet: the job, a smaller group, or None."""
        for member in _members(job):
            for number in self.workflow.persistence.external_jobids(member):
                self._known(member, number)
        left = [member for member in _members(job) if not self._whole(member)]
        if not left:
            return None
        if len(left) == len(_members(job)):
            return job
        self.logger.info(
            f"{len(_members(job)) - len(left)} of {len(_members(job))} jobs of group {job.groupid} are done already."
        )
        rest = self.workflow.dag.group_job_factory.new(job.groupid, left, self.workflow.global_resources)
        rest.finalize()
        rest.attempt = job.attempt
        return rest

    def _whole(self, member: Any) -> bool:
        """Whether all outputs of a job are there, since it was first submitted; each is written whole or not at all."""
        since = self.since.get(member)
        return since is not None and all(_written(Path(str(path))) >= since for path in member.output)

    def handle_job_error(self, job: Any) -> None:
        """With ``keep-incomplete`` (of a group, what is whole is kept) the rest is removed here."""
        super().handle_job_error(job)
        for member in _members(job):
            if not self._whole(member):
                for path in map(Path, map(str, member.output)):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    path.unlink(missing_ok=True)

    # Asking after the jobs

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        """Report the jobs that ended; give back those that go on."""
        if not active_jobs:
            self.next_seconds_between_status_checks = self._wait()
            return
        try:
            async with self.status_rate_limiter:
                known = status.jobs(self.run_uuid)
        except NoAnswer as error:
            self._silent(str(error))
            for info in active_jobs:
                yield info
            return
        if self.failed_queries:
            self.logger.info(f"Slurm answers again, after {time.time() - (self.silent_since or 0):.0f} s.")
        self.failed_queries, self.silent_since = 0, None
        for info in active_jobs:
            if not self._ended(info, known.get(info.external_jobid)):
                yield info
        self.next_seconds_between_status_checks = self._wait()

    def _wait(self) -> float:
        """Seconds to the next query: a tenth of the time since something happened, so that short jobs are seen soon."""
        least = self.workflow.executor_settings.init_seconds_before_status_checks
        return min(max(least, (time.time() - self.last_change) / 10), _LONGEST_WAIT_S)

    def _silent(self, said: str) -> None:
        self.failed_queries += 1
        self.silent_since = self.silent_since or time.time()
        if self.failed_queries == 1:
            self.logger.warning(f"Slurm does not answer ({said}). Its jobs go on; asking again.")
        if self.failed_queries >= self.workflow.executor_settings.status_attempts:
            raise WorkflowError(self._farewell(said, self.silent_since))
        self.next_seconds_between_status_checks = min(5 * self.failed_queries, _LONGEST_WAIT_S)

    def _farewell(self, said: str, since: float) -> str:
        self.leaving = self.jobs_go_on = True
        minutes = (time.time() - since) / 60
        return (
            f"Slurm has not answered for {minutes:.0f} min ({said}). Jobs that were submitted go on without Snakemake."
            " When Slurm is back, start the same command again: it finds them, and starts none twice."
        )

    def _ended(self, info: SubmittedJobInfo, job: status.Job | None) -> bool:
        """Report a job if it ended."""
        number = str(info.external_jobid)
        if job is None:
            # Slurm has forgotten it: its accounts may know, or its outputs, which may come late.
            since = self.missing.setdefault(number, time.time())
            whole = all(map(self._whole, _members(info.job)))
            late = time.time() - since > self.workflow.execution_settings.latency_wait
            state = status.forgotten(number) or ("COMPLETED" if whole else "LOST" if late else "RUNNING")
        elif job.hopeless:
            try:
                status.call(["scancel", number])
            except NoAnswer:
                return False
            self._failed(info, f"it waited for what will not come: {job.reason}; cancelled")
            return True
        else:
            self.missing.pop(number, None)
            state = job.state
            if (self.states[number], state) == ("RUNNING", "PENDING"):
                self.logger.warning(f"Slurm will start job {number} again: its node was lost, or it was preempted.")
            self.states[number] = state
        if state in status.ACTIVE:
            return False
        log = info.aux["slurm_logfile"]
        if state == "COMPLETED":
            self.last_change = time.time()
            self.states.pop(number)
            if log and not self.workflow.executor_settings.keep_successful_logs:
                log.unlink(missing_ok=True)
            (RECORDS / f"{number}.json").unlink(missing_ok=True)
            self.report_job_success(info)
        else:
            self._failed(info, status.why(number, state, log))
        return True

    def _failed(self, info: SubmittedJobInfo, reason: str) -> None:
        self.last_change = time.time()
        self.states.pop(info.external_jobid)
        job, log = info.job, info.aux["slurm_logfile"]
        left = [member for member in _members(job) if not self._whole(member)]
        own = [Path(str(path)) for member in left for path in member.log]
        said = status.last_lines(own, info.aux["since"]) or status.last_lines([log] if log else [], info.aux["since"])
        tries = f"try {job.attempt} of {job.restart_times + 1}"
        again = " It is tried again, with more time and memory." if job.attempt <= job.restart_times else ""
        what = ", ".join(f"{member.rule.name} {member.format_wildcards('{wildcards}')}" for member in left[:3])
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        self.logger.error(f"Slurm job {info.external_jobid} ({what}{more}; {tries}) ended: {reason}.{again}\n{said}")
        self.report_job_error(info)


def _members(job: Any) -> list[Any]:
    return list(job) if job.is_group() else [job]


def _key(job: Any) -> str:
    return str(job.output[0])


def _identity(job: Any) -> str:
    """What a job makes, and from what; another identity makes other files."""
    content = [job.rule.name, list(map(str, job.input)), list(map(str, job.output)), dict(job.params.items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _record(number: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((RECORDS / f"{number}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def _written(path: Path) -> float:
    """When an output was written; Snakemake leaves a mark in a folder when the job that filled it has ended well."""
    path = path / ".snakemake_timestamp" if path.is_dir() else path
    return path.stat().st_mtime if path.exists() else 0.0
