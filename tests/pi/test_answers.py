"""Answers of the emulated Raspberry Pi, against those of this machine with the same files."""

import csv
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geoml.predict import predict
from geoml.tasks.patchnet import segy
from pi.conftest import Pi, continuous, line, picked

# Largest difference of a probability or a score; what is written is rounded to 4 digits on top. Integers of int8
# networks are rounded otherwise by some processors, where a value lies between two.
TOLERANCE = {"model.onnx": 1e-5, "model.int8.onnx": 0.02}
ROUNDED = 1.01e-4
INPUTS: dict[str, Callable[[Path], Path]] = {
    "patchnet": lambda folder: line(folder / "line.sgy"),
    "polarity": picked,
    "tremor": continuous,
}
ANSWERS = {  # table and column
    "patchnet": ("picks.csv", "probability"),
    "polarity": ("polarities.csv", "p_u"),
    "tremor": ("windows.csv", "score"),
}
FURTHER = {".png", ".svg", ".quakeml", ".xml"}  # what only a machine with more packages writes
MODELS = sorted(TOLERANCE)


@pytest.mark.filterwarnings("ignore:Sample spacing read")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", [pytest.param("patchnet", marks=pytest.mark.smoke), "polarity", "tremor"])
def test_the_pi_answers_as_this_machine(
    task: str, name: str, pi: Callable[[str], Pi], model: Callable[[str, str], Path], tmp_path: Path
) -> None:
    inputs = INPUTS[task](tmp_path / "in")
    machine = pi(task)
    said = machine.done(f"geoml-pi {task} {inputs} -o {tmp_path / 'pi'} --model {machine.home / name}")
    here = str(predict(task, [inputs], tmp_path / "here", model(task, name)))
    assert words(said) == words(here)
    files = {path.name for path in (tmp_path / "pi").iterdir()}
    assert files == {path.name for path in (tmp_path / "here").iterdir() if path.suffix not in FURTHER}
    apart = max(difference(tmp_path / "pi" / file, tmp_path / "here" / file) for file in files)
    assert len(answers(task, tmp_path / "pi")) > 1, "the answers do not depend on what is asked"
    raw = machine.done(f"geoml-pi selftest --model {machine.home / name}")
    print(f"{task}: {apart:.1e} apart; {raw.strip()}")
    assert apart <= TOLERANCE[name] + ROUNDED


def words(said: str) -> list[str]:
    """A summary without what differs by machine: folders, speed, and what was left out."""
    lines = [re.sub(r"[\d,]+ windows/s", "", text) for text in said.strip().splitlines()]
    return [text for text in lines if not re.match(r" *(wrote|no figures:|no QuakeML:)", text)]


def difference(one: Path, other: Path) -> float:
    """Largest difference of numbers; all else has to be the same."""
    if one.suffix == ".csv":
        return max((apart(a, b) for a, b in zip(cells(one), cells(other), strict=True)), default=0.0)
    a, b = (np.load(path) if path.suffix == ".npy" else segy.read(path).amplitudes for path in (one, other))
    assert (np.isnan(a) == np.isnan(b)).all()
    return float(np.nanmax(np.abs(a - b)))


def answers(task: str, folder: Path) -> set[str]:
    """All probabilities or scores that are given."""
    table, column = ANSWERS[task]
    with open(folder / table, newline="", encoding="utf-8") as file:
        return {row[column] for row in csv.DictReader(file) if row[column]}


def cells(path: Path) -> list[str]:
    with open(path, newline="", encoding="utf-8") as file:
        return [cell for row in csv.reader(file) for cell in row]


def apart(one: str, other: str) -> float:
    try:
        return abs(float(one) - float(other))
    except ValueError:
        assert one == other
        return 0.0


def test_wheels_that_another_computer_fetched_are_those_that_are_installed(
    emulator: None, unpacked: Callable[[str], Path], tmp_path: Path
) -> None:
    home = unpacked("polarity")
    fetched = subprocess.run([home / "fetch-wheels.sh"], text=True, capture_output=True, timeout=300)
    if fetched.returncode:
        pytest.skip(f"wheels cannot be fetched here: {fetched.stderr.strip()[-300:]}")
    wanted = {text.split("==")[0] for text in (home / "requirements.txt").read_text().splitlines() if "==" in text}
    assert {path.name.split("-")[0] for path in (home / "wheels").iterdir()} == wanted
    said = Pi(home, tmp_path).done("install.sh")
    assert "as where it was made" in said
