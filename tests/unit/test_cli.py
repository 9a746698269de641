"""The command geoml: quick to answer, the original flags, and errors in one line."""

import csv
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT, TOY

from geoml import cli, models
from geoml.errors import InputError
from geoml.manual import _refuse_other_dataset
from geoml.store import Store

HEAVY = {"tensorflow", "keras", "pandas", "numpy", "scipy", "matplotlib", "obspy", "h5py", "snakemake"}


@pytest.fixture
def here(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder with the toy configuration, and its own log handlers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_bytes((TOY / "config.yaml").read_bytes())
    handlers = logging.getLogger().handlers[:]
    yield tmp_path
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = handlers


def geoml(line: str) -> int:
    return cli.main(line.split())


def change(here: Path, **datasets: Any) -> None:
    content = yaml.safe_load((here / "config/config.yaml").read_text())
    content["tasks"]["toy"]["datasets"] |= datasets
    (here / "config/config.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"], []])
def test_help_needs_nothing_heavy(arguments: list[str]):
    lines = ["import sys", "from geoml.cli import main", "try:", f"    main({arguments!r})", "finally:"]
    code = "\n".join([*lines, "    print(*sys.modules, file=sys.stderr)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "usage: geoml" in done.stdout and done.returncode == 0
    assert not HEAVY & set(done.stderr.split())


def test_what_every_job_of_the_workflow_imports_again_is_light():
    code = "import sys, geoml.config, geoml.registry, geoml.errors; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_the_original_command_line(here: Path, keras_on_cpu: Any, capsys: pytest.CaptureFixture[str]):
    command = (
        "train toy --dataset dots --model_name bent --save_name bent_dots_slow --epochs 2 --batch_size 20 "
        "--learning_rate 0.001 --patience 20 --monitor val_accuracy --monitor_mode max --loss categorical_crossentropy"
    )
    assert geoml(command) == 0
    path = here / "results/models/manual/bent_dots_slow.keras"
    assert f"wrote {path.relative_to(here)}" in capsys.readouterr().out
    meta = models.read_meta(path)
    assert meta["run"] == {"task": "toy", "dataset": "dots", "variant": "bent_dots_slow", "seed": 0}
    assert meta["args"] == {"units": 3}, "the configuration's arguments of that network"
    with open(path.with_suffix(".history.csv"), newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    record = path.with_suffix(".training.json").read_text()
    assert '"batch_size": 20' in record and '"epochs": 2' in record
    assert Store(here / "results/data/toy/dots").meta["samples"] == 200
    assert geoml(f"{command} --init_from {path}") == 0


def test_data_of_other_settings_are_prepared_again(here: Path, keras_on_cpu: Any):
    command = "train toy --dataset dots --model_name line --epochs 1"
    assert geoml(command) == 0
    prepared = here / "results/data/toy/dots/dataset.json"
    before = Store(prepared.parent).inputs[:1].copy()
    change(here, dots={"source": "synthetic", "rows": 200, "prepare": {"scale": 2.0}})
    assert geoml(command) == 0
    assert np.allclose(Store(prepared.parent).inputs[:1], 2 * before)
    change(here, dots={"source": "synthetic", "rows": 120, "prepare": {"scale": 2.0}})
    assert geoml(command) == 0
    assert Store(prepared.parent).meta["samples"] == 120
    last = prepared.stat().st_mtime_ns
    assert geoml(command) == 0
    assert prepared.stat().st_mtime_ns == last, "nothing changed: used as it is"


def test_a_gpu_that_is_not_there(
    here: Path, keras_on_cpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert geoml("train toy --dataset dots --model_name line --GPU 1") == 2
    assert "a GPU that Keras can use" in capsys.readouterr().err and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert not (here / "results/models").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--dataset dotz --model_name line", "got 'dotz'. Did you mean 'dots'?"),
        ("--dataset dots --model_name lime", "got 'lime'. Did you mean 'line'?"),
        ("--dataset dots --model_name line --epochs many", "expected integer, got 'many'"),
        ("--dataset dots --model_name line --epochs 0", "expected at least 1, got 0"),
        ("--dataset dots --model_name line --config none.yaml", "none.yaml: file: expected a configuration file"),
        (
            "--dataset dots --model_name line --save_name line_more",
            "a name that does not say 'more', got --dataset dots",
        ),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_done(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
):
    change(here, more={"source": "synthetic", "rows": 50, "reader": "dots"})
    assert geoml(f"train toy {arguments}") == 2
    error = capsys.readouterr().err
    assert error.startswith("geoml: ") and message in error and error.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["config"]


@pytest.mark.parametrize(
    ("name", "dataset", "refused"),
    [
        ("ross_model_ins", "pnw", True),
        ("ross_model_ins", "ins", False),
        ("ROSS_INS", "pnw", True),
        ("ross_ins_pnw", "pnw", False),
        ("ross", "pnw", False),
        ("instance", "pnw", False),
    ],
)
def test_a_name_that_says_another_data_set(name: str, dataset: str, refused: bool):
    """All Ross models of the original commands were trained on ins, whatever their names said."""
    if refused:
        with pytest.raises(InputError, match="under the name of another would mislead"):
            _refuse_other_dataset(name, dataset, ["ins", "pnw"])
    else:
        _refuse_other_dataset(name, dataset, ["ins", "pnw"])


def test_validate(here: Path, capsys: pytest.CaptureFixture[str]):
    assert geoml("validate config/config.yaml") == 0
    assert "toy: 2 runs" in capsys.readouterr().out
    change(here, mine={"source": "path", "path": "nowhere", "reader": "dots"})
    assert geoml("validate config/config.yaml") == 2
    assert "nowhere: path: expected a folder" in capsys.readouterr().err
    (here / "nowhere").mkdir()
    np.save(here / "nowhere/dots.npy", np.column_stack([np.arange(9), np.arange(9) % 2, np.ones((9, 8))]))
    assert geoml("validate config/config.yaml") == 0
    assert "9 samples read" in capsys.readouterr().out


def test_describe(here: Path, capsys: pytest.CaptureFixture[str]):
    assert geoml("describe toy dots") == 0
    text = capsys.readouterr().out
    assert "toy/dots: 200 samples of 100 groups, 0 left out" in text and "labels: LEFT 100, RIGHT 100" in text
    assert "split: train" in text
    assert geoml("describe toy data/toy/dots --reader dots") == 0
    assert "200 samples of 100 groups" in capsys.readouterr().out


def test_predicting_without_a_model(here: Path, capsys: pytest.CaptureFixture[str]):
    assert geoml("predict toy somewhere -o out.csv") == 2
    assert "--model: expected a trained model, got none" in capsys.readouterr().err
    assert geoml("predict toy somewhere --model any.keras -o out.csv") == 2
    assert "toy: task: expected one that predicts on own files" in capsys.readouterr().err


def test_unknown_tasks_and_commands_show_what_there_is(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        cli.main(["train", "polarty"])
    assert "polarity" in capsys.readouterr().err
