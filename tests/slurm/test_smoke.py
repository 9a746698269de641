"""What CI runs on a real Slurm: every task, the routing of GPUs, a kill and a time-out."""

import json
import re

import pytest
import yaml

from slurm.conftest import ROOT, RUN, Work, defaults, model, say, slow_training

pytestmark = pytest.mark.smoke


def test_every_task_goes_through_slurm_in_far_fewer_jobs_than_snakemake_has(work: Work):
    work.config = yaml.safe_load((ROOT / "config/test.yaml").read_text())
    work.snakemake()
    assert work.finish(900) == 0, work.tail()
    tables = {path.stem.split("_")[0] for path in (work.folder / "results/tables").glob("*.csv")}
    assert tables == {"polarity", "fold", "slip", "tremor", "patchnet", "devices", "export"}
    jobs, wanted = work.jobs(), int(re.search(r"^total +(\d+)$", work.output, re.MULTILINE)[1])
    assert {(job.state, job.partition) for job in jobs} == {("COMPLETED", defaults()["slurm_partition"])}, work.tail()
    assert 5 < len(jobs) <= 0.4 * wanted, f"{len(jobs)} Slurm jobs for {wanted} of Snakemake"


def test_a_gpu_timing_goes_to_the_gpu_partition_with_one_gpu_and_fails_where_keras_cannot_use_it(work: Work):
    cpu, gpu = defaults()["slurm_partition"], defaults()["gpu_partition"]
    if gpu not in say("sinfo --noheader --format=%R").split():
        pytest.skip(f"this cluster has no partition {gpu}")
    work.config = slow_training(epochs=2) | {"devices": ["cpu", "gpu"]}
    work.snakemake("--retries", 0)
    code = work.finish()
    (timed,), (timed_on_gpu,) = work.jobs("timings_polarity_cpu"), work.jobs("timings_polarity_gpu")
    assert (timed.state, timed.partition) == ("COMPLETED", cpu), work.tail()
    assert timed_on_gpu.partition == gpu
    assert "TresPerJob" not in timed.shown and "TresPerNode" not in timed.shown
    assert re.search("gpu(:[a-z]+[^:]*)?:1$", timed_on_gpu.shown.get("TresPerJob") or timed_on_gpu.shown["TresPerNode"])
    assert {job.partition for job in work.jobs()} == {cpu, gpu}
    assert [job.number for job in work.jobs() if job.partition == gpu] == [timed_on_gpu.number]
    results = work.folder / "results"
    assert json.loads((results / "timing/polarity/ins/cnn_ross/cpu.json").read_text())["device"] == "cpu"
    assert (results / f"evaluation/{RUN}/metrics.json").is_file()
    written = results / "timing/polarity/ins/cnn_ross/gpu.json"
    if timed_on_gpu.state == "COMPLETED":  # a GPU that Keras can use
        assert code == 0 and json.loads(written.read_text())["device"] == "gpu"
        assert (results / "tables/devices.csv").is_file()
    else:
        assert code != 0 and not written.exists()
        assert "device=gpu,task=polarity,variant=cnn_ross; try 1 of 1)" in work.why(timed_on_gpu)
        assert "devices: gpu: expected a GPU that Keras can use, got none" in work.output
        assert "take gpu out of `devices`" in work.output


def test_a_killed_training_is_told_by_its_signal_and_goes_on_from_its_checkpoint(work: Work):
    work.config = slow_training(epochs=100)
    work.snakemake(targets=(model(),))
    job = work.wait_for_job("_train")
    work.wait_for_epoch(3)
    work.kill_training(job.number)
    assert work.finish() == 0, work.tail()
    said = work.why(job)
    assert "try 1 of 3" in said and "killed by signal SIGKILL" in said
    work.assert_whole(RUN, 100, resumed=1)
    assert [job.state for job in work.jobs("_train")] == ["FAILED", "COMPLETED"]


def test_a_training_over_its_time_limit_gets_more_and_goes_on_from_its_checkpoint(work: Work):
    work.config = slow_training(epochs=100, runtime=1)
    work.snakemake(targets=(model(),))
    job = work.wait_for_job("_train")
    work.wait_for_epoch(3)
    work.kill_training(job.number, "STOP")  # as if the rest took for ever
    assert work.finish(240) == 0, work.tail()
    said = work.why(job)
    assert "try 1 of 3" in said and "time limit 00:01:00 reached" in said and "setting: runtime" in said
    first, second = work.jobs("_train")
    assert (first.state, second.state) == ("TIMEOUT", "COMPLETED")
    assert second.shown["TimeLimit"] == "00:02:00"
    work.assert_whole(RUN, 100, resumed=1)
