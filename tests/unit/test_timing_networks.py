"""Networks counted and timed side by side."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import write_toy

from geoml import timing

VARIANTS: dict[str, dict[str, Any]] = {
    "straight": {"model": "line", "args": {}},
    "bent_a": {"model": "bent", "args": {"units": 3}},
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, three rounds."""
    monkeypatch.setattr(timing, "_BATCHES", (4, 1))
    monkeypatch.setattr(timing, "_ROUNDS", 3)


def test_networks_are_counted_and_timed_a_value_a_round(
    toy: str, keras_on_cpu: Any, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    turns = iter([1.0, 0.5, 1.0, 0.25, 1.0, 0.5, *[0.1] * 6])
    monkeypatch.setattr(timing, "_a_turn", lambda network, x: next(turns))
    found = timing.time_networks(toy, VARIANTS, write_toy(tmp_path / "dots", 40), tmp_path / "networks.json", threads=1)
    assert found == json.loads((tmp_path / "networks.json").read_text())
    assert (found["task"], found["threads"]) == ("toy", 1) and found["device_name"] and "versions" in found
    assert found["networks"] == {
        "straight": {
            "model": "line",
            "parameters": 18,
            "macs": 16,
            "size_mb": 72 / 2**20,
            "per_s": {"4": [4, 4, 4], "1": pytest.approx([10] * 3)},
        },
        "bent_a": {
            "model": "bent",
            "parameters": 8 * 3 + 3 + 3 * 2 + 2,
            "macs": 8 * 3 + 3 * 2,
            "size_mb": 4 * 35 / 2**20,
            "per_s": {"4": [8, 16, 8], "1": pytest.approx([10] * 3)},
        },
    }


def test_networks_take_turns_with_the_same_samples(
    toy: str, keras_on_cpu: Any, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(timing, "_a_turn", lambda network, x: asked.append((network.name, x.shape)) or 1.0)
    timing.time_networks(toy, VARIANTS, write_toy(tmp_path / "dots", 40), tmp_path / "networks.json")
    assert asked == [(name, (size, 8)) for size in (4, 1) for _ in range(3) for name in ("line", "bent")]


def test_a_turn_is_the_median_of_its_predictions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "_LEAST_S", 0.5)
    seconds = iter([0.0, 0.2, 1.0, 1.1, 2.0, 2.3])
    monkeypatch.setattr(timing, "perf_counter", lambda: next(seconds))

    class Network:
        def predict_on_batch(self, x: object) -> object:
            return x

    assert timing._a_turn(Network(), None) == pytest.approx(0.2)
