"""What cannot be used on the emulated Raspberry Pi, and bundles that cannot be installed (these on this machine)."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pi.conftest import Pi, continuous, line, sac


@pytest.mark.smoke
def test_models_and_lines_that_cannot_be_used_are_refused_on_the_pi(pi: Callable[[str], Pi], tmp_path: Path) -> None:
    machine = pi("patchnet")
    inputs = line(tmp_path / "line.sgy")
    whole = (machine.home / "model.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "pickle.onnx").write_bytes(pickle.dumps(print))
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "cube.npy", np.zeros((60, 80, 3)))

    def said(given: Path, *more: str) -> str:
        words = machine.refused(" ".join(["geoml-pi patchnet", str(given), "-o out", *more]))
        assert words.startswith("geoml-pi: ") and words.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return words

    assert "cut.onnx: content: expected an ONNX model, whole" in said(inputs, "--model cut.onnx")
    assert "pickle.onnx: content: expected an ONNX model, whole" in said(inputs, "--model pickle.onnx")
    assert "expected at least one of .npy, .segy, .sgy, got none" in said(tmp_path / "empty")
    assert "cube.npy" in said(tmp_path / "cube.npy")
    assert "not installed yet: run" in machine.refused(f"cp {machine.home}/geoml-pi . && ./geoml-pi selftest")


def test_records_of_a_rate_or_length_without_windows_and_models_of_other_tasks_are_refused_on_the_pi(
    pi: Callable[[str], Pi], model: Callable[[str, str], Path], tmp_path: Path
) -> None:
    machine = pi("tremor")
    sac(tmp_path / "slow.sac", np.random.default_rng(0).normal(size=9000), 8)
    sac(tmp_path / "short.sac", np.random.default_rng(0).normal(size=9000), 20)
    assert "8 Hz is too low for 2-5 Hz" in machine.refused("geoml-pi tremor slow.sac -o out")
    assert "shorter than 1000 s: 450.00 s" in machine.refused("geoml-pi tremor short.sac -o out")
    shutil.copy(model("patchnet", "model.onnx"), tmp_path / "other.onnx")
    inputs = continuous(tmp_path / "in")
    said = machine.refused(f"geoml-pi tremor {inputs} -o out --model other.onnx")
    assert "other.onnx: task: expected tremor, got patchnet" in said
    assert not (tmp_path / "out").exists()


@pytest.fixture
def install(unpacked: Callable[[str], Path], tmp_path: Path) -> Callable[..., str]:
    """What ``install.sh`` says on this machine when it fails."""
    home = unpacked("patchnet")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin/python3").chmod(0o755)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}

    def say(*arguments: object) -> str:
        environment = os.environ | nowhere | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            list(map(str, [home / "install.sh", *arguments])), text=True, capture_output=True, env=environment
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        ready = subprocess.run([home / "geoml-pi", "selftest"], text=True, capture_output=True)
        assert ready.returncode == 2 and "not installed yet" in ready.stderr
        return done.stderr

    return say


def test_wheels_that_are_missing_or_of_other_versions_and_no_network_are_said(
    install: Callable[..., str], tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    assert "these wheels do not do: see above; ./fetch-wheels.sh fetches the right ones" in install(wheels)
    (wheels / "flatbuffers-1.0-py2.py3-none-any.whl").write_bytes(b"")
    assert "flatbuffers==" in (said := install(wheels)) and "from versions: 1.0" in said
    assert "without a network: ./install.sh FOLDER_OF_WHEELS" in install()
