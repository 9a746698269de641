"""Parity of exported files with their network, and what is said of files that cannot be compared."""

from pathlib import Path
from typing import Any

import exported
import numpy as np
import onnx
import pytest

from geoml import models
from geoml.errors import InputError
from geoml.export import check, child, measure
from geoml.export.quantize import quantize
from geoml.files import read_json
from geoml.predictions import Predictions
from geoml.runtimes import KEY


@pytest.fixture(scope="module")
def made(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> exported.Made:
    return exported.make(tmp_path_factory.mktemp("made"), keras_on_cpu)


@pytest.fixture(scope="module")
def rows(made: exported.Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Of the network, of two good files and of three that are not."""
    folder = tmp_path_factory.mktemp("rows")
    quantize(made.onnx, made.data, folder / "int8.onnx", 24)
    (folder / "short.onnx").write_bytes(made.onnx.read_bytes()[:-1000])
    graph = onnx.load(made.onnx)
    props = {entry.key: entry.value for entry in graph.metadata_props}
    onnx.helper.set_model_props(graph, props | {KEY: props[KEY].replace('"small"', '"large"')})
    onnx.save(graph, folder / "other.onnx")
    files = {"onnx": made.onnx} | {name: folder / f"{name}.onnx" for name in ("int8", "short", "other", "none")}
    found = check.parity(made.model, files, made.data, folder, score="accuracy")
    assert np.load(folder / "inputs.npy").shape == (24, 16, 16, 3)
    return {row["format"]: row for row in found}


def test_the_network_comes_first_and_differs_from_itself_by_nothing(rows: dict[str, dict[str, Any]]):
    assert list(rows) == ["keras", "onnx", "int8", "short", "other", "none"]
    row = rows["keras"]
    assert row["status"] == "checked" and row["n_test"] == 24
    assert (row["max_abs_diff"], row["agreement"]) == (0, 1)
    assert [row[f"accuracy_change{end}"] for end in ("", "_ci_low", "_ci_high")] == [0, 0, 0]


def test_float32_differs_by_rounding_and_int8_by_more(rows: dict[str, dict[str, Any]]):
    assert rows["onnx"]["max_abs_diff"] < 1e-5 < rows["int8"]["max_abs_diff"] < 0.1
    assert rows["onnx"]["agreement"] == 1
    assert rows["int8"]["bytes"] == Path(rows["int8"]["file"]).stat().st_size < rows["keras"]["bytes"]


@pytest.mark.parametrize(
    "format, reason",
    [("short", "content: expected an ONNX model"), ("other", "got folds/generated/large/0"), ("none", "no such file")],
)
def test_a_file_that_cannot_answer_is_a_row_with_its_reason(rows: dict[str, dict[str, Any]], format: str, reason: str):
    assert rows[format]["status"].startswith("not checked: InputError: ")
    assert reason in rows[format]["status"]
    assert "agreement" not in rows[format]


def test_a_change_of_the_score_is_paired_over_the_groups():
    truth, group = np.array([0, 0, 1, 1], np.int8), np.array([0, 0, 1, 1])
    right = Predictions(group, truth, np.eye(2, dtype=np.float32)[truth], ("a", "b"))
    worse = Predictions(group, truth, np.eye(2, dtype=np.float32)[[0, 1, 1, 1]], ("a", "b"))
    row = check._compared(worse, right, "accuracy", lambda p: p.confusion.trace() / p.confusion.sum())
    assert (row["max_abs_diff"], row["agreement"], row["accuracy"]) == (1, 0.75, 0.75)
    assert (row["accuracy_change"], row["accuracy_change_ci_low"], row["accuracy_change_ci_high"]) == (-0.25, -0.5, 0)


def test_values_have_no_decisions_and_what_is_unknown_to_both_is_no_difference():
    truth, group = np.array([0.5, 1.0]), np.array([0, 1])
    one = Predictions(group, truth, np.array([[0.5, np.nan], [1.0, np.nan]], np.float32))
    two = Predictions(group, truth, np.array([[0.75, np.nan], [1.0, np.nan]], np.float32))
    row = check._compared(two, one, "mae", lambda p: float(np.abs(p.output[:, 0] - p.truth).mean()))
    assert (row["max_abs_diff"], row["agreement"], row["mae_change"]) == (0.25, None, 0.125)


def test_times_and_memory_stand_beside_the_parity(made: exported.Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def run(module: str, *arguments: Any, limit_s: float) -> str:
        path, out = Path(arguments[0]), arguments[2]
        if module == "geoml.export.check":
            np.save(arguments[3], np.full((24, 3), 1 / 3, np.float32))
            return ""
        out.write_text('{"latency_ms_p50": 1.5}')
        return "ended by SIGILL (last line: none)" if path.suffix == ".onnx" else ""

    monkeypatch.setattr(child, "run", run)
    first, second = check.check(made.model, {"onnx": made.onnx}, made.data, score="accuracy")
    assert (first["status"], first["latency_ms_p50"]) == ("checked", 1.5)
    assert second["status"] == "not timed: ended by SIGILL (last line: none)" and second["agreement"] == 1


def test_measuring_loads_no_training_library(made: exported.Made, tmp_path: Path):
    np.save(tmp_path / "inputs.npy", np.zeros((2, 16, 16, 3), np.float32))
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow is loaded')")
    (tmp_path / "keras.py").write_text("raise SystemExit('Keras is loaded')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        assert measure.measure(made.onnx, tmp_path / "inputs.npy", tmp_path / "measured.json") == ""
        assert measure.measure(made.model, tmp_path / "inputs.npy", tmp_path / "none.json") == "Keras is loaded"
    found = read_json(tmp_path / "measured.json")
    assert found["runtime"].startswith("onnxruntime ") and found["threads"] == 1
    assert 0 < found["latency_ms_p50"] <= found["latency_ms_p95"]
    assert found["samples_per_s"] > 0 and found["load_s"] > 0 and found["peak_rss_mb"] > 20


def test_data_that_do_not_belong_to_the_network_are_refused(made: exported.Made, tmp_path: Path):
    other = exported.write_pictures(tmp_path / "results/data/slip/generated", task="slip")
    with pytest.raises(InputError, match="expected a prepared set of folds, got slip"):
        check.parity(made.model, {}, other, tmp_path, score="accuracy")
    resplit = exported.write_pictures(tmp_path / "results/data/folds/generated", splits=(2, 1))
    with pytest.raises(InputError, match="the split the model was trained with"):
        check.parity(made.model, {}, resplit, tmp_path, score="accuracy")


def test_a_set_without_test_samples_is_refused(made: exported.Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    untested = exported.write_pictures(tmp_path / "results/data/folds/generated", splits=(0, 1))
    meta = models.read_meta(made.model) | {"split_hash": read_json(untested / "dataset.json")["split_hash"]}
    monkeypatch.setattr(models, "read_meta", lambda path: meta)
    with pytest.raises(InputError, match="test: expected at least one sample, got none"):
        check.parity(made.model, {}, untested, tmp_path, score="accuracy")


def test_a_network_that_cannot_answer_ends_the_check(made: exported.Made, tmp_path: Path):
    broken = tmp_path / "model.keras"
    import zipfile

    with zipfile.ZipFile(made.model) as whole, zipfile.ZipFile(broken, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, b"" if name == "model.weights.h5" else whole.read(name))
    with pytest.raises(InputError, match="answers: expected those of a network"):
        check.parity(broken, {}, made.data, tmp_path, score="accuracy")
