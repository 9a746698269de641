"""A node or the controller that dies while jobs run, and comes back."""

import re
import time
from pathlib import Path

from slurm.conftest import RUN, Daemons, Work, in_front, model, say, slow_training, wait

PAUSE_S = 60  # without a controller


def bodies(number: str) -> int:
    """Processes on this machine of a Slurm job that train."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((process / part).read_bytes().split(b"\0") for part in ("cmdline", "environ"))
        except OSError:
            continue
        found += f"SLURM_JOB_ID={number}".encode() in environment and any(
            word.endswith(b".train.py") for word in command
        )
    return found


def test_a_job_goes_on_elsewhere_when_its_node_dies_though_its_first_body_lives(work: Work, daemons: Daemons) -> None:
    work.config = slow_training(epochs=600)
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(3)
    job = work.wait_for_job("train")
    daemons.kill(f"slurmd-{say(f'squeue --noheader --job {job.number} --format=%N').strip()}")
    work.wait_for_job("train", "PENDING", 120)
    work.wait_for(f"Slurm will start job {job.number} again", 90)
    assert bodies(job.number) == 1
    say(f"scontrol update jobid={job.number} starttime=now")  # sooner than after the two minutes that Slurm gives
    work.wait_for_job("train", "RUNNING", 120)
    assert work.finish(300) == 0
    wait(lambda: not bodies(job.number), "the end of both bodies", 60)
    work.assert_whole(RUN, 600)
    assert len(work.jobs("train")) == 1


def test_a_pause_of_the_controller_is_waited_out(work: Work, daemons: Daemons) -> None:
    work.snakemake(targets=(model(),))
    work.wait_for_epoch(3)
    daemons.kill("slurmctld")
    work.wait_for("Slurm does not answer .* Its jobs go on; asking again", 60)
    time.sleep(PAUSE_S)
    daemons.start("slurmctld")
    work.wait_for("Slurm answers again, after", 120)
    assert work.finish() == 0
    # Killed, it may have forgotten that the job runs, and start it again: the training goes on from its checkpoint.
    work.assert_whole(RUN, 300)
    assert len(work.jobs("train")) == 1


def test_what_is_to_be_submitted_waits_for_the_controller(work: Work, daemons: Daemons) -> None:
    # The controller dies just before the first job is submitted; what only asks is let through.
    in_front(
        work,
        "sbatch",
        f'case "$*" in *--test-only*) ;; *) while [ ! -e {work.folder}/dead ]; do touch {work.folder}/asked; sleep 0.2;'
        ' done;; esac\nexec REAL "$@"\n',
    )
    work.config = slow_training(epochs=3)
    work.snakemake(targets=(model(),))
    wait((work.folder / "asked").exists, "a submission", 60, work.tail)
    daemons.kill("slurmctld")
    (work.folder / "dead").touch()
    work.wait_for("Slurm takes no job now .*; trying again", 60)
    daemons.start("slurmctld")
    assert work.finish() == 0
    work.assert_whole(RUN, 3, resumed=0)
    assert len(work.jobs()) == 2


def test_a_submission_whose_answer_is_lost_is_not_made_twice(work: Work) -> None:
    # As real clusters say it when they are busy.
    said = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    lost = f'REAL "$@" >/dev/null; echo "{said}" >&2; exit 1'
    in_front(work, "sbatch", f'case "$*" in *--test-only*) exec REAL "$@";; *) {lost};; esac\n')
    work.config = slow_training(epochs=3)
    work.snakemake(targets=(model(),))
    assert work.finish() == 0
    assert f"Slurm takes no job now ({said}); trying again" in work.output
    work.assert_whole(RUN, 3, resumed=0)
    assert len(work.jobs()) == 2


def test_a_controller_that_stays_away_ends_snakemake_and_its_jobs_go_on(work: Work, daemons: Daemons) -> None:
    work.config = slow_training(epochs=100, seeds=2)
    targets = tuple(map(model, range(2)))
    each = "--group-components", "short_runs=1", "--slurm-status-attempts", 2
    work.snakemake(*each, targets=targets)
    first, second = (work.wait_for_job(f"short_runs_polarity_{place}_").number for place in range(2))
    # One that does not run yet when Snakemake goes: held, and started again by Slurm.
    say(f"scontrol requeuehold {second}")
    work.wait_for_epoch(3, RUN)
    daemons.kill("slurmctld")
    assert work.finish(120) == 1
    said = work.output
    assert re.search(r"Slurm has not answered for \d+ min", said)
    assert "start the same command again: it finds them, and starts none twice" in said
    daemons.start("slurmctld")
    wait(
        lambda: work.jobs("short_runs_polarity_1_")[0].state == "PENDING", "the second job in the queue", 60, work.tail
    )
    work.snakemake(*each, targets=targets)
    work.wait_for("of an earlier Snakemake")
    say(f"scontrol release {second}")
    assert work.finish(300) == 0
    for seed in range(2):
        work.assert_whole(f"polarity/ins/cnn_ross/seed{seed}", 100)
    assert sorted(job.number for job in work.jobs("train")) == sorted((first, second))
