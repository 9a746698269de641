"""Published weights as a start: the file that is fetched or given, and what goes into the backbone of a network."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import write_published_weights

from geoml import models, sources
from geoml.errors import InputError
from geoml.train import start_from

CONTENT = np.random.default_rng(0).bytes(50_000)
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def build(keras_on_cpu: Any) -> Callable[..., Any]:
    """A network of a few weights that is built as those of the transfer models are: around ``backbone``."""

    def one(filters: int = 4, backbone: str = "backbone") -> Any:
        keras = keras_on_cpu
        layers = keras.layers
        pixels = keras.Input((None, None, 3))
        x = layers.Conv2D(filters, 3, name="conv1_conv")(pixels)
        x = layers.BatchNormalization(name="conv1_bn")(x)
        inner = keras.Model(pixels, layers.Conv2D(2, 1, name="conv2_conv")(x), name=backbone)
        image = keras.Input((None, None, 3))
        x = layers.GlobalAveragePooling2D()(layers.Activation("linear", name="last_conv")(inner(image)))
        return keras.Model(image, layers.Dense(3, name="logits")(x), name="tiny")

    return one


# Into the network


def test_published_weights_go_into_the_backbone_and_nowhere_else(build: Callable[..., Any], tmp_path: Path):
    path, network = tmp_path / "notop.h5", build()
    values = write_published_weights(path, build(4).get_layer("backbone"))
    before = network.get_layer("logits").get_weights()
    found = start_from(network, path)
    for layer in network.get_layer("backbone").layers:
        for weight in layer.weights:
            assert np.array_equal(weight.numpy(), values[f"{layer.name}/{weight.name}:0"]), weight.path
    assert len(values) == 8, "convolutions, and scale, offset, mean and variance of the normalisation"
    assert all(
        np.array_equal(w.numpy(), old) for w, old in zip(network.get_layer("logits").weights, before, strict=True)
    )
    assert found == {"weights": "notop.h5", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_the_answers_change_with_the_backbone(build: Callable[..., Any], tmp_path: Path):
    network = build()
    write_published_weights(tmp_path / "notop.h5", network.get_layer("backbone"))
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype(np.float32)
    before = np.asarray(network(x))
    start_from(network, tmp_path / "notop.h5")
    assert np.abs(np.asarray(network(x)) - before).max() > 0.1


def refused(network: Any, path: Path, match: str) -> None:
    """It is said which file is wrong."""
    with pytest.raises(InputError, match=match) as error:
        start_from(network, path)
    assert error.value.where == path and path.name in str(error.value)


def test_weights_of_another_shape_are_refused(build: Callable[..., Any], tmp_path: Path):
    write_published_weights(tmp_path / "wider.h5", build(filters=5).get_layer("backbone"))
    refused(build(), tmp_path / "wider.h5", "the weights of the backbone of tiny.*conv1_conv")


def test_weights_of_another_number_of_layers_are_refused(build: Callable[..., Any], keras_on_cpu: Any, tmp_path: Path):
    inner = build().get_layer("backbone")
    write_published_weights(tmp_path / "short.h5", keras_on_cpu.Model(inner.input, inner.get_layer("conv1_bn").output))
    refused(build(), tmp_path / "short.h5", r"the weights of the backbone of tiny.*(2 saved layers|3 layers)")


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_damaged_file_is_refused(build: Callable[..., Any], tmp_path: Path, kept: int):
    network = build()
    write_published_weights(tmp_path / "whole.h5", network.get_layer("backbone"))
    (tmp_path / "cut.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:kept])
    refused(network, tmp_path / "cut.h5", "the weights of the backbone of tiny")


def test_a_file_that_is_something_else_is_refused(build: Callable[..., Any], tmp_path: Path):
    (tmp_path / "page.h5").write_text("<html>404 Not Found</html>")
    refused(build(), tmp_path / "page.h5", "the weights of the backbone of tiny")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["waves"] = np.arange(3)
    refused(build(), tmp_path / "data.h5", "the weights of the backbone of tiny")


def test_a_file_with_a_layer_missing_is_refused(build: Callable[..., Any], tmp_path: Path):
    network = build()
    write_published_weights(tmp_path / "gap.h5", network.get_layer("backbone"))
    with h5py.File(tmp_path / "gap.h5", "a") as file:
        del file["conv2_conv"]
    refused(network, tmp_path / "gap.h5", "the weights of the backbone of tiny")


def test_a_missing_file_is_said_to_be_missing(build: Callable[..., Any], tmp_path: Path):
    refused(build(), tmp_path / "none.h5", r"a file of Keras weights \(\.h5\), got no such file")


def test_a_network_without_a_backbone_is_refused(build: Callable[..., Any], tmp_path: Path):
    write_published_weights(tmp_path / "notop.h5", build().get_layer("backbone"))
    refused(build(backbone="body"), tmp_path / "notop.h5", "a network with a published backbone, got tiny")


def test_a_trained_model_is_a_start_and_says_on_what_it_was_trained(keras_on_cpu: Any, tmp_path: Path):
    from geoml.tasks.folds.models.resnet9 import build

    run = {"task": "folds", "dataset": "modelled", "variant": "resnet9", "seed": 42}
    first, second, wider = (build((16, 16, 3), 3, width=width) for width in (2, 2, 3))
    meta = {"task": "folds", "model": "resnet9", "run": run, "data_source": "synthetic"}
    models.save(tmp_path / "model.keras", first, meta)
    assert start_from(second, tmp_path / "model.keras") == {"run": run, "data_source": "synthetic"}
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))
    refused(wider, tmp_path / "model.keras", "of other shapes")


# The file


def test_the_file_of_weights_is_the_one_that_is_given(tmp_path: Path):
    path = tmp_path / "mine.h5"
    assert sources.weights_file(str(path)) == path == sources.weights_file([str(path)])
    assert sources.weights_file(str(tmp_path / "model.keras")) == tmp_path / "model.keras"


@pytest.mark.parametrize("nothing", ["", [], ()])
def test_no_start_is_no_file(nothing: Any):
    assert sources.weights_file(nothing) is None


def entry(path: Path, **checksums: str) -> dict[str, Any]:
    return {"files": [{"url": path.as_uri(), **checksums}]}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "web/resnet50 notop.h5"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(("kind", "checksum"), [("md5", MD5), ("sha256", SHA256)])
def test_fetched_weights_are_found_by_their_marker(published: Path, tmp_path: Path, kind: str, checksum: str):
    marker = tmp_path / "imagenet/fetched.json"
    sources.fetch(entry(published, **{kind: checksum}), marker)
    assert json.loads(marker.read_text())["files"] == {published.as_uri(): checksum}
    for given in (str(marker), [str(marker)]):
        path = sources.weights_file(given)
        assert path == tmp_path / "imagenet/resnet50 notop.h5" and path.read_bytes() == CONTENT


@pytest.mark.parametrize(("kind", "found"), [("md5", MD5), ("sha256", SHA256)])
def test_another_checksum_is_refused_and_nothing_is_kept(published: Path, tmp_path: Path, kind: str, found: str):
    marker = tmp_path / "imagenet/fetched.json"
    wrong = "0" * len(found)
    with pytest.raises(InputError, match=f"{kind}: expected {wrong}, got {found}") as error:
        sources.fetch(entry(published, **{kind: wrong}), marker)
    assert error.value.where == published.as_uri() and list(marker.parent.iterdir()) == []


def test_a_checksum_of_both_kinds_is_held_to_the_stronger(published: Path, tmp_path: Path):
    sources.fetch(entry(published, md5="0" * 32, sha256=SHA256), tmp_path / "imagenet/fetched.json")
    with pytest.raises(InputError, match="sha256"):
        sources.fetch(entry(published, md5=MD5, sha256="0" * 64), tmp_path / "other/fetched.json")


def test_weights_that_are_not_there_are_an_error_with_their_address(tmp_path: Path):
    gone = tmp_path / "gone.h5"
    with pytest.raises(InputError, match=r"gone\.h5: download: expected an answer"):
        sources.fetch(entry(gone, md5=MD5), tmp_path / "imagenet/fetched.json")


def test_a_marker_that_is_missing_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match=r"fetched\.json.*no such file"):
        sources.weights_file(str(tmp_path / "fetched.json"))


def test_what_is_fetched_goes_into_the_backbone(build: Callable[..., Any], tmp_path: Path):
    network = build()
    values = write_published_weights(tmp_path / "web.h5", network.get_layer("backbone"))
    md5 = hashlib.md5((tmp_path / "web.h5").read_bytes()).hexdigest()
    sources.fetch(entry(tmp_path / "web.h5", md5=md5), tmp_path / "imagenet/fetched.json")
    found = sources.weights_file([str(tmp_path / "imagenet/fetched.json")])
    assert found is not None and start_from(network, found)["weights"] == "web.h5"
    kernel = network.get_layer("backbone").get_layer("conv2_conv").kernel.numpy()
    assert np.array_equal(kernel, values["conv2_conv/kernel:0"])
