"""ONNX in int8: near its float32 twin, smaller, the same bytes twice, and refusals."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import exported
import numpy as np
import onnx
import pytest

from geoml import runtimes
from geoml.errors import InputError
from geoml.export.quantize import _first, network_inputs, quantize
from geoml.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> exported.Made:
    return exported.make(tmp_path_factory.mktemp("made"), keras_on_cpu)


def test_int8_answers_nearly_as_float32_and_says_the_same_of_itself(made: exported.Made, tmp_path: Path):
    result = quantize(made.onnx, made.data, tmp_path / "model.int8.onnx", 24)
    assert result["status"] == "made" and result["calibration_samples"] == 24
    whole, small = runtimes.load(made.onnx), runtimes.load(tmp_path / "model.int8.onnx")
    assert small.meta == whole.meta
    x = network_inputs(whole, Store(made.data), "test", 24)
    (name, floats), (same, integers) = *whole.infer(x).items(), *small.infer(x).items()
    assert name == same
    assert 0 < np.abs(floats - integers).max() < 0.1


def test_convolutions_and_matrices_compute_with_integers(made: exported.Made, tmp_path: Path):
    quantize(made.onnx, made.data, tmp_path / "model.int8.onnx", 24)
    graph = onnx.load(tmp_path / "model.int8.onnx").graph
    from_integers = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    heavy = [node for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    assert heavy and all(set(node.input[:2]) <= from_integers for node in heavy)


@pytest.mark.parametrize("traces, left", [(False, ["scaled"]), (True, ["scaled", "first", "beside"])])
def test_what_sees_the_input_itself_stays_float32(traces: bool, left: list[str]):
    node = onnx.helper.make_node
    nodes = [
        node("Mul", ["x", "k"], ["a"], "scaled"),
        node("Conv", ["a", "w"], ["b"], "first"),
        node("Conv", ["a", "w"], ["c"], "beside"),
        node("Add", ["b", "c"], ["d"], "sum"),
        node("Conv", ["d", "w"], ["y"], "second"),
    ]
    assert _first(onnx.helper.make_graph(nodes, "test", [], []), traces=traces) == left


def test_another_process_makes_the_same_bytes(made: exported.Made, tmp_path: Path):
    result = quantize(made.onnx, made.data, tmp_path / "model.int8.onnx", 24)
    again = tmp_path / "again.onnx"
    code = (
        "import sys; from pathlib import Path; from geoml.export.quantize import quantize; "
        "model, data, out = map(Path, sys.argv[1:]); quantize(model, data, out, 24)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, made.onnx, made.data, again], env=environment, check=True)
    assert again.read_bytes() == (tmp_path / "model.int8.onnx").read_bytes()
    assert result["bytes"] == again.stat().st_size


def test_samples_are_spread_over_the_whole_training_set(made: exported.Made):
    model, store = runtimes.load(made.onnx), Store(made.data)
    rows = store.rows("train")
    asked = network_inputs(model, store, "train", 3)
    assert np.array_equal(asked, store.inputs[rows[[0, round((len(rows) - 1) / 2), -1]]].astype(np.float32))
    assert len(network_inputs(model, store, "train", 10_000)) == len(rows)


def test_a_stale_file_goes_where_none_can_be_made(made: exported.Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "model.int8.onnx"
    out.write_bytes(b"old")

    def fail(*_: Any) -> None:
        raise RuntimeError("no such operation\nand more")

    monkeypatch.setattr("geoml.export.quantize._convert", fail)
    result = quantize(made.onnx, made.data, out, 8)
    assert result["status"] == "not made: RuntimeError: no such operation" and result["sha256"] is None
    assert list(tmp_path.iterdir()) == []


def test_data_without_training_samples_are_refused(made: exported.Made, tmp_path: Path):
    path = exported.write_pictures(tmp_path / "results/data/folds/generated", splits=(1, 2))
    with pytest.raises(InputError, match="split"):
        quantize(made.onnx, path, tmp_path / "a.onnx", 8)
    store = Store(path)
    with pytest.raises(InputError, match="train: expected at least one sample, got 0"):
        network_inputs(runtimes.load(made.onnx), store, "train", 8)


def test_data_that_are_missing_or_of_another_task_are_refused(made: exported.Made, tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        quantize(made.onnx, tmp_path / "nowhere", tmp_path / "a.onnx", 8)
    path = exported.write_pictures(tmp_path / "results/data/slip/generated", task="slip")
    with pytest.raises(InputError, match="expected a prepared set of folds, got slip"):
        quantize(made.onnx, path, tmp_path / "a.onnx", 8)


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_a_file_that_is_damaged_or_not_ours_is_refused(made: exported.Made, tmp_path: Path, damage: str):
    path = tmp_path / "model.onnx"
    if damage == "truncated":
        path.write_bytes(made.onnx.read_bytes()[:-1000])
    else:
        proto = onnx.load(made.onnx)
        del proto.metadata_props[:]
        onnx.save(proto, path)
    with pytest.raises(InputError, match=r"model\.onnx"):
        quantize(path, made.data, tmp_path / "model.int8.onnx", 8)
    assert not (tmp_path / "model.int8.onnx").exists()
