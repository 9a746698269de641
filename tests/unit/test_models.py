"""Networks: every registered one builds, answers, and survives its file; files that are not ours are refused."""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import models, registry
from geoml.errors import InputError

ALL = [("polarity", name) for name in registry.names("polarity", "models")]  # other tasks have files of their own
PARAMETERS = {
    "bulid_pp_model": 967_941,
    "bulid_pd_model": 935_076,
    "cnn_ross": 3_668_227,
    "pd_model": 975_572,
}
SHAPES = {"polarity": (400, 1)}
META: dict[str, Any] = {"task": "toy", "model": "line", "classes": ["LEFT", "RIGHT"]}


@pytest.mark.parametrize(("task", "name"), ALL)
def test_every_network_builds_answers_and_survives_its_file(keras_on_cpu: Any, task: str, name: str, tmp_path: Path):
    part = registry.load_task(task)
    network = models.build(task, name, {}, SHAPES[task])
    assert network.name == name and network.count_params() == PARAMETERS[name]
    x = np.random.default_rng(0).normal(size=(3, *SHAPES[task])).astype(np.float32)
    before = models.infer(network, x, 2)
    assert list(before) == network.output_names
    for output, values in before.items():
        assert values.shape[0] == 3 and np.isfinite(values).all()
        if values.shape[1:] == (len(part.CLASSES),):
            assert np.allclose(values.sum(axis=1), 1, atol=1e-5), output
    meta = {"task": task, "model": name, "note": "µ"}
    models.save(tmp_path / "model.keras", network, meta)
    loaded = models.load(tmp_path / "model.keras")
    assert loaded.meta == meta and list(tmp_path.iterdir()) == [tmp_path / "model.keras"]
    after = loaded.infer(x, 2)
    assert all((after[output] == before[output]).all() for output in before)


def test_the_two_outputs_of_the_picking_network(keras_on_cpu: Any):
    network = models.build("polarity", "bulid_pp_model", {}, (400, 1))
    assert {name: tensor.shape[1:] for name, tensor in network.output.items()} == {"pk": (400, 1), "po": (3,)}


@pytest.fixture
def line(keras_on_cpu: Any, toy: str, tmp_path: Path) -> Path:
    """File of an untrained toy network."""
    models.save(tmp_path / "line.keras", models.build(toy, "line", {}, (8,)), META)
    return tmp_path / "line.keras"


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_batches_do_not_change_the_answer(line: Path, n: int):
    x = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    model = models.load(line)
    found = model.infer(x, 4)["side"]
    assert found.shape == (n, 2)
    assert np.allclose(found, np.asarray(model.network(x)) if n else found, atol=1e-6)


def test_the_file_is_an_ordinary_keras_file_and_says_what_it_is(line: Path, keras_on_cpu: Any):
    assert models.read_meta(line) == META
    assert keras_on_cpu.saving.load_model(line, compile=False).count_params() == 18


def plain_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "nothing")


def zip_with_our_member_only(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("geoml.json", json.dumps(META))


def broken_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("geoml.json", "{")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def foreign(path: Path) -> None:
    import keras

    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save(path)


def unknown_model(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("geoml.json", json.dumps(META | {"model": "lime"}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (plain_zip, "a geoml model"),
        (zip_with_our_member_only, "a network that Keras can load safely"),
        (broken_member, "a geoml model"),
        (cut, "a geoml model"),
        (foreign, "a geoml model"),
        (unknown_model, "Did you mean 'line'"),
        (lambda path: path.write_bytes(b""), "a geoml model"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_files_that_are_not_ours_are_refused(line: Path, spoil: Any, message: str):
    spoil(line)
    with pytest.raises(InputError, match=message) as caught:
        models.load(line)
    assert str(line) in str(caught.value)


def test_code_in_a_file_is_never_run(line: Path, keras_on_cpu: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GEOML_RAN", "")
    evil = keras_on_cpu.layers.Lambda(lambda x: (__import__("os").environ.update(GEOML_RAN="yes"), x)[1])
    models.save(line, keras_on_cpu.Sequential([keras_on_cpu.Input((8,)), evil]), META)
    assert os.environ["GEOML_RAN"] == "yes"
    monkeypatch.setenv("GEOML_RAN", "")
    with pytest.raises(InputError, match="a network that Keras can load safely"):
        models.load(line)
    assert os.environ["GEOML_RAN"] == ""


def test_the_state_of_the_optimizer_is_not_in_the_file(keras_on_cpu: Any, tmp_path: Path):
    network = models.build("polarity", "cnn_ross", {}, SHAPES["polarity"])
    models.save(tmp_path / "fresh.keras", network, META)
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    models.save(tmp_path / "trained.keras", network, META)
    fresh, trained = ((tmp_path / name).stat().st_size for name in ("fresh.keras", "trained.keras"))
    assert trained < 1.1 * fresh
    assert network.optimizer is not None


def test_saving_is_whole_or_not_at_all(line: Path, toy: str):
    before = line.read_bytes()
    with pytest.raises(TypeError):
        models.save(line, models.build(toy, "bent", {"units": 2}, (8,)), {"bad": object()})
    assert line.read_bytes() == before
    shutil.copy(line, line.with_name("copy.keras"))
    assert models.load(line.with_name("copy.keras")).network.name == "line"
