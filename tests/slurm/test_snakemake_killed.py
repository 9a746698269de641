"""Snakemake that is killed, or interrupted, and started again: nothing twice, nothing lost."""

import os
import shutil
import signal

from geoml.files import checksum
from slurm.conftest import RUN, Work, model, say, slow_training, wait


def kill(work: Work) -> None:
    """SIGKILL for Snakemake; a start that is not preceded by ``--unlock`` says what to type."""
    os.killpg(work.started[-1].pid, signal.SIGKILL)
    work.started[-1].wait()


def unlock(work: Work) -> None:
    """What a killed Snakemake makes necessary, and Snakemake asks for."""
    work.snakemake(targets=(model(),))
    assert work.finish(60) == 1
    assert "--unlock" in work.output
    work.snakemake("--unlock")
    assert work.finish(60) == 0


def written(work: Work, seed: int = 0) -> tuple[int, str]:
    """Which file the model of a run is; Snakemake touches those that are done, and each is renamed to its name."""
    path = work.folder / model(seed)
    return path.stat().st_ino, checksum(path)


def test_a_job_that_runs_is_gone_on_with(work: Work) -> None:
    work.config = slow_training(epochs=120)
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(3)
    kill(work)
    unlock(work)
    work.snakemake(targets=(model(),))
    number = work.wait_for_job("train").number
    work.wait_for(f"Slurm job {number} of an earlier Snakemake does this: waiting for it")
    assert work.finish() == 0
    work.assert_whole(RUN, 120, resumed=0)
    assert len(work.jobs("train")) == 1


def test_the_result_of_a_job_that_ended_meanwhile_is_taken(work: Work) -> None:
    work.config = slow_training(epochs=20)
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(3)
    kill(work)
    work.wait_for_job("train", "COMPLETED")
    before = written(work)
    unlock(work)
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    assert "Done by a Slurm job of an earlier Snakemake; nothing is submitted" in work.output
    assert written(work) == before
    work.assert_whole(RUN, 20, resumed=0)
    assert len(work.jobs("train")) == 1
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    assert "Nothing to be done" in work.output


def test_a_result_of_other_settings_that_came_meanwhile_is_not_taken(work: Work) -> None:
    work.config = slow_training(epochs=8)
    work.snakemake(targets=(model(),))
    work.wait_for_job("train")
    kill(work)
    work.wait_for_job("train", "COMPLETED")
    unlock(work)
    work.config = slow_training(epochs=5)
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    work.assert_whole(RUN, 5, resumed=0)
    assert len(work.jobs("train")) == 2


def test_a_job_that_waits_in_the_queue_is_gone_on_with(work: Work) -> None:
    work.config = slow_training(epochs=3)
    work.snakemake("--set-resources", "train:slurm_extra='--hold'", targets=(model(),))
    number = work.wait_for_job("train", "PENDING").number
    work.wait_for(f"Submitted as Slurm job {number}")
    kill(work)
    unlock(work)
    work.snakemake(targets=(model(),))
    work.wait_for(f"Slurm job {number} of an earlier Snakemake does this: waiting for it")
    say(f"scontrol release {number}")
    assert work.finish() == 0
    work.assert_whole(RUN, 3, resumed=0)
    assert len(work.jobs("train")) == 1


def test_a_job_of_another_configuration_is_cancelled(work: Work) -> None:
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(3)
    kill(work)
    unlock(work)
    work.config = slow_training(epochs=5)
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    old, new = work.jobs("train")
    assert (
        f"Slurm job {old.number} of an earlier Snakemake does what is to be done otherwise now: cancelled"
        in work.output
    )
    assert (old.state, new.state) == ("CANCELLED", "COMPLETED")
    work.assert_whole(RUN, 5, resumed=0)


def test_a_group_goes_on_as_one_and_a_cancelled_one_with_what_is_left(work: Work) -> None:
    work.config = slow_training(epochs=40, seeds=3)
    targets = tuple(map(model, range(3)))
    done = [work.folder / target for target in targets]
    work.snakemake(targets=targets)
    wait(lambda: any(path.exists() for path in done), "the first model", 120, work.tail)
    kill(work)
    unlock(work)
    work.snakemake(targets=targets)
    (job,) = work.jobs("train")
    work.wait_for(f"Slurm job {job.number} of an earlier Snakemake does this: waiting for it")
    kill(work)
    say(f"scancel {job.number}")
    work.wait_for_job("train", "CANCELLED")
    before = {seed: written(work, seed) for seed in range(3) if done[seed].exists()}
    assert 0 < len(before) < 3
    unlock(work)
    work.snakemake(targets=targets)
    assert work.finish() == 0
    assert f"{len(before)} of 3 jobs of group short_runs_polarity_0 are done already" in work.output
    for seed in range(3):
        work.assert_whole(f"polarity/ins/cnn_ross/seed{seed}", 40)
    assert {seed: written(work, seed) for seed in before} == before
    assert len(work.jobs("train")) == 2


def test_ctrl_c_cancels_the_jobs_and_the_next_start_goes_on_from_the_checkpoint(work: Work) -> None:
    work.config = slow_training(epochs=60)
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(5)
    work.started[-1].send_signal(signal.SIGINT)
    assert work.finish(60) == 1
    work.wait_for_job("train", "CANCELLED", 30)
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    work.assert_whole(RUN, 60, resumed=1)
    assert len(work.jobs("train")) == 2


def test_some_of_the_files_of_a_run_are_none_of_it(work: Work) -> None:
    work.config = slow_training(epochs=20)
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(3)
    kill(work)
    say(f"scancel {work.jobs('train')[0].number}")
    work.wait_for_job("train", "CANCELLED")
    # Killed between the two: the model is there, and no history.
    (work.folder / model()).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(work.folder / "output.txt", work.folder / model())
    unlock(work)
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    work.assert_whole(RUN, 20, resumed=1)
