"""What a cluster refuses: said before anything is trained, with the setting to change."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm.conftest import RUN, Work, in_front, model, say, slow_training

DATASET = "results/data/polarity/ins/dataset.json"


def refused(work: Work, *arguments: object) -> str:
    """What Snakemake says when it ends by itself, with nothing submitted."""
    work.snakemake(*arguments, targets=(model(),))
    assert work.finish(120) == 1
    assert not work.jobs()
    assert not (work.folder / "results").exists()
    return " ".join(work.output.split())


def test_a_machine_without_sbatch(work: Work) -> None:
    programs = work.folder / "programs"
    programs.mkdir()
    for folder in work.environment["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if program.name != "sbatch" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    work.environment["PATH"] = str(programs)
    said = refused(work)
    assert "There is no sbatch on this machine. Run on a login node" in said
    assert "--profile profiles/local" in said


def test_a_controller_that_does_not_answer(work: Work) -> None:
    in_front(work, "sinfo", "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1\n")
    said = refused(work)
    assert "Slurm does not answer (slurm_load_partitions: Unable to contact slurm controller)" in said
    assert "Nothing was submitted; run the same command again later" in said


def test_a_partition_that_is_not_there(work: Work) -> None:
    said = refused(work, "--default-resources", "slurm_partition=nowhere", "gpu=0")
    assert "invalid partition specified: nowhere" in said
    assert re.search(r"Change slurm_partition \(this cluster has [^)]+\), in profiles/slurm/config.yaml", said)


def test_an_account_that_is_refused(work: Work) -> None:
    # As real clusters say it; the local one takes any account.
    said = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"
    in_front(work, "sbatch", f'case "$*" in *"-A geology"*) echo "{said}" >&2; exit 1;; esac\nexec REAL "$@"\n')
    output = refused(work, "--set-resources", "train:slurm_account=geology")
    assert said in output
    assert "Change slurm_account, or take it out, in profiles/slurm/config.yaml" in output


def test_a_gpu_on_a_partition_without_one(work: Work) -> None:
    partition = work_partition()
    if "gpu" in say(f"sinfo --noheader --partition={partition} --format=%G"):
        pytest.skip(f"nodes of partition {partition} have GPUs")
    asked = "--default-resources", f"slurm_partition={partition}", f"gpu_partition={partition}", "gpu=0"
    said = refused(work, *asked, "--config", "devices=[gpu]")
    assert "Slurm refuses jobs of train" in said
    assert f"Change gpu_partition: {partition} has no node with 1 such GPU" in said


def test_a_run_time_beyond_the_limit_of_the_partition(work: Work) -> None:
    limit = say(f"sinfo --noheader --partition={work_partition()} --format=%l").split()[0]
    if limit == "infinite":
        pytest.skip(f"partition {work_partition()} has no limit")
    said = refused(work, "--set-resources", "train:runtime=200000")
    assert re.search(r"Jobs of train ask for 200000 min, and partition \w+ ends jobs after \d+", said)
    assert "Change runtime (set-resources)" in said


def test_a_run_time_that_is_none(work: Work) -> None:
    said = refused(work, "--set-resources", "train:runtime='four hours'")
    assert "InputFunctionException in rule train" in said
    assert "Resource 'runtime' with value 'four hours' could not be parsed as minutes" in said


def test_more_memory_than_any_node_has(work: Work) -> None:
    said = refused(work, "--set-resources", "train:mem_mb=900000000")
    assert "Slurm refuses jobs of train" in said
    assert "--mem 900000000" in said
    assert "Change mem_mb or set-threads" in said


def test_a_directory_that_compute_nodes_do_not_see(work: Work) -> None:
    # The nodes are told of a folder that is nowhere: what slurmd does then is what it does on such a node.
    in_front(work, "sbatch", f"for word; do shift; set -- \"$@\" \"$(echo \"$word\" | sed 's|^{work.folder}$|/nowhere|;"
             "s|^.*/%j.log$|/nowhere/%j.log|')\"; done\nexec REAL \"$@\"\n")  # fmt: skip
    work.snakemake("--retries", 0, targets=(model(),))
    assert work.finish() == 1
    said = " ".join(work.output.split())
    assert "no log was written: that node does not see this directory or this Python." in said
    assert "Put the project and its environment on a file system that all nodes share" in said
    assert not (work.folder / "results").exists()


# squeue says of the job that makes the data that it has ended, while it runs: its files are seen some seconds later.
EARLY = "REAL \"$@\" | sed '/group_data/s/|RUNNING|/|COMPLETED|/'\n"


def test_files_that_are_seen_late_are_waited_for(work: Work) -> None:
    in_front(work, "squeue", EARLY)
    work.snakemake(targets=(DATASET,))
    assert work.finish() == 0
    assert (work.folder / DATASET).exists()
    assert len(work.jobs()) == 1


def test_files_that_are_seen_too_late_are_said_to_be(work: Work) -> None:
    in_front(work, "squeue", EARLY)
    work.snakemake("--retries", 0, "--latency-wait", 0, targets=(DATASET,))
    assert work.finish() == 1
    assert "--latency-wait" in work.output


@pytest.fixture
def small_disk(work: Work) -> Iterator[Path]:
    """The place of the models on a disk of its own that holds no model."""
    disk = work.folder / "results/models"
    disk.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_named_and_with_room_the_same_command_completes(work: Work, small_disk: Path) -> None:
    work.config = slow_training(epochs=3)
    work.snakemake("--retries", 0, targets=(model(),))
    assert work.finish() == 1
    assert re.search(r"results/models/\S+: disk space: expected room for this file, got 0 MB left", work.output)
    assert not [path for path in small_disk.rglob("*") if path.is_file()], "what was written in part is still there"
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    work.snakemake("--retries", 0, targets=(model(),))
    assert work.finish() == 0
    work.assert_whole(RUN, 3)


def work_partition() -> str:
    """The partition that jobs without a GPU go to."""
    return os.environ.get("GEOML_SLURM_PARTITION", "cpu")
