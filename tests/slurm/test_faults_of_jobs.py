"""What befalls a job on a cluster: it is cancelled, killed, requeued, or wrong from the start."""

import hashlib
import re
from pathlib import Path

from slurm.conftest import RUN, Work, model, say, slow_training

EPOCHS = 100


def start(work: Work, *arguments: object, epochs: int = EPOCHS) -> str:
    """Start a training; the number of its Slurm job, when it has three epochs."""
    work.config = slow_training(epochs=epochs)
    work.snakemake(*arguments, targets=(model(),))
    job = work.wait_for_job("_train")
    work.wait_for_epoch(3)
    return job.number


def states(work: Work) -> list[str]:
    """How the trainings' Slurm jobs ended, oldest first."""
    return [job.state for job in work.jobs("_train")]


def test_a_training_that_is_cancelled_while_it_runs_goes_on_from_its_checkpoint(work: Work):
    number = start(work)
    say(f"scancel {number}")
    assert work.finish() == 0, work.tail()
    assert "cancelled, by scancel or by an administrator" in work.why(number)
    assert states(work) == ["CANCELLED", "COMPLETED"]
    work.assert_whole(RUN, EPOCHS, resumed=1)


def test_a_training_that_is_cancelled_while_it_waits_is_submitted_again(work: Work):
    work.config = slow_training(epochs=3)
    work.snakemake("--set-resources", "train:slurm_extra='--hold'", targets=(model(),))
    waiting = work.wait_for_job("_train", "PENDING")
    say(f"scancel {waiting.number}")
    again = work.wait_for_job("_train", "PENDING")
    assert again.number != waiting.number
    say(f"scontrol release {again.number}")
    assert work.finish() == 0, work.tail()
    assert "cancelled" in work.why(waiting.number)
    assert states(work) == ["CANCELLED", "COMPLETED"]
    work.assert_whole(RUN, 3, resumed=0)


def test_of_a_group_that_is_killed_only_the_rest_is_run_again(work: Work):
    work.config = slow_training(epochs=EPOCHS, seeds=3)
    work.snakemake(targets=tuple(map(model, range(3))))
    job = work.wait_for_job("_train")
    done = work.wait_for_model()
    run = work.wait_for_epoch(3, besides=done)
    before = [state(path) for path in sorted((work.folder / "results/models" / done).iterdir())]
    work.kill_training(job.number)
    assert work.finish(300) == 0, work.tail()
    assert [state(path) for path in sorted((work.folder / "results/models" / done).iterdir())] == before
    for seed in range(3):
        each = f"polarity/ins/cnn_ross/seed{seed}"
        work.assert_whole(each, EPOCHS, resumed=int(each == run))
    first, second = work.jobs("_train")
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    said = work.why(job.number)
    assert f"seed={run[-1]}" in said and f"seed={done[-1]}" not in said and "killed by signal SIGKILL" in said
    assert re.search(r"[12] of 3 jobs of group \S+ are done already", work.output)


def state(path: Path) -> tuple[str, int, str]:
    """Another one where a file was written again: its times of training differ. Snakemake itself only touches files."""
    return path.name, path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_requeued_job_runs_again_under_its_number_and_goes_on_from_its_checkpoint(work: Work):
    """As a cluster does that preempts with requeue; the command is the administrator's."""
    number = start(work)
    say(f"scontrol requeue {number}")
    work.wait_for_job("_train", "PENDING")
    say(f"scontrol update JobId={number} StartTime=now")  # Slurm would wait for two minutes
    assert work.finish(300) == 0, work.tail()
    assert [(job.number, job.state) for job in work.jobs("_train")] == [(number, "COMPLETED")]
    assert " ended: " not in work.output
    work.assert_whole(RUN, EPOCHS, resumed=1)


def test_a_job_with_an_error_of_its_own_is_told_with_the_last_lines_of_its_log_and_not_tried_for_ever(work: Work):
    work.config = slow_training(epochs=3)
    work.config["tasks"]["polarity"]["fit"]["monitor"] = "val_nonsense"
    work.snakemake("--retries", 1, targets=(model(),))
    assert work.finish() != 0
    first, second = (job.number for job in work.jobs("_train"))
    assert states(work) == ["FAILED", "FAILED"]
    for number, tried in ((first, "try 1 of 2"), (second, "try 2 of 2")):
        assert tried in work.why(number) and "failed, exit code 1" in work.why(number)
    assert work.output.count(f"last lines of logs/train/{RUN}.log:") == 2
    assert "fit: monitor: expected one of val_loss, val_accuracy, got 'val_nonsense'" in work.output
    assert not (work.folder / model()).exists()


def test_a_job_that_the_kernel_kills_for_memory_gets_more_and_goes_on(work: Work):
    """Memory is not enforced on every cluster: the signal, and the line of slurmstepd, are those of one that does."""
    number = start(work)
    log = next((work.folder / ".snakemake/slurm_logs").rglob(f"{number}.log"))
    with open(log, "a") as file:
        file.write(f"slurmstepd: error: Detected 1 oom-kill event(s) in StepId={number}.batch cgroup.\n")
    work.kill_training(number)
    assert work.finish() == 0, work.tail()
    assert "out of memory (8000M asked for)" in work.why(number) and "setting: mem_mb" in work.why(number)
    first, second = work.jobs("_train")
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert "mem=16000M" in second.shown["TRES"]
    work.assert_whole(RUN, EPOCHS, resumed=1)
