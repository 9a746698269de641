"""The bundle: the same bytes for the same inputs, whole, and a program that needs no geoml."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import exported
import numpy as np
import pytest

from geoml import registry
from geoml.errors import InputError
from geoml.export.bundle import bundle, modules
from geoml.export.card import card
from geoml.export.quantize import quantize
from geoml.files import write_json

HEAVY = {"tensorflow", "keras", "onnx", "pandas", "scipy", "matplotlib", "h5py", "sklearn", "obspy", "tqdm", "PIL"}
START = """
import sys
from importlib.metadata import packages_distributions
for name in packages_distributions().keys() - sys.stdlib_module_names:
    if name not in sys.modules and name not in ("numpy", "onnxruntime", *sys.argv[1].split(",")):
        sys.modules[name] = None
sys.argv[1:] = sys.argv[2:]
import runpy
runpy.run_module("geoml_pi.edge", run_name="__main__")
"""
TASKS = ["folds", "patchnet", "polarity", "slip", "tremor"]


@pytest.fixture(scope="module")
def export(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Card of an exported network, with its ONNX files beside it."""
    folder = tmp_path_factory.mktemp("made")
    made = exported.make(folder, keras_on_cpu)
    write_json(made.model.with_name("training.json"), {"n_train": 48, "val_score": 0.9})
    quantize(made.onnx, made.data, folder / "model.int8.onnx", 24)
    rows = [
        {"format": name, "file": str(file), "n_test": 24, "status": "checked", "accuracy_change": 0.0}
        | {"accuracy": 0.5, "accuracy_ci_low": 0.4, "accuracy_ci_high": 0.6}
        for name, file in (("keras", made.model), ("onnx", made.onnx), ("onnx_int8", folder / "model.int8.onnx"))
    ]
    choice = {"model": str(made.model), "run": {"task": "folds", "seed": 0}, "chosen": {"table": "fold_compare.csv"}}
    records = {name: {"status": "not made: so"} for name in ("tflite", "tflite_fp16", "tflite_int8")}
    found = card(choice, records, rows, "accuracy", max_loss=0.01, bundle=["onnx", "onnx_int8", "tflite"])
    write_json(folder / "card.json", found)
    (folder / "MODEL_CARD.md").write_text("# A card\n")
    return folder / "card.json"


@pytest.fixture(scope="module")
def archive(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("with space") / "geoml-pi-folds.tar.gz"
    bundle(export, out)
    return out


@pytest.fixture(scope="module")
def unpacked(archive: Path) -> Path:
    with tarfile.open(archive) as found:
        assert {Path(name).parts[0] for name in found.getnames()} == {"geoml-pi-folds"}
        found.extractall(archive.parent, filter="data")
    return archive.parent / "geoml-pi-folds"


def changed(export: Path, folder: Path, **changes: Any) -> Path:
    """A copy of an export with a changed card."""
    shutil.copytree(export.parent, folder, dirs_exist_ok=True)
    write_json(folder / "card.json", json.loads(export.read_text()) | changes)
    return folder / "card.json"


def test_another_process_writes_the_same_bytes(export: Path, archive: Path, tmp_path: Path):
    out = tmp_path / "geoml-pi-folds.tar.gz"
    code = (
        "import sys; from pathlib import Path; from geoml.export.bundle import bundle; bundle(*map(Path, sys.argv[1:]))"
    )
    subprocess.run([sys.executable, "-c", code, export, out], check=True)
    assert out.read_bytes() == archive.read_bytes()


def test_every_file_has_its_checksum_and_only_programs_can_be_run(unpacked: Path):
    sums = dict(line.split("  ")[::-1] for line in (unpacked / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(unpacked).as_posix(): path for path in unpacked.rglob("*") if path.is_file()}
    assert set(sums) == set(files) - {"SHA256SUMS"}
    assert all(hashlib.sha256(files[name].read_bytes()).hexdigest() == known for name, known in sums.items())
    programs = {name for name, path in files.items() if path.stat().st_mode & 0o111}
    assert programs == {name for name, path in files.items() if path.read_bytes().startswith(b"#!")}
    assert {"install.sh", "geoml-pi"} <= programs
    assert {"README.md", "LICENSE", "LICENCES.md", "card.json", "requirements.txt", "model.onnx"} <= set(files)
    assert {"MODEL_CARD.md", "model.int8.onnx", "selftest.npz"} <= set(files) and "model.tflite" not in files


def test_requirements_are_pinned_with_checksums_and_each_has_its_licence(unpacked: Path):
    text = (unpacked / "requirements.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    names = {entry.partition("==")[0] for entry in entries}
    assert {"numpy", "onnxruntime", "pillow"} <= names and not names & {"tensorflow", "keras", "ai-edge-litert"}
    assert all(re.match(r"[\w.-]+==\S+ ", entry) and "--hash=sha256:" in entry for entry in entries)
    licences = dict(re.findall(r"^- (\S+) \S+: (.+)$", (unpacked / "LICENCES.md").read_text(), re.MULTILINE))
    assert set(licences) == names and "not said" not in licences.values()


def test_templates_are_filled_in(unpacked: Path):
    for path in unpacked.glob("*"):
        if path.suffix in (".md", ".sh", ".service"):
            assert not re.search(r"\$\{?(task|run|model|models|score|data|method|citation|packages|version)\b",
                                 path.read_text()), path  # fmt: skip
    assert "accuracy 0.500 (95 % interval 0.400 to 0.600, 24 test samples)" in (unpacked / "README.md").read_text()


def test_the_model_card_comes_along_and_the_readme_names_it(export: Path, unpacked: Path):
    assert (unpacked / "MODEL_CARD.md").read_bytes() == export.with_name("MODEL_CARD.md").read_bytes()
    assert "(MODEL_CARD.md)" in (unpacked / "README.md").read_text()


def test_the_program_does_not_know_geoml(unpacked: Path):
    for path in (unpacked / "geoml_pi").rglob("*.py"):
        assert not re.search(r"^\s*(?:from|import) geoml\b", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("task", TASKS)
def test_a_task_brings_what_its_prediction_imports_and_no_more(task: str):
    found = modules(task)
    assert {"geoml", "geoml.edge", "geoml.runtimes", "geoml.predict", f"geoml.tasks.{task}.predict"} <= set(found)
    words = ("train", "synthetic", "store", "evaluate", "search", "layers", "backend", "export", "config", "fit")
    assert not [name for name in found if set(name.split(".")) & set(words)]
    assert not [name for name in found if name.startswith("geoml.tasks.") and name.split(".")[2] != task]


def test_every_task_that_predicts_is_looked_at():
    assert [task for task in registry.tasks() if registry.has_part(task, "predict")] == TASKS


@pytest.mark.parametrize("task", TASKS)
def test_the_modules_of_a_task_import_nothing_but_numpy(task: str, tmp_path: Path):
    code = f"""
import sys, importlib
for name in {sorted(HEAVY | {"onnxruntime", "ai_edge_litert"})}:
    sys.modules[name] = None
for name in {modules(task)}:
    importlib.import_module(name)
known = sys.stdlib_module_names | {{"geoml", "numpy"}}
print(sorted({{name.split(".")[0] for name, module in sys.modules.items() if module}} - known))
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    others = set(json.loads(done.stdout.replace("'", '"')))
    assert not {name for name in others if not name.startswith(("_", "sitecustomize", "google", "cython_runtime"))}


@pytest.mark.parametrize("file", [[], ["--model", "model.int8.onnx"]])
def test_the_unpacked_program_answers_as_where_it_was_made(unpacked: Path, file: list[str]):
    done = subprocess.run(
        [sys.executable, "-c", START, "", "selftest", *file], cwd=unpacked, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "as where it was made" in done.stdout


def test_the_unpacked_program_predicts_on_files(unpacked: Path, tmp_path: Path):
    from PIL import Image

    picture = tmp_path / "a picture.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(15, 20) % 251).save(picture)
    command = [sys.executable, "-c", START, "PIL", "folds", str(picture), "-o", str(tmp_path / "out.csv")]
    done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a picture.png" in (tmp_path / "out.csv").read_text()


def test_a_file_that_is_not_the_checked_one_is_refused(export: Path, tmp_path: Path):
    copy = changed(export, tmp_path / "changed")
    with open(copy.with_name("model.int8.onnx"), "ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match=r"model\.int8\.onnx: sha256: expected .* Check the export again"):
        bundle(copy, tmp_path / "geoml-pi-folds.tar.gz")
    copy.with_name("model.int8.onnx").unlink()
    with pytest.raises(InputError, match=r"model\.int8\.onnx: file: expected .* got no such file"):
        bundle(copy, tmp_path / "geoml-pi-folds.tar.gz")
    assert not list(tmp_path.glob("*.gz"))


def test_where_nothing_may_be_bundled_each_format_says_why(export: Path, tmp_path: Path):
    copy = changed(export, tmp_path / "changed", bundle=[])
    with pytest.raises(
        InputError, match=r"expected a format that may be used, got onnx: checked; .*tflite: not made: so"
    ):
        bundle(copy, tmp_path / "geoml-pi-folds.tar.gz")


def test_only_what_the_card_allows_is_bundled(export: Path, tmp_path: Path):
    bundle(changed(export, tmp_path / "changed", bundle=["model.int8.onnx"]), tmp_path / "geoml-pi-folds.tar.gz")
    with tarfile.open(tmp_path / "geoml-pi-folds.tar.gz") as found:
        assert [name for name in found.getnames() if name.endswith((".onnx", ".tflite"))] == [
            "geoml-pi-folds/model.int8.onnx"
        ]
