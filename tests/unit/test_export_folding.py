"""Graphs without what a converter leaves between convolutions along traces: the same answers, fused by the runtime."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoml.export.canonical import canonical
from geoml.export.folding import move_squeezes


def answers(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {model.graph.input[0].name: x})


def tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    move_squeezes(copy)
    canonical(copy, {value.name: value.name for value in copy.graph.output})
    return copy


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.fixture(scope="module")
def encoder(keras_on_cpu: Any) -> onnx.ModelProto:
    """Convolutions with a normalisation, a pooling and an activation, as the converter writes them."""
    import tf2onnx

    layers = keras_on_cpu.layers
    keras_on_cpu.utils.set_random_seed(0)
    x = given = keras_on_cpu.Input((64, 1))
    for size in (3, 5, 7):
        x = layers.Conv1D(4, size, padding="same", use_bias=size == 5)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(layers.MaxPooling1D(2)(x))
    network = keras_on_cpu.Model(given, layers.GlobalMaxPooling1D()(x))
    rng = np.random.default_rng(0)
    network.set_weights([rng.uniform(0.5, 1.5, w.shape) * (w + 0.1) for w in network.get_weights()])
    return tf2onnx.convert.from_keras(network, opset=18)[0]


def test_a_converted_network_answers_the_same_with_less_in_it(encoder: onnx.ModelProto) -> None:
    made = tidied(encoder)
    x = np.random.default_rng(1).normal(size=(3, 64, 1)).astype(np.float32)
    np.testing.assert_allclose(answers(made, x)[0], answers(encoder, x)[0], rtol=1e-5, atol=1e-5)
    assert kinds(encoder)["Squeeze"] > 2 and kinds(made)["Squeeze"] == 1
    assert kinds(made)["Conv"] == kinds(encoder)["Conv"] == 3


def test_the_runtime_takes_the_normalisation_into_the_convolutions(encoder: onnx.ModelProto, tmp_path: Any) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    left = []
    for number, model in enumerate((encoder, tidied(encoder))):
        options.optimized_model_filepath = str(tmp_path / f"{number}.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = kinds(onnx.load(options.optimized_model_filepath))
        left.append(found["Mul"] + found["Add"])
    assert left[0] >= 3 and left[1] == 0


def test_a_second_time_changes_nothing(encoder: onnx.ModelProto) -> None:
    once = tidied(encoder)
    assert tidied(once).SerializeToString(deterministic=True) == once.SerializeToString(deterministic=True)


def small(*nodes: onnx.NodeProto, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.normal(size=(2, 2, 1, 3)),
        "k": rng.normal(size=(1, 2, 1)),
        "vector": rng.normal(size=6),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    tensors += [numpy_helper.from_array(np.array([axis]), f"axis{axis}") for axis in (0, 2)]
    conv = helper.make_node("Conv", ["x", "w"], ["wide"], kernel_shape=[1, 3])
    graph = helper.make_graph(
        [conv, *nodes],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 1, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


NODE = helper.make_node
SQUEEZE = NODE("Squeeze", ["wide", "axis2"], ["narrow"])


@pytest.mark.parametrize(
    ("model", "squeezes"),
    [
        pytest.param(small(SQUEEZE, NODE("Relu", ["narrow"], ["y"]), outputs=("y", "narrow")), 1, id="asked for"),
        pytest.param(
            small(SQUEEZE, NODE("Relu", ["narrow"], ["a"]), NODE("Add", ["a", "narrow"], ["y"])), 1, id="used twice"
        ),
        pytest.param(small(SQUEEZE, NODE("Mul", ["narrow", "narrow"], ["y"])), 1, id="by itself"),
        pytest.param(small(SQUEEZE, NODE("Add", ["vector", "narrow"], ["y"])), 1, id="a constant along the trace"),
        pytest.param(
            small(
                SQUEEZE,
                NODE("Unsqueeze", ["narrow", "axis2"], ["again"]),
                NODE("Relu", ["again"], ["a"]),
                NODE("Squeeze", ["a", "axis2"], ["b"]),
                NODE("Add", ["b", "narrow"], ["y"]),
            ),
            2,
            id="one of two goes on",
        ),
        pytest.param(
            small(NODE("Squeeze", ["wide", "axis0"], ["a"]), NODE("Mul", ["a", "k"], ["y"])), 1, id="another axis"
        ),
        pytest.param(small(SQUEEZE, NODE("Mul", ["k", "narrow"], ["y"])), 1, id="constant first"),
        pytest.param(
            small(
                SQUEEZE,
                NODE("Add", ["narrow", "k"], ["a"]),
                NODE("Unsqueeze", ["a", "axis2"], ["b"]),
                NODE("Conv", ["b", "w"], ["y"], kernel_shape=[1, 3]),
            ),
            0,
            id="between convolutions",
        ),
    ],
)
def test_answers_stay_whatever_follows_a_squeeze(model: onnx.ModelProto, squeezes: int) -> None:
    made = tidied(model)
    x = np.random.default_rng(1).normal(size=(1, 2, 1, 8)).astype(np.float32)
    for found, expected in zip(answers(made, x), answers(model, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert kinds(made)["Squeeze"] == squeezes
