"""The 27 classifiers of the published table: they fit, survive their file, and give the published figures."""

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit_settings

from geoml import models
from geoml.errors import InputError
from geoml.evaluate import predict
from geoml.fit import fit
from geoml.prepare import prepare
from geoml.store import Block, Store, StoreWriter
from geoml.tasks.folds import task
from geoml.tasks.folds.features import FEATURES
from geoml.tasks.folds.models.shallow import CLASSIFIERS, estimator
from geoml.tasks.folds.tables.fold_compare import PUBLISHED

SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "fold_features"
# Not within a point of the published accuracy, and why; the others are (one of 68 test rows is 1.5 points).
OTHERWISE = {
    "LGBMClassifier": "presumably another version of LightGBM",
    "XGBClassifier": "presumably another version of XGBoost",
    "SGDClassifier": "presumably another order of the steps in scikit-learn",
    "AdaBoostClassifier": "SAMME.R is no longer in scikit-learn",
    "QuadraticDiscriminantAnalysis": "singular covariances, regularised here",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),  # in 100 steps, as published
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide"),  # label propagation far from all samples
]
SPLIT = {"by": "official", "val": 0.1, "test": 0.1, "duplicates": "keep", "seed": 0}


def variant(classifier: str, share: float = 1) -> dict[str, Any]:
    return {"model": "shallow", "args": {"classifier": classifier}, "fit": fit_settings(train_share=share)}


def run(classifier: str, seed: int = 42) -> dict[str, Any]:
    return {"task": "folds", "dataset": "table", "variant": classifier.lower(), "seed": seed}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 240 samples whose features tell their classes, mostly."""
    rng, n = np.random.default_rng(0), 480
    label = np.arange(n) % 3
    values = rng.normal(size=(n, 48)) * np.linspace(0.5, 50, 48) + label[:, None]
    values[:, 0] += 4 * label
    values[::7, 16] = np.nan
    names = np.char.add("image", np.arange(n).astype("U"))
    columns = dict(zip(FEATURES, values.T, strict=True)) | {"id": names, "group": names, "label": label.astype(np.int8)}
    folder = tmp_path_factory.mktemp("data") / "table"
    with StoreWriter(folder) as writer:
        writer.append(Block(np.nan_to_num(values), columns))
        found = writer.columns() | {"split": (np.arange(n) // 3 % 5 % 3).astype(np.int8)}
        more = {"dataset": "table", "data_source": "synthetic", "citation": "", "prepare": {}, "split": {}}
        writer.finish(found, {"task": "folds"} | more)
    return folder


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_classifier_fits_and_survives_its_file(classifier: str, table: Path, tmp_path: Path):
    record = fit(run(classifier), variant(classifier), table, tmp_path / "model.skops", tmp_path / "training.json")
    assert (record["n_train"], record["n_val"]) == (192, 192) and record["variant"]["args"]["classifier"] == classifier
    model, store = models.load(tmp_path / "model.skops"), Store(table)
    assert model.meta["run"]["variant"] == classifier.lower() and model.meta["temperature"] > 0
    found = predict(model, task, store, "test")
    again = estimator(42, classifier=classifier).fit(
        task.features(store, store.rows("train")), task.truth(store, store.rows("train"))
    )
    assert (found.decided == again.predict(task.features(store, store.rows("test")))).all()
    assert np.allclose(found.output.sum(axis=1), 1) and record["has_probabilities"] == model.meta["has_probabilities"]
    if classifier not in ("DummyClassifier", "LabelPropagation", "LabelSpreading"):
        assert (found.decided == found.truth).mean() > 0.4


def test_a_share_of_the_training_samples_can_be_asked_for(table: Path, tmp_path: Path):
    paths = tmp_path / "model.skops", tmp_path / "training.json"
    assert fit(run("GaussianNB"), variant("GaussianNB", 0.25), table, *paths)["n_train"] == 48


def test_an_unknown_classifier_is_refused_with_the_closest_name():
    with pytest.raises(InputError, match="Did you mean 'RandomForestClassifier'"):
        estimator(0, classifier="RandomForest")


def test_a_file_with_other_types_is_refused(tmp_path: Path):
    models.save(tmp_path / "model.skops", {"path": Path("x")}, {"task": "folds", "model": "shallow"})
    with pytest.raises(InputError, match="load safely"):
        models.load(tmp_path / "model.skops")


def test_a_network_is_refused_on_a_table_of_features(table: Path):
    with pytest.raises(InputError, match="a table of 48 features"):
        task.input_shape(Store(table).meta)


@pytest.fixture(scope="module")
def published_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published study's own features, prepared."""
    folder = tmp_path_factory.mktemp("real") / "features"
    entry = {"source": "path", "reader": "features", "path": str(SHARED), "split": SPLIT}
    prepare("folds", "features", entry | {"prepare": {"size": 64, "features": True}}, SHARED, folder)
    return folder


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published features are not in {SHARED}")
def test_the_published_duplicates_are_found(published_features: Path):
    store = Store(published_features)
    held, split = store.samples["in_train"], store.samples["split"]
    assert [int(held[split == code].sum()) for code in (0, 1, 2)] == [0, 63, 8]
    found = store.meta["duplicates"]
    assert (found["val_in_train"], found["test_in_train"], found["test_in_val"]) == (63, 8, 3)
    assert (found["repeated_in_train"], found["groups_with_two_labels"]) == (90, 8)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published features are not in {SHARED}")
def test_the_published_table_is_reproduced(published_features: Path, tmp_path: Path):
    with open(PUBLISHED, newline="") as file:
        published = [row for row in csv.DictReader(file) if row["learning"] == "shallow"]
    store, off = Store(published_features), {}
    for classifier in CLASSIFIERS:
        fit(run(classifier), variant(classifier), published_features, tmp_path / "m.skops", tmp_path / "t.json")
        model = models.load(tmp_path / "m.skops")
        for split in ("val", "test"):
            p = predict(model, task, store, split)
            expected = next(float(r["accuracy"]) for r in published if (r["model"], r["split"]) == (classifier, split))
            off[classifier, split] = float((p.decided == p.truth).mean()) - expected
    for name in ("RandomForestClassifier", "ExtraTreesClassifier"):
        assert abs(off[name, "val"]) < 0.01 and abs(off[name, "test"]) < 0.01
    far = {name for (name, split), value in off.items() if abs(value) >= (0.01 if split == "val" else 0.016)}
    assert far == set(OTHERWISE)
