"""Weights of the original's own run: the archived file becomes a model that computes what it computed."""

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from geoml import models
from geoml.errors import InputError

KERNELS = {
    "conv2d": lambda c: (3, 3, 1, c),
    "conv2d_1": lambda c: (3, 3, c, c),
    "conv2d_2": lambda c: (3, 3, c, 2 * c),
    "conv2d_3": lambda c: (3, 3, 2 * c, 2 * c),
    "dense": lambda c: (1024 * c, 2 * c),
    "dense_1": lambda c: (2 * c, 1),
}
NORMS = {"batch_normalization": 1, "batch_normalization_1": 2, "batch_normalization_2": 2}
Weights = dict[str, np.ndarray]


def drawn(channels: int = 4) -> Weights:
    """Weights by layer and name, all drawn."""
    rng = np.random.default_rng(0)
    weights = {}
    for layer, shape_of in KERNELS.items():
        shape = shape_of(channels)
        weights[f"{layer}/kernel"] = rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape)
        weights[f"{layer}/bias"] = rng.normal(0, 0.3, shape[-1])
    for layer, times in NORMS.items():
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            value = rng.normal(0, 0.3, channels * times)
            weights[f"{layer}/{name}"] = np.abs(value) + 0.5 if name == "moving_variance" else value
    weights["dense/kernel"] *= 20  # answers that differ from map to map
    weights["dense_1/bias"][:] = 5
    return {name: value.astype(np.float32) for name, value in weights.items()}


def write(path: Path, weights: Weights, root: str = "model_weights/") -> Path:
    """A file as Keras 2.4 wrote it: doubled groups, layers without weights, optimiser."""
    with h5py.File(path, "w") as file:
        for name, value in weights.items():
            layer, weight = name.split("/")
            file[f"{root}{layer}/{layer}/{weight}:0"] = value
        for layer in ("input_1", "flatten", "dropout"):
            file.create_group(f"{root}{layer}").attrs["weight_names"] = np.array([], "S1")
        if root:
            file.attrs["model_config"] = '{"class_name": "Functional"}'
            file["optimizer_weights/Adam/iter:0"] = 7
    return path


def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
    """(n, h, w, c) to (n, h, w, f), zeros around."""
    h, w = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (dilation, dilation), (dilation, dilation), (0, 0)))
    total = np.zeros((*x.shape[:3], kernel.shape[-1])) + bias
    for row in range(3):
        for column in range(3):
            part = padded[:, row * dilation : row * dilation + h, column * dilation : column * dilation + w]
            total += part @ kernel[row, column]
    return total


def forward(x: np.ndarray, weights: Weights) -> np.ndarray:
    """The network of the method card's section 7 in NumPy alone."""

    def normalised(x: np.ndarray, layer: str) -> np.ndarray:
        gamma, beta, mean, variance = (weights[f"{layer}/{name}"].astype(float) for name in
                                       ("gamma", "beta", "moving_mean", "moving_variance"))  # fmt: skip
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    x = x.astype(float)
    for first, second, norm in (
        ("conv2d", "conv2d_1", "batch_normalization"),
        ("conv2d_2", "conv2d_3", "batch_normalization_1"),
    ):
        x = convolved(x, weights[f"{first}/kernel"], weights[f"{first}/bias"], 1)
        x = convolved(x, weights[f"{second}/kernel"], weights[f"{second}/bias"], 2)
        x = np.maximum(normalised(x, norm), 0)
        n, h, w, c = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
    x = x.reshape(len(x), -1) @ weights["dense/kernel"] + weights["dense/bias"]
    x = normalised(x, "batch_normalization_2") @ weights["dense_1/kernel"] + weights["dense_1/bias"]
    return np.maximum(x, 0)


def refused(path: Path, message: str) -> None:
    from geoml.tasks.slip.weights import read

    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert error.value.where == path


@pytest.mark.parametrize("channels", [4, 3])
@pytest.mark.parametrize("root", ["model_weights/", ""])
def test_imported_weights_compute_what_the_original_computed(
    keras_on_cpu: Any, tmp_path: Path, channels: int, root: str
):
    from geoml.tasks.slip.weights import import_weights

    weights = drawn(channels)
    path = write(tmp_path / "best.h5", weights, root)
    said = import_weights(path, tmp_path / "model.keras")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 128, 64, 1)).astype(np.float32)
    x[2:] *= rng.uniform(size=(4, 128, 64, 1)) < 0.02
    x[4:] = x[4:] != 0
    expected = forward(x, weights)
    assert np.ptp(expected) > 0.01 and expected.min() > 0
    found = models.load(tmp_path / "model.keras").infer(x, 6)["efficiency"]
    assert np.abs(found / expected - 1).max() < 1e-5
    assert "model.keras" in said and "best.h5" in said and ("33,933" in said) == (channels == 4)


def test_an_imported_model_says_where_it_is_from(keras_on_cpu: Any, tmp_path: Path):
    from geoml.tasks.slip.weights import import_weights

    path = write(tmp_path / "best.h5", drawn(2))
    import_weights(path, tmp_path / "model.keras")
    meta = models.read_meta(tmp_path / "model.keras")
    assert meta["run"] == {"task": "slip", "dataset": "imported", "variant": "ssf_cnn", "seed": 0}
    assert (meta["task"], meta["model"], meta["args"]) == ("slip", "ssf_cnn", {"channels": 2})
    assert meta["weights"] == {"file": "best.h5", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert (meta["data_source"], meta["prepare"], meta["classes"]) == ("real", {}, [])
    assert meta["data_fingerprint"] is None and meta["split_hash"] is None and "sigma_scale" not in meta
    assert meta["input_shape"] == [128, 64, 1] and meta["outputs"] == ["efficiency"] and "2022" in meta["citation"]


@pytest.mark.parametrize("name", ["conv2d_1/kernel", "batch_normalization_1/gamma", "dense/kernel", "dense_1/bias"])
def test_a_weight_of_another_shape_is_refused(tmp_path: Path, name: str):
    weights = drawn()
    wrong = np.repeat(weights[name], 2, axis=-1)
    layer, weight = name.split("/")
    expected = rf"best\.h5: {layer}/{layer}/{weight}:0: expected numbers of shape \({weights[name].shape[0]},.*, got.*"
    path = write(tmp_path / "best.h5", weights | {name: wrong})
    refused(path, expected + rf"{wrong.shape[-1]},?\)")


@pytest.mark.parametrize("name", ["conv2d/kernel", "conv2d/bias", "batch_normalization_2/moving_variance"])
def test_a_weight_that_is_missing_is_named(tmp_path: Path, name: str):
    weights = drawn()
    del weights[name]
    refused(write(tmp_path / "best.h5", weights), name.split("/")[1] + ":0.*got no such data set")


def test_a_layer_too_many_is_named(tmp_path: Path):
    weights = drawn() | {"dense_2/kernel": np.ones((1, 1), np.float32)}
    refused(write(tmp_path / "best.h5", weights), "dense_2/dense_2/kernel:0: .*does not have")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, bad: float):
    weights = drawn()
    weights["dense/kernel"][3, 2] = bad
    refused(write(tmp_path / "best.h5", weights), "dense/dense/kernel:0: expected finite numbers, got 1")


def test_objects_and_text_are_refused(tmp_path: Path):
    for content in (np.array([b"cos\nsystem\n(S'true'\ntR."] * 4), np.arange(4)):
        weights = drawn() | {"conv2d/bias": content}
        refused(write(tmp_path / "best.h5", weights), "conv2d/conv2d/bias:0: expected numbers of shape")


def test_a_width_that_is_no_width_is_refused(tmp_path: Path):
    weights = drawn() | {"conv2d/bias": np.float32(1)}
    refused(write(tmp_path / "best.h5", weights), "conv2d/conv2d/kernel:0: expected numbers of shape")


def test_files_that_are_no_weights_are_refused(tmp_path: Path):
    refused(tmp_path / "none.h5", "got no such file")
    (tmp_path / "page.h5").write_text("<html>404 Not Found</html>")
    refused(tmp_path / "page.h5", "expected a Keras HDF5 file")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["model_weights"] = np.arange(3)
    refused(tmp_path / "data.h5", "expected a Keras HDF5 file")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    refused(tmp_path / "empty.h5", "conv2d/conv2d/kernel:0")


def test_a_file_cut_short_is_refused(tmp_path: Path):
    path = write(tmp_path / "best.h5", drawn())
    path.write_bytes(path.read_bytes()[:3000])
    refused(path, "expected a Keras HDF5 file")


def test_weights_in_another_file_are_not_followed(tmp_path: Path):
    weights = drawn()
    write(tmp_path / "other.h5", weights)
    path = write(tmp_path / "best.h5", weights)
    with h5py.File(path, "a") as file:
        del file["model_weights/dense"]
        file["model_weights/dense"] = h5py.ExternalLink("other.h5", "model_weights/dense")
    refused(path, "dense/dense/kernel:0: .*no such data set")


def test_a_model_has_the_ending_of_one(tmp_path: Path):
    from geoml.tasks.slip.weights import import_weights

    with pytest.raises(InputError, match=r"model\.h5: file name: expected one that ends in \.keras"):
        import_weights(write(tmp_path / "best.h5", drawn()), tmp_path / "model.h5")
