"""ONNX files of networks: the same function under the same names, the same bytes, and all that prediction needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import exported
import numpy as np
import onnx
import pytest

from geoml import models, runtimes
from geoml.errors import InputError
from geoml.export.canonical import canonical
from geoml.export.network import to_onnx
from geoml.files import checksum

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)
NETWORKS: dict[tuple[str, str], tuple[dict[str, Any], tuple[int, ...], tuple[str, ...]]] = {
    ("polarity", "cnn_ross"): ({}, (400, 1), ("U", "D", "N")),
    ("polarity", "bulid_pp_model"): ({}, (400, 1), ("U", "D", "N")),
    ("polarity", "bulid_pd_model"): ({}, (400, 1), ("U", "D", "N")),
    ("slip", "gaussian"): ({}, (128, 64, 1), ()),
    ("slip", "ensemble"): ({"members": 2}, (128, 64, 1), ()),
}


def save(path: Path, task: str, model: str, args: dict[str, Any], shape: tuple[int, ...], classes: Any) -> models.Model:
    """An untrained network as a model file."""
    network = models.build(task, model, args, shape)
    for variable in network.weights:  # not as initialised, where much is zero or one
        if variable.dtype == "float32":
            values = RNG.normal(0, 0.02, variable.shape)
            variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else variable.numpy() + values)
    run = {"task": task, "dataset": "made", "variant": model, "seed": 0}
    meta = {
        "task": task,
        "run": run,
        "model": model,
        "args": args,
        "classes": list(classes),
        "prepare": {"norm": "peak"},
    }
    meta |= {"data_source": "synthetic", "data_fingerprint": "f", "split_hash": "s", "citation": "Somebody 2020"}
    meta |= {"temperature": 1.5, "input_shape": list(shape)}
    models.save(path, network, meta)
    return models.Model(network, meta)


@pytest.fixture(scope="module")
def made(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> exported.Made:
    return exported.make(tmp_path_factory.mktemp("made"), keras_on_cpu)


@pytest.mark.parametrize(("task", "name"), NETWORKS, ids=[name for _, name in NETWORKS])
def test_the_file_answers_as_the_network_under_its_names(keras_on_cpu: Any, tmp_path: Path, task: str, name: str):
    args, shape, classes = NETWORKS[task, name]
    keras_on_cpu.utils.set_random_seed(1)
    model = save(tmp_path / "model.keras", task, name, args, shape, classes)
    out = tmp_path / "with space/model.onnx"
    to_onnx(tmp_path / "model.keras", out)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    found = runtimes.load(out)
    x = RNG.normal(0, 1, (3, *shape)).astype(np.float32)
    if task == "slip":
        x = (x > 1).astype(np.float32)
    expected, answers = model.infer(x), found.infer(x)
    assert list(answers) == model.network.output_names
    assert found.input_shape == (None, *shape)
    for output, values in expected.items():
        np.testing.assert_allclose(answers[output], values, atol=2e-5, rtol=1e-4)
        assert np.ptp(values, axis=0).max() > 1e-5, "the samples have different answers"


def test_networks_with_two_outputs_keep_both_in_their_order(keras_on_cpu: Any, tmp_path: Path):
    args, shape, classes = NETWORKS["polarity", "bulid_pp_model"]
    model = save(tmp_path / "model.keras", "polarity", "bulid_pp_model", args, shape, classes)
    to_onnx(tmp_path / "model.keras", tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [value.name for value in graph.output] == model.network.output_names and len(graph.output) == 2


def test_another_process_makes_the_same_bytes(made: exported.Made, tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from geoml.export.network import to_onnx; "
        "to_onnx(*map(Path, sys.argv[1:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, made.model, tmp_path / "a.onnx"], env=environment, check=True)
    assert (tmp_path / "a.onnx").read_bytes() == made.onnx.read_bytes()


def test_what_prediction_needs_travels_inside(made: exported.Made):
    props = {entry.key: entry.value for entry in onnx.load(made.onnx).metadata_props}
    assert json.loads(props["labels"]) == models.read_meta(made.model)["classes"]
    assert (props["task"], props["run"]) == ("folds", "folds/generated/small/0")
    assert json.loads(props["inputs"]) == {"image": ["batch", "image_size1", "image_size2", 3]}
    (shape,) = json.loads(props["outputs"]).values()
    assert shape == ["batch", 3]
    assert "BSD-3-Clause" in props["licence"] and json.loads(props["thresholds"]) == {"temperature": 1.5}
    assert {"preprocessing", "data_fingerprint", "data_source", "citation"} <= set(props)
    meta = runtimes.read_meta(made.onnx)
    assert meta["model_sha256"] == checksum(made.model)
    assert models.read_meta(made.model).items() <= meta.items()


def test_temperatures_and_thresholds_travel_inside(keras_on_cpu: Any, tmp_path: Path):
    save(tmp_path / "model.keras", "slip", "gaussian", {}, (128, 64, 1), ())
    to_onnx(tmp_path / "model.keras", tmp_path / "model.onnx")
    props = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(props["thresholds"]) == {"temperature": 1.5} and props["citation"] == "Somebody 2020"


def test_patchnet_is_written_as_what_predicts_a_line_fastest(keras_on_cpu: Any, tmp_path: Path):
    model = save(tmp_path / "model.keras", "patchnet", "v1_valid", {}, (112, 112, 1), ("none", "bsr"))
    to_onnx(tmp_path / "model.keras", tmp_path / "model.onnx")
    found = runtimes.load(tmp_path / "model.onnx")
    assert found.input_shape == (None, None, None, 1)
    x = RNG.uniform(-1, 1, (2, 112, 112, 1)).astype(np.float32)
    (answers,), (expected,) = found.infer(x).values(), model.infer(x).values()
    assert answers.shape == (2, 1, 1, 2)
    np.testing.assert_allclose(answers[:, 0, 0], expected, atol=1e-5)
    assert next(iter(found.infer(np.zeros((1, 144, 128, 1), np.float32)).values())).shape == (1, 3, 2, 2)


@pytest.mark.parametrize("name", ["model.skops", "model"])
def test_an_estimator_has_no_exported_form(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=r"model: expected a trained network \(\.keras\)"):
        to_onnx(tmp_path / name, tmp_path / "model.onnx")


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_what_is_no_model_of_ours_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.keras"):
        to_onnx(tmp_path / "model.keras", tmp_path / "out/model.onnx")
    assert not (tmp_path / "out").exists()


def chain(order: list[int], names: str) -> onnx.ModelProto:
    """y = (x * k + one) * k in any order of nodes, with names of any kind."""
    first, second, *constants = names
    node = onnx.helper.make_node
    nodes = [
        node("Mul", ["x", constants[0]], [first], "n" + first),
        node("Add", [first, constants[1]], [second], "n" + second),
        node("Mul", [second, constants[2]], ["y" + first], "ny"),
        node("Neg", [first], ["unused"], "left"),
    ]
    value = onnx.helper.make_tensor_value_info
    values = np.array([[2, 3], [1, 1], [2, 3]], np.float32)
    tensors = [onnx.numpy_helper.from_array(v, name) for v, name in zip(values, constants, strict=True)]
    graph = onnx.helper.make_graph(
        [nodes[i] for i in order], "g", [value("x", 1, [2])], [value("y" + first, 1, [2])], tensors
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])


def test_one_function_has_one_form_whatever_the_converter_called_it():
    forms = []
    for order, names in (([0, 1, 2, 3], "abklm"), ([0, 3, 1, 2], "pqrst")):
        model = chain(order, names)
        canonical(model, {"y" + names[0]: "answer"})
        onnx.checker.check_model(model)
        forms.append(model.SerializeToString(deterministic=True))
    assert forms[0] == forms[1]
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add", "Mul"], "what nothing needs is gone"
    assert len(model.graph.initializer) == 2, "equal constants are one"
    from onnx.reference import ReferenceEvaluator

    (y,) = ReferenceEvaluator(model).run(["answer"], {"x": np.array([1, 2], np.float32)})
    assert y.tolist() == [6, 21]
