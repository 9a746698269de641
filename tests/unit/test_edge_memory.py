"""What prediction with exported networks holds at once is small."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import runtimes
from geoml.tasks.patchnet import section
from geoml.tasks.polarity import predict as polarity
from geoml.tasks.tremor import answers as tremor


def exported(meta: dict[str, Any], name: str, classes: int) -> tuple[runtimes.Exported, list[int]]:
    """A model without a network, and how many samples it is asked about each time."""
    asked: list[int] = []

    def call(x: np.ndarray) -> dict[str, np.ndarray]:
        asked.append(len(x))
        return {name: np.full((len(x), classes), 1 / classes, np.float32)}

    return runtimes.Exported(meta, call, (None, None, 1), "none"), asked


def test_an_exported_network_is_asked_about_few_traces_at_once() -> None:
    model, asked = exported({}, "tremor", 2)
    assert tremor.outputs(model, np.zeros((9, 100), np.float32)).shape == (9, 2)
    assert asked == [4, 4, 1]


@pytest.mark.parametrize("suffix", ["onnx", "keras"])
def test_picks_are_judged_few_at_once_by_an_exported_network_alone(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = exported({"prepare": {}, "threshold": 0, "run": {}}, "po", 3)
    given = model if suffix == "onnx" else type("Trained", (), {"meta": model.meta})()
    found: dict[str, Any] = {}
    monkeypatch.setattr(polarity, "predict", lambda *_, **settings: found.update(settings))
    polarity.from_model(given, [tmp_path], tmp_path / "out")
    assert found["batch"] == (32 if suffix == "onnx" else None)


def test_beside_a_long_line_there_are_two_of_its_size_at_most() -> None:
    line = np.random.default_rng(0).normal(size=(400, 8000)).astype(np.float32)
    line[:, 7] = 0

    def call(x: np.ndarray) -> dict[str, np.ndarray]:
        height, width = ((n - 112) // 16 + 1 for n in x.shape[1:3])
        return {"bsr": np.zeros((len(x), height, width, 2), np.float32)}

    model = runtimes.Exported({"scale": [0.0, 1.0]}, call, (None, None, None, 1), "none")
    tracemalloc.start()
    section.probabilities(model, line)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * line.nbytes
