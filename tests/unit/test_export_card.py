"""What a card and the table say of an export."""

import json
from pathlib import Path
from typing import Any

import exported
import pytest

from geoml.export.card import Card, card, speeds, table
from geoml.files import checksum, write_json

CHOSEN = {"table": "fold_compare.csv", "by": "val_score", "value": 0.9, "where": {}, "among": 1, "seeds": 1}
RECORDS: dict[str, dict[str, Any]] = {
    "onnx": {"status": "made"},
    "onnx_int8": {"status": "made", "calibration_samples": 48},
    "tflite": {"status": "made"},
    "tflite_fp16": {"status": "made"},
    "tflite_int8": {"status": "not made: ended by SIGSEGV (last line: none)"},
}


@pytest.fixture(scope="module")
def made(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> exported.Made:
    made = exported.make(tmp_path_factory.mktemp("made"), keras_on_cpu)
    write_json(made.model.with_name("training.json"), {"n_train": 48, "val_score": 0.9})
    return made


def row(format: str, file: Path, change: float, status: str = "checked") -> dict[str, Any]:
    numbers = {"accuracy": 0.5 + change, "accuracy_change": change, "agreement": 1.0, "latency_ms_p50": 2.5}
    return {"format": format, "file": str(file), "n_test": 24, "status": status, **numbers}


def written(made: exported.Made, *, chosen: dict[str, Any] | None = None, **changes: float) -> Card:
    changes = {"keras": 0.0, "onnx": 0.0, "onnx_int8": -0.005, "tflite": 0.0, "tflite_fp16": 0.0} | changes
    rows = [row(name, made.model if name == "keras" else made.onnx, change) for name, change in changes.items()]
    choice = {"model": str(made.model), "run": {"seed": 0}, "chosen": chosen or CHOSEN}
    return card(choice, RECORDS, rows, "accuracy", max_loss=0.01, bundle=["onnx_int8", "onnx"])


def test_what_prediction_needs_to_know_is_on_the_card(made: exported.Made):
    found = written(made)
    assert (found["task"], found["n_train"], found["n_test"]) == ("folds", 48, 24) and len(found["classes"]) == 3
    assert found["model_sha256"] == checksum(made.model) and "BSD" in found["licence"]
    assert found["formats"]["onnx_int8"]["calibration_samples"] == 48
    assert found["formats"]["onnx"]["sha256"] == checksum(made.onnx)
    assert {"inputs", "outputs", "prepare", "citation", "data_fingerprint", "split_hash", "thresholds"} <= set(found)


def test_the_order_of_the_configuration_is_that_of_the_bundle(made: exported.Made):
    assert written(made)["bundle"] == ["model.int8.onnx", "model.onnx"]


def test_times_are_not_on_the_card_but_beside_it(made: exported.Made):
    assert "latency" not in json.dumps(written(made))
    assert speeds([row("onnx", made.onnx, 0.0)]) == {"onnx": {"latency_ms_p50": 2.5}}


@pytest.mark.parametrize(("change", "bundled"), [(-0.01, True), (-0.0101, False), (0.2, True)])
def test_a_file_that_loses_too_much_is_marked_and_left_out(made: exported.Made, change: float, bundled: bool):
    found = written(made, onnx_int8=change)
    assert ("model.int8.onnx" in found["bundle"]) == bundled
    status = found["formats"]["onnx_int8"]["status"]
    assert status == ("checked" if bundled else "loses 0.0101 of accuracy, more than 0.01: not to be used")


def test_an_undefined_score_is_no_reason_to_trust_a_file(made: exported.Made):
    found = written(made, onnx_int8=float("nan"))
    assert found["bundle"] == ["model.onnx"]
    assert found["formats"]["onnx_int8"]["status"] == "accuracy is undefined on this test set: not to be used"
    assert found["formats"]["onnx_int8"]["accuracy"] is None
    json.dumps(found, allow_nan=False)


def test_a_file_that_was_not_made_has_its_reason(made: exported.Made):
    assert written(made)["formats"]["tflite_int8"]["status"] == "not made: ended by SIGSEGV (last line: none)"


def test_a_run_on_request_is_never_bundled(made: exported.Made):
    assert written(made, chosen={"by": "request"})["bundle"] == []


def test_the_table_has_a_row_a_format_the_network_first(made: exported.Made):
    best, other = written(made, onnx_int8=-0.2), written(made, chosen={"by": "request"})
    found = table([best, other], [{"onnx": {"latency_ms_p50": 2.5}}, {}])
    assert list(found["format"]) == 2 * ["keras", "onnx", "onnx_int8", "tflite", "tflite_fp16", "tflite_int8"]
    assert list(found["status"]) == [
        "checked", "bundled", "loses 0.2000 of accuracy, more than 0.01: not to be used", "checked", "checked",
        "not made: ended by SIGSEGV (last line: none)",
        *5 * ["checked"], "not made: ended by SIGSEGV (last line: none)",
    ]  # fmt: skip
    assert found["latency_ms_p50"].dropna().tolist() == [2.5]
    assert found["value"][2] == 0.3 and found["change"][2] == -0.2
    assert found["value"].isna().tolist() == 2 * [False, False, False, False, False, True]
