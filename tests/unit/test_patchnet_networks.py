"""Networks of the patchnet task: sizes, the convolutional form, minima, files."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import models, registry
from geoml.errors import InputError
from geoml.macs import macs
from geoml.tasks.patchnet import space, topology

SHAPE = (112, 112, 1)
FAMILY: dict[str, dict[str, Any]] = {"v1_search": {}, "v1_tf2": {"early": True}, "v1_valid": {"padding": "valid"}}
TRAINABLE_AND_ALL = {
    "v1_search": (725_697, 725_697),
    "v1_tf2": (725_697, 725_697),
    "v1_valid": (633_999, 633_999),
    "resnet50": (23_532_418, 23_585_538),
    "vgg16": (50_381_506, 50_381_506),
    "mobilenet_v2": (2_225_858, 2_259_970),
}
MILLION_MACS = {"v1_search": 239, "v1_tf2": 85, "v1_valid": 157, "resnet50": 1000, "vgg16": 3858, "mobilenet_v2": 79}
NARROW = space.DEFAULT | {"n0": [2, 9], "n2": [2, 9], "w": [10, 30], "r": [2, 9]}
UNPADDED = NARROW | {"k": [2, 3], "p": [2, 3]}


def part(name: str) -> Any:
    return import_module(f"geoml.tasks.patchnet.models.{name}")


def candidate(number: int = 0, padding: str = "same") -> Any:
    document = space.draw(UNPADDED if padding == "valid" else NARROW, 1, number)
    return part("searched").build(SHAPE, 2, candidate=document, padding=padding)


def patches(n: int, height: int = 112, width: int = 112) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (n, height, width, 1)).astype(np.float32)


def randomised(network: Any) -> Any:
    """Biases too, and a last layer that has something to say."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.path.endswith("bias"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    kernel = network.get_layer("logits").kernel
    kernel.assign(rng.normal(0, 10 / kernel.shape[0] ** 0.5, kernel.shape))
    return network


@pytest.fixture(scope="module")
def build(keras_on_cpu: Any) -> Callable[[str], Any]:
    """A network with its default arguments, built once."""
    made: dict[str, Any] = {}

    def one(name: str) -> Any:
        if name not in made:
            keras_on_cpu.utils.set_random_seed(0)
            made[name] = part(name).build(SHAPE, 2)
        return made[name]

    return one


def test_no_network_is_left_out():
    networks = {name for name in registry.names("patchnet", "models") if registry.maker("patchnet", name) == "build"}
    assert networks == {*TRAINABLE_AND_ALL, "searched"}


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_parameters_and_operations(build: Callable[[str], Any], name: str):
    network = build(name)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
    assert (trainable, network.count_params()) == TRAINABLE_AND_ALL[name]
    assert round(macs(network) / 1e6) == MILLION_MACS[name]
    assert (network.inputs[0].name, network.output_names, network.output_shape) == ("patch", ["bsr"], (None, 2))


@pytest.mark.parametrize("name", FAMILY)
def test_layers_of_the_published_networks_are_those_that_are_counted(build: Callable[[str], Any], name: str):
    network = build(name)
    document = topology.V1_VALID if name == "v1_valid" else topology.V1
    for row in topology.layers(document, **FAMILY[name]):
        layer = network.get_layer(row.name)
        assert layer.output.shape[1:] == row.shape_out and layer.count_params() == row.parameters
    assert macs(network) == topology.macs(document, **FAMILY[name])


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_candidates_have_what_was_counted(keras_on_cpu: Any, padding: str):
    for number in range(10):
        document = space.draw(UNPADDED if padding == "valid" else NARROW, 1, number)
        network = candidate(number, padding)
        assert network.count_params() == topology.parameters(document)
        assert macs(network) == topology.macs(document, padding=padding)


def test_activations_and_dropouts_of_the_presets(build: Callable[[str], Any]):
    def found(name: str) -> list[str]:
        layers = [build(name).get_layer(layer) for layer in ("conv0", "conv2", "b3_c1_1x1", "b5_m")]
        return [layer.activation.__name__ for layer in layers]

    assert found("v1_search") == found("v1_valid") == ["relu"] * 4
    assert found("v1_tf2") == ["elu", "elu", "linear", "linear"]
    rates = {name: [layer.rate for layer in build(name).layers if hasattr(layer, "rate")] for name in FAMILY}
    assert rates == {"v1_search": [0.5], "v1_tf2": [0.3], "v1_valid": [0.5]}


def test_dropout_is_in_training_only(keras_on_cpu: Any):
    network = randomised(candidate())
    x = patches(2)
    once, again = (np.asarray(network(x, training=False)) for _ in range(2))
    assert np.array_equal(once, again)
    assert not np.array_equal(*(np.asarray(network(x, training=True)) for _ in range(2)))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_smallest_is_minus_the_largest_of_minus(keras_on_cpu: Any, size: int, padding: str):
    from geoml.tasks.patchnet.models._blocks import MinPooling2D

    x = np.random.default_rng(0).normal(5, 1, (2, 9, 8, 3)).astype(np.float32)  # zeros would be the smallest
    found = np.asarray(MinPooling2D(size, 1, padding)(x))
    assert np.array_equal(found, -np.asarray(keras_on_cpu.layers.MaxPooling2D(size, 1, padding)(-x)))
    before = (size - 1) // 2 if padding == "same" else 0
    around = np.pad(x, ((0, 0), (before, size), (before, size), (0, 0)), constant_values=np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(around, (size, size), axis=(1, 2))
    assert np.array_equal(found, windows.min(axis=(-1, -2))[:, : found.shape[1], : found.shape[2]])


def test_polarity_decides_which_pool_sees_an_event(keras_on_cpu: Any):
    from geoml.tasks.patchnet.models._blocks import MinPooling2D

    x = patches(1, 12, 12)
    largest, smallest = keras_on_cpu.layers.MaxPooling2D(3, 1, "same"), MinPooling2D(3, 1, "same")
    assert np.array_equal(np.asarray(largest(-x)), -np.asarray(smallest(x)))


# The convolutional form


def windows(network: Any, x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """What the network says of windows cut from x, (n, rows, columns, classes)."""
    cut = [x[:, 16 * i : 16 * i + SHAPE[0], 16 * j : 16 * j + SHAPE[1]] for i in range(rows) for j in range(columns)]
    answers = np.asarray(network(np.concatenate(cut)))
    return np.moveaxis(answers.reshape(rows, columns, len(x), -1), 2, 0)


@pytest.mark.parametrize("more", [(0, 0), (37, 31)])
def test_without_padding_a_section_gets_what_its_windows_get(build: Callable[[str], Any], more: tuple[int, int]):
    from geoml.tasks.patchnet.models._blocks import fully_convolutional

    for network in (build("v1_valid"), *(candidate(number, "valid") for number in range(2))):
        x = patches(2, 112 + more[0], 112 + more[1]) * np.linspace(0, 1, 112 + more[1], dtype=np.float32)[:, None]
        rows, columns = more[0] // 16 + 1, more[1] // 16 + 1
        found = np.asarray(fully_convolutional(randomised(network))(x))[:, :rows, :columns]
        expected = windows(network, x, rows, columns)
        assert found.dtype == np.float32 and found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-5
        assert more == (0, 0) or np.ptp(expected[..., 1]) > 1e-3


@pytest.mark.parametrize("name", ["v1_search", "v1_tf2"])
def test_with_padding_a_patch_alone_gets_the_same_and_a_window_does_not(build: Callable[[str], Any], name: str):
    from geoml.tasks.patchnet.models._blocks import fully_convolutional

    network = randomised(build(name))
    twin = fully_convolutional(network)
    x = patches(1, 144, 128)
    alone = x[:, :112, :112]
    assert np.allclose(np.asarray(twin(alone))[:, 0, 0], np.asarray(network(alone)), atol=1e-5)
    found, expected = np.asarray(twin(x)), windows(network, x, 3, 2)
    assert found.shape == expected.shape and np.abs(found - expected).max() > 1e-3


def test_the_convolutional_form_shares_weights_and_works_from_a_file(keras_on_cpu: Any, tmp_path: Path):
    from geoml.tasks.patchnet.models._blocks import fully_convolutional

    models.save(tmp_path / "m.keras", randomised(candidate(0, "valid")), {"task": "patchnet", "model": "searched"})
    network = models.load(tmp_path / "m.keras").network
    twin = fully_convolutional(network)
    assert {id(weight) for weight in twin.weights} == {id(weight) for weight in network.weights}
    before = np.asarray(twin(patches(1)))
    network.get_layer("logits").bias.assign([0.0, 1.0])
    assert (np.asarray(twin(patches(1)))[..., 1] > before[..., 1]).all()


@pytest.mark.parametrize("name", ["mobilenet_v2"])
def test_other_networks_have_no_convolutional_form(build: Callable[[str], Any], name: str):
    from geoml.tasks.patchnet.models._blocks import fully_convolutional

    with pytest.raises(InputError, match="mobilenet_v2: network: expected one of the SeismicPatchNet family"):
        fully_convolutional(build(name))


# Building, training, files


def test_candidates_that_cannot_be_built_are_refused(keras_on_cpu: Any):
    with pytest.raises(InputError, match="candidate: n2: expected a value, got nothing"):
        part("searched").build(SHAPE, 2, candidate={"n0": 3})
    with pytest.raises(InputError, match="network: b4: expected kernels of at most 6"):
        part("searched").build(SHAPE, 2, candidate=topology.V1, padding="valid")


def test_v1_is_a_candidate_like_others(build: Callable[[str], Any]):
    network = part("searched").build(SHAPE, 2, candidate=topology.V1)
    network.set_weights(build("v1_search").get_weights())
    assert np.array_equal(np.asarray(network(patches(2))), np.asarray(build("v1_search")(patches(2))))


@pytest.mark.parametrize("name", [*FAMILY, "searched", "mobilenet_v2"])
def test_a_network_survives_its_file(build: Callable[[str], Any], name: str, tmp_path: Path):
    network = randomised(candidate() if name == "searched" else build(name))
    models.save(tmp_path / "model.keras", network, {"task": "patchnet", "model": name})
    loaded = models.load(tmp_path / "model.keras").network
    expected = np.asarray(network(patches(2)))
    assert expected.dtype == np.float32 and np.allclose(expected.sum(axis=1), 1)
    assert np.array_equal(np.asarray(loaded(patches(2))), expected)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_training_step_changes_every_layer(keras_on_cpu: Any, padding: str):
    keras_on_cpu.utils.set_random_seed(1)
    even = {"w": 40, "u": [8] * 5, "r1": 8, "r2": 8, "a1": 4, "a2": 4}  # no layer so narrow that ReLU can silence it
    document = topology.V1_VALID | {"n0": 8, "n2": 8, "blocks": [block | even for block in topology.V1_VALID["blocks"]]}
    network = part("searched").build(SHAPE, 2, candidate=document, padding=padding)
    before = network.get_weights()
    network.compile(keras_on_cpu.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", run_eagerly=True)
    loss = network.train_on_batch(patches(4), np.array([0, 1, 0, 1]))
    assert np.isfinite(loss)
    same = [w.path for w, old in zip(network.weights, before, strict=True) if (np.asarray(w) == old).all()]
    assert not same


def test_one_seed_gives_one_start(keras_on_cpu: Any):
    starts = []
    for _ in range(2):
        keras_on_cpu.utils.set_random_seed(3)
        starts.append(candidate().get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*starts, strict=True))


def test_answers_are_float32_under_mixed_precision(keras_on_cpu: Any):
    from geoml.tasks.patchnet.models._blocks import fully_convolutional

    keras_on_cpu.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = candidate(0, "valid")
    finally:
        keras_on_cpu.mixed_precision.set_global_policy("float32")
    assert network.get_layer("b3_p1_min_pool").compute_dtype == "bfloat16"
    for one in (network, fully_convolutional(network)):
        found = np.asarray(one(patches(1)))
        assert found.dtype == np.float32 and np.isfinite(found).all()
