"""What the tests share: a toy task, small prepared sets of it, and Snakemake on a copy of the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[1]
TOY = ROOT / "tests" / "toy"
TREE = (
    "Snakefile",
    "rules",
    "workflow_scripts",
    "geoml",
    "config",
    "profiles",
    "environment.yml",
    "requirements",
    "LICENSE",
)


@dataclass
class Project:
    """A folder with the workflow in it, as after a clone, and a configuration to run."""

    folder: Path
    config: dict[str, Any]

    def snakemake(self, *arguments: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run Snakemake in the folder; its output, both streams in one."""
        (self.folder / "test_config.yaml").write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--configfile", "test_config.yaml", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, done.stdout[-6000:]
        return done

    def planned(self, *arguments: object) -> list[str]:
        """Messages of the jobs that a dry-run would do, sorted; without the results page, which follows them all."""
        jobs = re.findall(r"^Job \d+: (.+)$", self.snakemake("-n", *arguments).stdout, re.MULTILINE)
        return sorted(job for job in jobs if job != "Results page")

    def copy(self, folder: Path) -> "Project":
        """The same somewhere else, with all times of the files."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, yaml.safe_load(yaml.safe_dump(self.config)))


def copy_tree(folder: Path) -> None:
    """What a workflow needs of the repository, without results."""
    folder.mkdir()
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)


@pytest.fixture(scope="session")
def toy_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The toy task in a copy of the tree, run from nothing to its table; tests copy it before they change anything."""
    folder = tmp_path_factory.mktemp("toy") / "project"
    copy_tree(folder)
    for source in toy_files():
        target = folder / source.relative_to(TOY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    project = Project(folder, yaml.safe_load((TOY / "config.yaml").read_text()))
    project.snakemake("--quiet")
    return project


def toy_files() -> list[Path]:
    """Every file of the toy task."""
    return sorted(path for path in (TOY / "geoml").rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """The toy task, findable in this process."""
    import geoml.tasks
    from geoml import config, registry

    folder = TOY / "geoml" / "tasks"
    monkeypatch.setattr(registry, "_TASKS", folder)
    monkeypatch.setattr(config, "task_schema", lambda task: json.loads((folder / task / "schema.json").read_text()))
    monkeypatch.setattr(geoml.tasks, "__path__", [*geoml.tasks.__path__, str(folder)])
    return "toy"


@pytest.fixture
def toy_store(toy: str, tmp_path: Path) -> Path:
    """Folder of a prepared toy set of 200 samples."""
    return write_toy(tmp_path / "results/data/toy/dots")


def write_toy(
    folder: Path, rows: int = 200, seed: int = 0, more: dict[str, np.ndarray] | None = None, **meta: Any
) -> Path:
    """Prepare toy samples without the workflow; ``more`` are further columns."""
    from geoml.store import Block, StoreWriter

    rng = np.random.default_rng(seed)
    label = (np.arange(rows) % 2).astype(np.int8)
    inputs = rng.normal(2.0 * label[:, None] - 1, 1, (rows, 8)).astype(np.float32)
    names = np.char.add("dot", np.arange(rows).astype("U"))
    columns = {"id": names, "group": (np.arange(rows) // 2).astype("U"), "label": label}
    with StoreWriter(folder) as writer:
        writer.append(Block(inputs, columns))
        table = writer.columns()
        table["split"] = np.array([0, 0, 1, 2], np.int8)[np.arange(rows) // 2 % 4]
        content = {"task": "toy", "dataset": folder.name, "data_source": "synthetic", "citation": ""}
        content |= {"prepare": {}, "split": {}}
        writer.finish(table | (more or {}), content | meta)
    return folder


def fit_settings(**changes: Any) -> dict[str, Any]:
    """The configuration's ``fit`` with all defaults, and these changes."""
    schema = json.loads((ROOT / "config/schemas/config.schema.json").read_text())
    return {key: part["default"] for key, part in schema["$defs"]["fit"]["properties"].items()} | changes


def write_published_weights(path: Path, backbone: Any, wider: str = "") -> dict[str, np.ndarray]:
    """A file in the layout of Keras' published weights; values drawn, one layer's last axis longer by one."""
    import h5py

    rng = np.random.default_rng(1)
    values = {}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in backbone.layers]
        file.attrs["keras_version"], file.attrs["backend"] = b"2.1.5", b"tensorflow"
        for layer in backbone.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                shape = (*weight.shape[:-1], weight.shape[-1] + (layer.name == wider))
                values[name] = rng.uniform(0.5, 1, shape).astype(np.float32)
                group[name] = values[name]
    return values


@pytest.fixture(scope="session")
def keras_on_cpu() -> Any:
    """Keras, started once for the whole session as the workflow starts it."""
    from geoml.backend import use_device

    use_device("cpu", 1)
    import keras

    return keras


def scalars_in(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Values by tag, as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, round(value.simple_value, 4)))
    return found
