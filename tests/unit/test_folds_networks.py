"""Networks of the fold task: sizes, inputs, colours, files, ImageNet weights."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_published_weights

from geoml import models, registry

TRAINABLE_AND_ALL = {  # method card, sections 4.1 (at 32 x 32, see the test of the formula) to 4.3
    "resnet9": (6_571_779, 6_576_259),
    "plain9": (26_304_195, 26_304_195),
    "resnet34": (21_286_211, 21_303_235),
    "resnet50": (23_540_739, 23_593_859),
    "resnet101": (42_558_979, 42_664_323),
    "resnet152": (58_225_667, 58_377_091),
}
ANY_SIZE = [name for name in TRAINABLE_AND_ALL if name != "plain9"]
SMALL: dict[str, dict[str, int]] = {"resnet9": {"width": 4}, "plain9": {"width": 4, "dense": 16}, "resnet34": {}}


def part(name: str) -> Any:
    return import_module(f"geoml.tasks.folds.models.{name}")


def pictures(n: int, height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (n, height, width, 3)).astype(np.float32)


def answers(network: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(network(x, training=False))


@pytest.fixture(scope="module")
def build(keras_on_cpu: Any) -> Callable[[str], Any]:
    """A network with its default arguments, built once."""
    made: dict[str, Any] = {}

    def one(name: str) -> Any:
        if name not in made:
            keras_on_cpu.utils.set_random_seed(0)
            made[name] = part(name).build((32, 32, 3), 3)
        return made[name]

    return one


def test_no_network_is_left_out():
    networks = {name for name in registry.names("folds", "models") if registry.maker("folds", name) == "build"}
    assert networks == set(TRAINABLE_AND_ALL)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_parameters_are_those_of_the_method_card(build: Callable[[str], Any], name: str):
    network = build(name)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
    assert (trainable, network.count_params()) == TRAINABLE_AND_ALL[name]
    assert network.name == name and network.output_names == ["fold"] and network.output_shape == (None, 3)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_names_and_kinds_of_learning_are_those_of_the_published_table(name: str):
    module, kind = part(name), "deep" if name.endswith("9") else "transfer"
    assert (module.NAME.lower(), module.LEARNING) == (name, kind)


def test_plain9_of_128_pixels_has_the_published_number_of_parameters(keras_on_cpu: Any):
    def count(size: int, dense: int) -> int:
        return (size // 8) ** 2 * 256 * dense + dense + dense * dense // 2 + dense // 2 + dense // 2 * 3 + 3

    convolutions = 896 + 18_496 + 73_856 + 147_584 + 295_168 + 590_080
    assert part("plain9").build((16, 16, 3), 3, dense=16).count_params() == convolutions + count(16, 16)
    assert convolutions + count(128, 4096) == 277_962_435


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_network_survives_its_file(build: Callable[[str], Any], name: str, tmp_path: Path):
    network = build(name)
    meta = {"task": "folds", "model": name}
    models.save(tmp_path / "model.keras", network, meta)
    loaded = models.load(tmp_path / "model.keras").network
    expected = answers(network, pictures(2))
    assert np.array_equal(answers(loaded, pictures(2)), expected) and np.allclose(expected.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_training_step_changes_every_layer(build: Callable[[str], Any], keras_on_cpu: Any, name: str):
    network = build(name)
    before = [weight.numpy() for weight in network.trainable_variables]
    # Eager, since tracing 152 layers takes a minute.
    network.compile(keras_on_cpu.optimizers.Adam(1e-4), "categorical_crossentropy", run_eagerly=True)
    loss = network.train_on_batch(pictures(2), np.eye(3, dtype=np.float32)[:2])
    assert np.isfinite(loss)
    same = [w.path for w, old in zip(network.trainable_variables, before, strict=True) if (w.numpy() == old).all()]
    assert not [path for path in same if path.endswith("kernel")]


@pytest.mark.parametrize("name", ANY_SIZE)
def test_training_and_validation_pictures_may_differ_in_size(build: Callable[[str], Any], name: str):
    assert all(answers(build(name), pictures(1, *size)).shape == (1, 3) for size in ((42, 34), (32, 32)))


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_the_last_map_leads_to_the_logits(build: Callable[[str], Any], keras_on_cpu: Any, name: str):
    network = build(name)
    maps = network.get_layer("last_conv").output
    assert len(maps.shape) == 4
    rest = keras_on_cpu.Model(maps, network.get_layer("logits").output)
    front = keras_on_cpu.Model(network.input, maps)
    logits = np.asarray(rest(front(pictures(2), training=False), training=False))
    assert np.allclose(np.asarray(keras_on_cpu.ops.softmax(logits)), answers(network, pictures(2)), atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_grey_network_is_blind_to_colour(keras_on_cpu: Any, name: str):
    x = pictures(3)
    grey = np.repeat(x @ np.float32([[0.299], [0.587], [0.114]]), 3, axis=-1)
    blind = part(name).build((32, 32, 3), 3, colour="grey", **SMALL[name])
    seeing = part(name).build((32, 32, 3), 3, **SMALL[name])
    assert np.allclose(answers(blind, x), answers(blind, grey), atol=1e-4)
    assert not np.allclose(answers(seeing, x), answers(seeing, grey), atol=1e-4)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("unit", [1.0, 0.0, 0.5]),
        ("imagenet", [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.5 - 0.406) / 0.225]),
        ("caffe", [127.5 - 103.939, -116.779, 255 - 123.68]),
    ],
)
def test_pixels_are_scaled_as_the_network_was_made_for(keras_on_cpu: Any, scaling: str, expected: list[float]):
    from geoml.tasks.folds.models._blocks import Pixels

    rgb = np.float32([255, 0, 127.5]).reshape(1, 1, 1, 3)
    assert np.allclose(np.ravel(Pixels("coloured", scaling)(rgb)), expected, atol=1e-4)


def test_caffe_scaling_is_that_of_keras(keras_on_cpu: Any):
    from geoml.tasks.folds.models._blocks import Pixels

    theirs = keras_on_cpu.applications.resnet.preprocess_input(pictures(2).copy())
    assert np.allclose(Pixels("coloured", "caffe")(pictures(2)), theirs, atol=1e-4)


def test_one_seed_gives_one_start(keras_on_cpu: Any):
    starts = []
    for _ in range(2):
        keras_on_cpu.utils.set_random_seed(3)
        starts.append(answers(part("resnet9").build((32, 32, 3), 3, width=4), pictures(2)))
    assert np.array_equal(*starts)


def test_a_sure_and_wrong_answer_still_has_its_full_loss(keras_on_cpu: Any):
    network = part("resnet9").build((32, 32, 3), 3, width=4)
    network.get_layer("logits").bias.assign([500.0, 0.0, 0.0])
    network.compile("sgd", "categorical_crossentropy")
    assert network.train_on_batch(pictures(2), np.eye(3, dtype=np.float32)[[1, 1]]) > 100


def test_answers_are_float32_under_mixed_precision(keras_on_cpu: Any):
    keras_on_cpu.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = part("resnet9").build((32, 32, 3), 3, width=4)
    finally:
        keras_on_cpu.mixed_precision.set_global_policy("float32")
    assert network.get_layer("pixels").compute_dtype == "float32"
    assert network.get_layer("last_conv").compute_dtype == "bfloat16"
    found = answers(network, pictures(2))
    assert found.dtype == np.float32 and np.isfinite(found).all()


@pytest.mark.parametrize("name", ANY_SIZE)
def test_averages_of_batch_normalisation_follow_quickly(build: Callable[[str], Any], keras_on_cpu: Any, name: str):
    norm = keras_on_cpu.layers.BatchNormalization
    momenta = [layer.momentum for layer in build(name)._flatten_layers() if isinstance(layer, norm)]
    assert momenta and set(momenta) == {0.9}


def test_imagenet_weights_of_keras_go_into_the_backbone(build: Callable[[str], Any], tmp_path: Path):
    backbone = build("resnet50").get_layer("backbone")
    values = write_published_weights(tmp_path / "notop.h5", backbone)
    backbone.load_weights(tmp_path / "notop.h5")
    for layer in backbone.layers:
        assert all(np.array_equal(w.numpy(), values[f"{layer.name}/{w.name}:0"]) for w in layer.weights)


def test_weights_of_another_shape_are_refused(build: Callable[[str], Any], tmp_path: Path):
    backbone = build("resnet50").get_layer("backbone")
    write_published_weights(tmp_path / "other.h5", backbone, wider="conv5_block3_3_conv")
    with pytest.raises(ValueError, match="Shape mismatch"):
        backbone.load_weights(tmp_path / "other.h5")


def test_weights_of_another_depth_are_refused(build: Callable[[str], Any], tmp_path: Path):
    write_published_weights(tmp_path / "deeper.h5", build("resnet101").get_layer("backbone"))
    with pytest.raises(ValueError, match="Layer count mismatch"):
        build("resnet50").get_layer("backbone").load_weights(tmp_path / "deeper.h5")


def test_a_file_that_is_not_hdf5_is_refused(build: Callable[[str], Any], tmp_path: Path):
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(OSError, match="file signature"):
        build("resnet50").get_layer("backbone").load_weights(tmp_path / "bad.h5")
