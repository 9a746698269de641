"""The configurations for a user's own data, on files of the kind that they ask for."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from geoml import registry
from geoml.cli import main

ROWS = {"polarity": 40, "folds": 24, "slip": 320, "tremor": 72, "patchnet": 60}
READERS = {"polarity": "pnw"}  # SeisBench's format, but for the names of the files
QUICK = {"folds": {"outcrop": 0, "size": 32}}


@pytest.mark.parametrize("task", registry.tasks())
def test_with_its_path_set_a_configuration_of_own_data_is_complete(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = ROOT / "config" / "own" / f"{task}.yaml"
    (entry,) = yaml.safe_load(path.read_text())["tasks"][task]["datasets"].values()
    monkeypatch.chdir(tmp_path)
    assert main(["validate", str(path)]) == 2
    assert f"{entry['path']}: path: expected a folder" in capsys.readouterr().err

    generate = registry.load_task(task, "synthetic").generate
    generate(Path("made"), ROWS[task], 0, READERS.get(task, entry["reader"]), **QUICK.get(task, {}))
    shutil.move("made", entry["path"])
    for file in Path(entry["path"]).glob("comcat_*"):
        file.rename(file.with_name(file.name.removeprefix("comcat_")))
    assert main(["validate", str(path)]) == 0
    first, line = capsys.readouterr().out.splitlines()  # one line for all folds
    assert first.startswith(f"{task}: ") and line.startswith(f"  mine: {entry['path']}")
    assert ("folds" in entry) == line.endswith(" folds")
