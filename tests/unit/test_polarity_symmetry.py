"""Negate the records and exchange U and D in the labels: everything that follows is exchanged exactly."""

from pathlib import Path

import h5py
import numpy as np

from geoml import models
from geoml.config import resolve, task_schema
from geoml.prepare import prepare
from geoml.store import Store
from geoml.tasks.polarity import synthetic, task


def prepared(folder: Path, sign: int) -> Store:
    """A prepared synthetic SCSN set, of the records as they are or negated with their labels."""
    source = folder / "source"
    synthetic.generate(source, 150, 3, "scsn")
    for path in source.glob("*_fm_*.hdf5"):
        with h5py.File(path, "r+") as file:
            file["X"][...] = sign * file["X"][...]
            labels = file["Y"][...]
            file["Y"][...] = np.where((labels < 2) & (sign < 0), 1 - labels, labels)
    datasets = {"scsn": {"source": "path", "path": str(source)}}
    config = {"tasks": {"polarity": {"datasets": datasets, "variants": {"cnn_ross": {"model": "cnn_ross"}}}}}
    entry = resolve(config)["tasks"]["polarity"]["datasets"]["scsn"]
    prepare("polarity", "scsn", entry, source, folder / "prepared")
    return Store(folder / "prepared")


def exchanged(labels: np.ndarray) -> np.ndarray:
    return np.where(labels < 2, 1 - labels, labels)


def test_from_file_to_answer(tmp_path):
    plain, turned = prepared(tmp_path / "plain", 1), prepared(tmp_path / "turned", -1)
    assert np.array_equal(turned.inputs, -plain.inputs)
    assert np.array_equal(turned.samples["label"], exchanged(plain.samples["label"]))
    assert np.array_equal(turned.samples["first_break"], -plain.samples["first_break"])
    assert np.array_equal(turned.samples["split"], plain.samples["split"])

    rows = plain.rows("train")[:64]
    settings = {name: part["default"] for name, part in task_schema("polarity")["augment"]["properties"].items()}
    batches = [task.batch(store, rows, ["pk", "po"], np.random.default_rng(5), settings) for store in (plain, turned)]
    (x, y), (turned_x, turned_y) = batches
    assert np.array_equal(turned_x, -x)
    assert np.array_equal(turned_y["po"], y["po"][:, [1, 0, 2]])
    assert np.array_equal(turned_y["pk"], y["pk"])

    network = models.build("polarity", "cnn_ross", {}, task.input_shape(plain.meta))
    model = models.Model(network, task.model_meta(plain.meta))
    answer, turned_answer = (task.outputs(model, store.inputs[rows]) for store in (plain, turned))
    assert np.array_equal(turned_answer, answer[:, [1, 0, 2]])
    assert np.ptp(answer[:, 0] - answer[:, 1]) > 0  # the network does tell them apart
