"""TFLite files: what they answer and say of themselves, the same bytes twice, and conversions that die."""

import zipfile
from pathlib import Path
from typing import Any

import exported
import numpy as np
import pytest

from geoml import models, runtimes
from geoml.errors import InputError
from geoml.export import child, tflite
from geoml.store import Store


@pytest.fixture(scope="module")
def made(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> exported.Made:
    return exported.make(tmp_path_factory.mktemp("made"), keras_on_cpu)


@pytest.fixture(scope="module")
def converted(made: exported.Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("converted")
    return folder, tflite.convert(made.model, made.data, folder, 16)


def dying(monkeypatch: pytest.MonkeyPatch, format: str, reason: str, calls: list[tuple[str, ...]]) -> None:
    """Conversions that write a file of their format, but die at one."""

    def run(module: str, *arguments: Any, limit_s: float) -> str:
        work, formats = arguments[3], arguments[4:]
        calls.append(formats)
        for name in formats:
            (work / tflite.FILES[name]).write_bytes(b"half")
            if name == format:
                return reason
            (work / f"{name}.status").write_text("made")
        return ""

    monkeypatch.setattr(child, "run", run)


def test_all_formats_answer_as_the_network_does_and_say_what_it_says(
    made: exported.Made, converted: tuple[Path, dict[str, dict[str, Any]]]
):
    folder, found = converted
    assert {name: row["status"] for name, row in found.items()} == dict.fromkeys(tflite.FILES, "made")
    network = models.load(made.model)
    x = np.asarray(Store(made.data).inputs[:5], np.float32)
    for name, most in {"tflite": 1e-5, "tflite_fp16": 0.01, "tflite_int8": 0.1}.items():
        path = folder / tflite.FILES[name]
        model = runtimes.load(path)
        assert found[name]["bytes"] == path.stat().st_size
        assert network.meta.items() <= model.meta.items()
        assert model.input_shape == (1, 16, 16, 3)
        its, own = model.infer(x), network.infer(x)
        assert its.keys() == own.keys()
        assert max(np.abs(its[key] - own[key]).max() for key in own) < most


def test_int8_holds_integers_and_float16_is_between(converted: tuple[Path, dict[str, dict[str, Any]]]):
    from ai_edge_litert.interpreter import Interpreter

    folder, found = converted
    kinds = {tensor["dtype"] for tensor in Interpreter(str(folder / "model.int8.tflite")).get_tensor_details()}
    assert np.int8 in kinds
    assert found["tflite"]["bytes"] > found["tflite_fp16"]["bytes"]
    assert [found[name]["calibration_samples"] for name in tflite.FILES] == [None, None, 16]


def test_another_conversion_makes_the_same_bytes(
    made: exported.Made, converted: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
):
    assert tflite.convert(made.model, made.data, tmp_path, 16) == converted[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(tflite.FILES.values())


@pytest.mark.parametrize("format", ["tflite", "tflite_fp16", "tflite_int8"])
def test_a_conversion_that_dies_costs_its_own_format_only(
    made: exported.Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
):
    calls: list[tuple[str, ...]] = []
    dying(monkeypatch, format, "ended by SIGSEGV (last line: it was well)", calls)
    (tmp_path / tflite.FILES[format]).write_bytes(b"old")
    found = tflite.convert(made.model, made.data, tmp_path, 16)
    others = [name for name in tflite.FILES if name != format]
    assert found[format]["status"] == "not made: ended by SIGSEGV (last line: it was well)"
    assert [found[name]["status"] for name in others] == ["made", "made"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(tflite.FILES[name] for name in others)
    rest = tuple(tflite.FILES)[list(tflite.FILES).index(format) + 1 :]
    assert calls == [tuple(tflite.FILES), *([rest] if rest else [])]


@pytest.mark.parametrize(
    "code, reason",
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV (last line: it said nothing)"),
        ("import sys; sys.exit('first\\nlast')", "last"),
        ("import time; time.sleep(60)", "stopped after 1 s"),
        ("pass", ""),
    ],
)
def test_a_child_that_fails_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str):
    (tmp_path / "does.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert child.run("does", limit_s=1 if "sleep" in code else 60) == reason


def test_what_cannot_be_converted_is_refused_before_any_work(made: exported.Made, tmp_path: Path):
    with pytest.raises(InputError, match=r"a network \(\.keras\), got \.skops"):
        tflite.convert(tmp_path / "model.skops", made.data, tmp_path, 8)
    with pytest.raises(InputError, match="no such file"):
        tflite.convert(tmp_path / "model.keras", made.data, tmp_path, 8)
    other = exported.write_pictures(tmp_path / "results/data/slip/generated", task="slip")
    with pytest.raises(InputError, match="expected a prepared set of folds, got slip"):
        tflite.convert(made.model, other, tmp_path, 8)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "without its network"])
def test_a_file_that_is_damaged_or_not_ours_is_refused(
    converted: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path, damage: str
):
    whole, path = converted[0] / "model.tflite", tmp_path / "model.tflite"
    if damage == "truncated":
        path.write_bytes(whole.read_bytes()[:-100])
    elif damage == "foreign":
        path.write_bytes(b"TFL3" * 100)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(runtimes.MEMBER, "{}")
    with pytest.raises(InputError, match=r"model\.tflite: content"):
        runtimes.load(path)
