"""What Slurm says, as real ones say it, and what that is to the user; the programs are pretended ones on PATH."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from geoml.slurm import checks, status
from geoml.slurm.status import Job, NoAnswer

# `scontrol -o show job` of Slurm 22.05, shortened
SHOWN = (
    "JobId=7 JobName=geoml_89b9a5801714 UserId=ada(1000) Account=(null) QOS=(null) JobState={state} Reason={reason}"
    " Requeue=1 Restarts=0 ExitCode={code} RunTime=00:01:27 TimeLimit=00:01:00 TimeMin=N/A Partition=cpu"
    " NodeList={nodes} BatchHost=c1 NumNodes=1 NumCPUs=1 ReqB:S:C:T=0:0:*:* TRES=cpu=1,mem=2000M,node=1,billing=1"
    " Features=(null) Command=/home/ada/a.sh Comment=rule_train slip  StdIn=/dev/null Power="
)
Programs = Callable[..., None]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Put a program on PATH that prints a text to each stream and exits with a code; its calls go to NAME.calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(name: str, out: str = "", error: str = "", code: int = 0) -> None:
        (tmp_path / f"{name}.out").write_text(out)
        (tmp_path / f"{name}.error").write_text(error)
        program = folder / name
        program.write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.calls\n'
            f"cat {tmp_path}/{name}.out\ncat {tmp_path}/{name}.error >&2\nexit {code}\n"
        )
        program.chmod(0o755)

    return make


def shown(state: str, code: str = "0:0", nodes: str = "c1") -> str:
    return SHOWN.format(state=state, code=code, nodes=nodes, reason="None")


# Jobs


def test_jobs_are_read_with_state_reason_and_comment(pretend: Programs, tmp_path: Path):
    pretend(
        "squeue",
        "7|PENDING|Resources|group_runs_slip_0_train  0ed55bbdb197\n"
        "8|COMPLETED|None|rule_train a|b 1f\n9|TIMEOUT|TimeLimit|(null)\n",
    )
    assert status.jobs("geoml_1") == {
        "7": Job("PENDING", "Resources", "group_runs_slip_0_train  0ed55bbdb197"),
        "8": Job("COMPLETED", "None", "rule_train a|b 1f"),
        "9": Job("TIMEOUT", "TimeLimit", "(null)"),
    }
    assert "--states=all" in (called := (tmp_path / "squeue.calls").read_text()) and "--name geoml_1" in called


def test_no_jobs_is_an_answer_and_a_failed_query_is_none(pretend: Programs):
    pretend("squeue")
    assert status.jobs("geoml_1") == {}
    pretend("squeue", error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", code=1)
    with pytest.raises(NoAnswer, match="Unable to contact slurm controller"):
        status.jobs("geoml_1")


def test_a_command_that_says_nothing_a_missing_one_and_a_hanging_one_are_no_answer(
    pretend: Programs, monkeypatch: pytest.MonkeyPatch
):
    pretend("squeue", code=3)
    with pytest.raises(NoAnswer, match="squeue: exit code 3"):
        status.call(["squeue"])
    with pytest.raises(NoAnswer, match="no-such-program: No such file"):
        status.call(["no-such-program"])
    monkeypatch.setattr(status, "_TIMEOUT_S", 0.1)
    with pytest.raises(NoAnswer, match="sleep: no answer within"):
        status.call(["sleep", "30"])


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED"])
def test_a_job_that_waits_runs_or_will_run_again_is_active(state: str):
    assert Job(state).active


@pytest.mark.parametrize(
    "state", ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"]
)
def test_a_job_that_ended_is_not_active(state: str):
    assert not Job(state).active


@pytest.mark.parametrize(
    "reason",
    ["PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed",
     "QOSNotAllowed", "QOSMaxMemoryPerJob", "QOSMaxWallDurationPerJobLimit", "AssocMaxGRESPerJob",
     "AssocMaxWallDurationPerJobLimit", "launch_failed_requeued_held", "launch failed requeued held", "JobHeldAdmin"],
)  # fmt: skip
def test_waiting_for_what_will_not_come_is_hopeless(reason: str):
    assert Job("PENDING", reason).hopeless
    assert not Job("RUNNING", reason).hopeless


@pytest.mark.parametrize(
    "reason",
    ["None", "Priority", "Resources", "BeginTime", "JobHeldUser", "ReqNodeNotAvail,_May_be_reserved_for_other_job",
     "QOSMaxJobsPerUserLimit", "QOSMaxCpuPerUserLimit", "AssocGrpCpuLimit", "AssocMaxJobsLimit",
     "Nodes_required_for_job_are_DOWN"],
)  # fmt: skip
def test_waiting_for_others_to_end_is_not_hopeless(reason: str):
    assert not Job("PENDING", reason).hopeless


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates"
        " accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: AssocMaxSubmitJobLimit",
        "sbatch: no answer within 60 s",
    ],
)
def test_refusals_that_pass_are_waited_out(said: str):
    assert status.passes(said)


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
        "sbatch: error: invalid partition specified: nope",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
        "sbatch: error: Invalid --time specification",
    ],
)
def test_refusals_of_what_is_asked_for_are_not(said: str):
    assert not status.passes(said)


def test_a_forgotten_job_is_asked_of_the_accounts_where_there_are_any(pretend: Programs):
    pretend("sacct", "CANCELLED by 1000\n")
    assert status.forgotten("7") == "CANCELLED"
    pretend("sacct")
    assert status.forgotten("7") == ""
    pretend("sacct", error="Slurm accounting storage is disabled\n", code=1)
    assert status.forgotten("7") == ""


# Why a job ended


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("TIMEOUT", "0:0", ["time limit 00:01:00", "on c1", "setting: runtime"]),
        ("OUT_OF_MEMORY", "0:125", ["out of memory", "2000M asked for", "on c1", "setting: mem_mb"]),
        ("NODE_FAIL", "0:0", ["node failure on c1 after 00:01:27"]),
        ("BOOT_FAIL", "0:0", ["the node did not start on c1"]),
        ("PREEMPTED", "0:15", ["preempted by a job of higher priority on c1"]),
        ("DEADLINE", "0:0", ["deadline"]),
        ("CANCELLED", "0:15", ["cancelled", "scancel", "on c1 after 00:01:27"]),
        ("CANCELLED by 1000", "0:15", ["cancelled by 1000"]),
        ("FAILED", "7:0", ["failed, exit code 7 on c1 after 00:01:27"]),
        ("FAILED", "0:9", ["killed by signal 9", "setting: mem_mb"]),
    ],
)
def test_the_reason_of_an_end_is_said_in_words(
    state: str, code: str, words: list[str], pretend: Programs, tmp_path: Path
):
    pretend("scontrol", shown(state, code))
    log = tmp_path / "7.log"
    log.write_text("Select jobs to execute...\n")
    said = status.why("7", state, log)
    assert [word for word in words if word not in said] == [], said


def test_a_failed_job_that_the_kernel_ended_for_memory_is_told_by_its_log(pretend: Programs, tmp_path: Path):
    """As far as memory goes without a cgroup: this is what slurmstepd writes where there is one."""
    pretend("scontrol", shown("FAILED", "0:9"))
    log = tmp_path / "7.log"
    log.write_text(
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch. Some of your processes may have been killed"
        " by the cgroup out-of-memory handler.\n"
    )
    assert status.why("7", "FAILED", log).startswith("out of memory (2000M asked for)")


def test_a_process_killed_inside_of_a_job_is_told_by_its_signal(pretend: Programs, tmp_path: Path):
    pretend("scontrol", shown("FAILED", "1:0"))
    log = tmp_path / "7.log"
    log.write_text("CalledProcessError in file train.smk: Command 'python train.py' died with <Signals.SIGKILL: 9>.\n")
    assert "killed by signal SIGKILL on c1" in status.why("7", "FAILED", log)


@pytest.mark.parametrize("log", [Path("no-such-file.log"), None])
def test_a_failed_job_without_any_log_ran_where_this_directory_is_not(log: Path | None, pretend: Programs):
    pretend("scontrol", shown("FAILED", "1:0"))
    said = status.why("7", "FAILED", log)
    assert "does not see this directory" in said and "file system that all nodes share" in said


def test_the_reason_needs_no_slurm(pretend: Programs, tmp_path: Path):
    pretend("scontrol", error="slurm_load_jobs error: Invalid job id specified\n", code=1)
    (tmp_path / "7.log").write_text("a line\n")
    assert status.why("7", "TIMEOUT", tmp_path / "7.log").startswith(
        "time limit of its runtime reached (setting: runtime)"
    )
    assert status.why("7", "FAILED", tmp_path / "7.log") == "failed, exit code ?"


def test_a_job_that_never_had_a_node_names_none(pretend: Programs):
    pretend("scontrol", shown("CANCELLED", "0:0", nodes="(null)"))
    assert " on " not in status.why("7", "CANCELLED", None)


def test_the_last_lines_are_those_of_the_file_written_last(tmp_path: Path):
    old, new, empty = (tmp_path / name for name in ("old.log", "new.log", "empty.log"))
    old.write_text("old\n")
    new.write_text("".join(f"line {i}\n" for i in range(10_000)))
    empty.write_text("")
    for path, when in ((old, 100), (new, 200), (empty, 300)):
        os.utime(path, (when, when))
    said = status.last_lines([old, new, empty, tmp_path / "missing.log"], since=150, number=2)
    assert said == f"last lines of {new}:\n    line 9998\n    line 9999"
    assert status.last_lines([old, new], since=250) == status.last_lines([], since=0) == ""


# Checks before anything is submitted

SINFO = "cpu|1-00:00:00|16|32000|(null)\ngpu|4:00:00|64|256000|gpu:a100:4(S:0-1)\nlong|infinite|16|32000|(null)\n"


def request(**changes: object) -> checks.Request:
    settings = {"rule": "train", "partition": "cpu", "gpu": 0, "minutes": 30, "cores": 4, "memory": 8000, "model": ""}
    return checks.Request(**(settings | {"command": "sbatch -p cpu -t 30"} | changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-00:00:00", 1440),
        ("4:00:00", 240),
        ("30:00", 30),
        ("0:30", 0.5),
        ("2-12:30:00", 3630),
        ("infinite", float("inf")),
    ],
)
def test_time_limits_are_read_as_slurm_prints_them(text: str, expected: float):
    assert checks.minutes(text) == expected


def test_what_slurm_would_take_passes_and_is_asked_without_submission(pretend: Programs, tmp_path: Path):
    pretend("sinfo", SINFO)
    pretend("sbatch", error="sbatch: Job 734 to start at 2026-11-21T23:11:20 using 1 processors on nodes c1\n")
    checks.check([request(), request(), request(rule="long", partition="long", minutes=10**6)])
    calls = (tmp_path / "sbatch.calls").read_text().splitlines()
    assert len(calls) == 2 and all("--test-only" in line for line in calls)


@pytest.mark.parametrize(
    ("said", "asked", "setting"),
    [
        ("sbatch: error: invalid partition specified: nope", {"partition": "nope"},
         "Change slurm_partition (this cluster has cpu, gpu, long)"),
        ("sbatch: error: invalid partition specified: nope", {"partition": "nope", "gpu": 1},
         "Change gpu_partition (this cluster has cpu, gpu, long)"),
        ("allocation failure: Invalid account or account/partition combination specified", {}, "Change slurm_account"),
        ("allocation failure: Invalid qos specification", {}, "Change slurm-qos"),
        ("allocation failure: Requested time limit is invalid (missing or exceeds some limit)", {}, "Change runtime"),
        ("allocation failure: Requested node configuration is not available", {"gpu": 1},
         "Change gpu_partition: cpu has no node with 1 such GPU"),
        ("allocation failure: Requested node configuration is not available",
         {"gpu": 1, "partition": "gpu", "model": "v100"},
         "Change gpu_partition: gpu has no node with 1 such GPU"),
        ("allocation failure: Requested node configuration is not available", {"memory": 64000},
         "Change mem_mb or set-threads"),
        ("allocation failure: Requested node configuration is not available", {"cores": 32},
         "Change mem_mb or set-threads"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_rule_what_was_said_and_the_setting(
    said: str, asked: dict, setting: str, pretend: Programs
):
    pretend("sinfo", SINFO)
    pretend("sbatch", error=f"{said}\n", code=1)
    with pytest.raises(checks.Refused) as raised:
        checks.check([request(**asked)])
    message = str(raised.value)
    assert "Slurm refuses jobs of train" in message and said in message and "-p cpu -t 30" in message
    assert setting in message and "profiles/slurm/config.yaml" in message


@pytest.mark.parametrize("asked", [{}, {"gpu": 4, "partition": "gpu"}, {"gpu": 1, "partition": "gpu", "model": "a100"}])
def test_a_job_whose_nodes_are_down_now_may_wait_for_them(asked: dict, pretend: Programs):
    pretend("sinfo", SINFO)
    pretend("sbatch", error="allocation failure: Requested node configuration is not available\n", code=1)
    checks.check([request(**asked)])
    with pytest.raises(checks.Refused):
        checks.check([request(**asked | {"command": "sbatch -p cpu -t 30 -C nvme"})])


def test_a_run_time_beyond_the_limit_of_the_partition_is_found_before_slurm_lets_it_wait_for_ever(
    pretend: Programs, tmp_path: Path
):
    pretend("sinfo", SINFO)
    pretend("sbatch")
    with pytest.raises(
        checks.Refused, match=r"train ask for 300 min, and partition gpu ends jobs\s+after 240\. Change runtime"
    ):
        checks.check([request(partition="gpu", minutes=300)])
    assert not (tmp_path / "sbatch.calls").exists()


def test_a_machine_without_sbatch_is_told_where_to_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(checks.Refused, match=r"no sbatch on this machine.*login node.*profiles/local"):
        checks.reach()


def test_a_controller_that_does_not_answer_is_said_before_anything_is_submitted(pretend: Programs):
    pretend("sbatch")
    pretend("sinfo", error="slurm_load_partitions: Unable to contact slurm controller (connect failure)\n", code=1)
    with pytest.raises(checks.Refused, match=r"Slurm does not answer \(.*connect failure\)\)\. Nothing was submitted"):
        checks.reach()
    pretend("sinfo", "up")
    checks.reach()
