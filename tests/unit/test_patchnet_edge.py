"""Exported networks over a line: the same answers as trained ones, in little memory, and with NumPy alone."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import runtimes
from geoml.errors import InputError
from geoml.models import Model
from geoml.tasks.patchnet import patches, section, task

BLOCK = {"w": 10, "kM": 2, "k1": 2, "k2": 3, "p1": 2, "p2": 3, "u": [2] * 5, "r1": 3, "r2": 3, "a1": 1, "a2": 1}
META = {"scale": [0.0, 1.0], "task": "patchnet"}
ALONE = """
import sys
import numpy as np

class Hide:
    allowed = {"numpy", "onnxruntime", "flatbuffers", "google", "packaging", "geoml"} | set(sys.stdlib_module_names)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hide())
from geoml import runtimes
from geoml.tasks.patchnet import section
found = section.probabilities(runtimes.load(sys.argv[1]), np.load(sys.argv[2]))
np.save(sys.argv[3], found.grid)
print(found.engine, *sorted(name for name in sys.modules if name.startswith("geoml")))
"""


@pytest.fixture(scope="module")
def network(keras_on_cpu: Any) -> Callable[[str], Any]:
    """Makes small networks of the family, of either padding, whose decisions differ from window to window."""
    from geoml.tasks.patchnet.models.searched import build

    @cache
    def make(padding: str) -> Any:
        keras_on_cpu.utils.set_random_seed(0)
        document = {"n0": 6, "n2": 6, "random_type": False, "blocks": [BLOCK] * 3}
        made = build((112, 112, 1), 2, candidate=document, padding=padding)
        for layer in made.layers:  # biases of zero would hide what padding with zeros could do wrong
            if layer.weights:
                kernel, bias = layer.get_weights()
                layer.set_weights([kernel, np.linspace(-0.05, 0.15, len(bias))])
        logits = made.get_layer("logits")
        logits.set_weights([60 * logits.get_weights()[0], np.zeros(2)])
        answers = np.asarray(made(np.stack([noise(112, 112, seed) for seed in range(40)])[..., None]))
        odds = np.log(answers[:, 1] / answers[:, 0])
        logits.set_weights([logits.get_weights()[0], np.array([float(np.median(odds)), 0.0])])
        return made

    return make


@pytest.fixture(scope="module")
def exported(network: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes what the task exports of such a network as ONNX."""

    @cache
    def write(padding: str) -> Path:
        path = tmp_path_factory.mktemp("exported") / f"{padding}.onnx"
        return to_onnx(task.exported(network(padding)), path)

    return write


def to_onnx(network: Any, path: Path) -> Path:
    import onnx
    import tf2onnx

    graph, _ = tf2onnx.convert.from_keras(network, opset=18)
    onnx.helper.set_model_props(graph, {runtimes.KEY: json.dumps(META)})
    onnx.save(graph, path)
    return path


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Amplitudes that are smooth enough for windows to differ."""
    rng = np.random.default_rng(seed)
    wavy = sum(
        rng.normal() * np.sin(rng.normal(0, 0.1) * np.arange(rows)[:, None] + rng.normal(0, 0.1) * np.arange(columns))
        for _ in range(12)
    )
    return (np.clip(wavy / 4, -1, 1) + rng.normal(0, 0.05, (rows, columns))).astype(np.float32)


@pytest.mark.parametrize("stride", [16, 8])
def test_an_exported_network_gives_over_tiles_what_the_trained_one_gives_window_by_window(
    network: Callable[[str], Any], exported: Callable[[str], Path], stride: int
) -> None:
    line, model = noise(70, 90), runtimes.load(exported("valid"))
    expected = section.probabilities(Model(network("valid"), META), line, engine="sliding", stride=stride)
    found = section.probabilities(model, line, stride=stride)
    slid = section.probabilities(model, line, stride=stride, engine="sliding", batch=5)
    assert found.engine == "convolutional" and expected.grid.std() > 0.05
    assert 0.1 < (expected.grid >= 0.5).mean() < 0.9
    assert np.abs(found.grid - expected.grid).max() < 1e-5
    assert np.abs(slid.grid - expected.grid).max() < 1e-5
    assert np.abs(found.values - expected.values).max() < 1e-5


@pytest.mark.parametrize("tile", [1, 2, 3])
def test_small_tiles_do_not_show(exported: Callable[[str], Path], tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    line, model = noise(70, 90), runtimes.load(exported("valid"))
    whole = section.probabilities(model, line).grid
    monkeypatch.setattr(section, "_SMALL_TILE", tile)
    assert min(whole.shape) > tile
    assert np.abs(section.probabilities(model, line).grid - whole).max() < 1e-5


@pytest.mark.parametrize(("height", "width"), [(112, 112), (112, 129), (143, 128), (200, 161)])
def test_an_exported_network_takes_any_height_and_width(
    network: Callable[[str], Any], exported: Callable[[str], Path], height: int, width: int
) -> None:
    model, pixels = runtimes.load(exported("valid")), noise(height, width)
    found = section.grids(model, pixels, "convolutional")
    assert found.shape == ((height - 112) // 16 + 1, (width - 112) // 16 + 1)
    assert np.abs(found - section.grids(network("valid"), pixels, "sliding")).max() < 1e-5


def test_a_network_that_pads_is_exported_to_slide(
    network: Callable[[str], Any], exported: Callable[[str], Path]
) -> None:
    model, line = runtimes.load(exported("same")), noise(60, 60)
    assert model.input_shape[1:] == (112, 112, 1) and section.engines_of(model) == ("sliding",)
    found = section.probabilities(model, line)
    assert found.engine == "sliding"
    expected = section.probabilities(Model(network("same"), META), line)
    assert expected.grid.std() > 0.01 and np.abs(found.grid - expected.grid).max() < 1e-5
    with pytest.raises(InputError, match="network: expected one exported for any height and width"):
        section.probabilities(model, line, engine="convolutional")


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_patches_get_the_same_answers_from_an_exported_network(
    network: Callable[[str], Any], exported: Callable[[str], Path], padding: str
) -> None:
    raw = np.stack([noise(48, 48, seed) for seed in range(7)])
    found = task.outputs(runtimes.load(exported(padding)), raw)
    expected = task.outputs(Model(network(padding), META), raw)
    assert found.shape == (7, 2) and expected[:, 1].std() > 0.01
    assert np.abs(found - expected).max() < 1e-5


def test_what_is_exported_has_channels_filled_up_and_answers_alike(network: Callable[[str], Any]) -> None:
    small = network("valid")
    made = task.exported(small)
    assert made.get_layer("conv0").filters == made.get_layer("conv1").filters == 16
    assert small.get_layer("conv0").filters == 6
    x = noise(112, 112)[None, ..., None]
    assert np.abs(np.asarray(made(x))[:, 0, 0] - np.asarray(small(x))).max() < 1e-5


def test_networks_of_others_are_exported_as_they_are(keras_on_cpu: Any) -> None:
    pixels = keras_on_cpu.Input((112, 112, 1))
    plain = keras_on_cpu.Model(pixels, keras_on_cpu.layers.Dense(2)(keras_on_cpu.layers.Flatten()(pixels)))
    assert task.exported(plain) is plain


def test_int8_takes_the_same_way_and_decides_alike(exported: Callable[[str], Path], tmp_path: Path) -> None:
    from onnxruntime import quantization

    raw = np.stack([noise(48, 48, seed) for seed in range(100, 120)])
    left = iter(patches.network_input(raw, (0.0, 1.0))[:, None])

    class Samples(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            one = next(left, None)
            return None if one is None else {"patch": one}

    quantization.quantize_static(
        exported("valid"), tmp_path / "int8.onnx", Samples(), per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
    )  # fmt: skip
    model, line = runtimes.load(tmp_path / "int8.onnx"), noise(150, 150)
    found = section.probabilities(model, line, scale="model")
    expected = section.probabilities(runtimes.load(exported("valid")), line, scale="model")
    assert found.engine == "convolutional"
    assert 0.1 < (expected.grid >= 0.5).mean() < 0.9
    assert section.agreement(found.grid, expected.grid)["decisions"] >= 0.9
    assert np.abs(found.grid - expected.grid).max() > 0


@pytest.mark.parametrize("shape", [(64, 64, 1), (112, 112, 3), (None, None, 2), (600, 3)])
def test_a_network_that_does_not_take_patches_is_refused(shape: tuple[int | None, ...]) -> None:
    model = runtimes.Exported(META, lambda x: {}, (None, *shape), "none")
    with pytest.raises(InputError, match=r"shape of the input: expected \(any, 112, 112, 1\)"):
        section.probabilities(model, noise(60, 60))


def test_a_part_of_a_resized_line_is_what_it_is_in_the_whole() -> None:
    resized = section.Resized(noise(61, 83), (0.0, 1.0), np.zeros(83, bool))
    whole = resized[:, :]
    assert whole.shape == resized.shape == (254, 305)
    for rows, columns in ((slice(0, 112), slice(16, 128)), (slice(200, 254), slice(300, 305)), (slice(60, 61),) * 2):
        np.testing.assert_array_equal(resized[rows, columns], whole[rows, columns])


def test_numpy_and_the_runtime_are_all_that_a_line_needs(exported: Callable[[str], Path], tmp_path: Path) -> None:
    np.save(tmp_path / "line.npy", noise(60, 80))
    command = [sys.executable, "-c", ALONE, exported("valid"), tmp_path / "line.npy", tmp_path / "grid.npy"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    engine, *modules = done.stdout.split()
    expected = section.probabilities(runtimes.load(exported("valid")), noise(60, 80))
    assert engine == "convolutional"
    np.testing.assert_array_equal(np.load(tmp_path / "grid.npy"), expected.grid)
    parts = {"geoml", "errors", "logs", "runtimes", "tasks", "patchnet", "patches", "section"}
    assert {name.rpartition(".")[2] for name in modules} == parts
