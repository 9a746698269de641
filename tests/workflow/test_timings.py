"""A device is timed as itself or not at all."""

import json
from pathlib import Path

import pytest
from conftest import Project


def test_a_gpu_that_keras_cannot_use_fails_its_timing_and_leaves_no_file(
    toy_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "99")  # as a scheduler gives it; there is no such GPU on any machine
    project = toy_project.copy(tmp_path / "project")
    cpu, gpu = (project.folder / f"results/timing/toy/dots/straight/{device}.json" for device in ("cpu", "gpu"))
    targets = [path.relative_to(project.folder) for path in (cpu, gpu)]
    done = project.snakemake("--cores", 2, "--keep-going", "--", *targets, check=False)
    assert done.returncode != 0 and not gpu.exists()
    log = (project.folder / "logs/time_training/toy/dots/straight/gpu.log").read_text()
    assert "devices: gpu: expected a GPU that Keras can use, got none" in log and "take gpu out of `devices`" in log
    timed = json.loads(cpu.read_text())
    assert (timed["device"], timed["device_name"]) == ("cpu", timed["cpu"])
    assert (timed["epochs"], timed["n_train"], timed["data_source"]) == (3, 166, "synthetic")
