"""The slip task as the generic rooms see it: answers, targets, splits, scale of the deviation, baselines, training."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, fit_settings
from scipy.io import savemat

from geoml import cli, config, manual, models
from geoml import train as training
from geoml.errors import InputError
from geoml.fit import fit
from geoml.models import Estimator, Model
from geoml.prepare import prepare
from geoml.splits import places
from geoml.store import Block, Store, StoreWriter
from geoml.tasks.slip import task
from geoml.tasks.slip.datasets import experiments as reader
from geoml.tasks.slip.features import NAMES, features_of
from geoml.tasks.slip.synthetic import experiment

CONDITIONS = ("EB_025", "EB_050", "PP_025", "PP_050", "PP_100")
SOURCE = [f"{name}_{k}" for name in CONDITIONS for k in (1, 2)] + ["PP_150_1"]
FRAMES = 4
STILL = {"shift": 0.0, "zoom": 0.0, "flips": "none", "thickness": False}
MOVED = STILL | {"shift": 0.1, "zoom": 0.05, "flips": "independent"}
USUAL = config.task_schema("slip")["usual"]["fit"]
RUN = {"task": "slip", "dataset": "lines", "variant": "any", "seed": 0}
N = 96  # half of the samples of ``lines`` are for training, a quarter each for validation and test


class Fake(Model):
    """A network whose answer is made of its input by a function."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray], **meta: Any) -> None:
        super().__init__(None, meta)
        self.answer = answer
        self.asked: list[np.ndarray] = []

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        self.asked.append(x)
        return {"efficiency": self.answer(x)}


class FakeEstimator(Estimator):
    """An estimator that says the number of fault pixels over 1000."""

    def __init__(self, **meta: Any) -> None:
        super().__init__(None, meta)

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        assert x.shape[1] == len(NAMES)
        return {"answer": x[:, [NAMES.index("pixels")]] / 1000}


def lines(n: int, seed: int = 0) -> np.ndarray:
    """(n, 128, 64) uint8: map i has i % 60 + 4 columns of a fault that is three pixels thick, at any row."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((n, 128, 64), np.uint8)
    for i in range(n):
        row = rng.integers(20, 100)
        maps[i, row : row + 3, : i % 60 + 4] = 1
    return maps


def write_lines(folder: Path, n: int = N) -> Path:
    """A prepared set without a source: the efficiency is the share of columns with a fault."""
    maps, number = lines(n), np.arange(n)
    numbers = {"window": number % 2, "frame": number // 2, "velocity": np.ones(n), "sd": 0.02 + 0.1 * (number % 3)}
    columns = reader.table("EB_050_1", maps, numbers | {"efficiency": maps.any(1).mean(1)}, n)
    columns["group"] = np.array([f"EB_050_{i // 12}" for i in number])
    with StoreWriter(folder, keep_duplicates=True) as writer:
        writer.append(Block(maps, columns))
        table = writer.columns()
        table["split"] = np.array([0, 1, 0, 2], np.int8)[number % 4]
        content = {"task": "slip", "dataset": "lines", "data_source": "synthetic", "citation": "", "prepare": {}}
        writer.finish(table, content | {"split": {"by": "group"}, "audit": task.audit(table, "lines")})
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(write_lines(tmp_path_factory.mktemp("data") / "lines"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven experiments of four frames, of all groups of the published split."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCE:
        savemat(folder / f"{name}.mat", experiment(name, FRAMES, 0))
    return folder


def entry(source: Path, split: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One resolved data set on these files."""
    given = {"source": "path", "path": str(source), "reader": "experiments", "split": split, **more}
    slip = {"datasets": {"here": given}, "variants": {"ridge": {"model": "baseline"}}, "seeds": [0]}
    datasets = config.resolve({"title": "t", "tasks": {"slip": slip}}, "test")["tasks"]["slip"]["datasets"]
    return next(iter(datasets.values()))


def made(source: Path, folder: Path, split: dict[str, Any], **more: Any) -> Store:
    prepare("slip", "here", entry(source, split, **more), source, folder)
    return Store(folder)


def test_the_deviation_of_members_is_that_of_their_mixture():
    """(0.2, 0.1) and (0.6, 0.3): mean 0.4; (0.01 + 0.04 + 0.09 + 0.36) / 2 - 0.16 = 0.3 squared."""
    mean, sigma = task.distribution(np.array([[0.2, 0.1, 0.6, 0.3], [0.5, 0.2, 0.5, 0.2]]))
    assert np.allclose(mean, [0.4, 0.5]) and np.allclose(sigma, [0.3, 0.2])


def test_the_mixture_is_what_draws_from_its_members_have():
    rng = np.random.default_rng(0)
    answer = np.array([[0.1, 0.05, 0.5, 0.2, 0.9, 0.1]])
    draws = rng.normal(answer[:, 0::2], answer[:, 1::2], (200_000, 3)).ravel()
    mean, sigma = task.distribution(answer)
    assert (mean[0], sigma[0]) == (pytest.approx(draws.mean(), abs=2e-3), pytest.approx(draws.std(), abs=2e-3))


def test_one_member_keeps_its_own_deviation_and_a_value_has_1():
    mean, sigma = task.distribution(np.float32([[0.9, 0.01], [0.3, 0.2]]))
    assert np.allclose(mean, [0.9, 0.3]) and np.allclose(sigma, [0.01, 0.2], rtol=2e-3)
    mean, sigma = task.distribution(np.array([[0.3], [0.7]]))
    assert np.array_equal(mean, [0.3, 0.7]) and np.array_equal(sigma, [1, 1])


def test_outputs_of_a_network_are_mean_and_scaled_deviation():
    maps = lines(5)
    network = Fake(lambda x: np.column_stack([x.mean((1, 2, 3)), np.full(len(x), 0.2)]), sigma_scale=1.5)
    found = task.outputs(network, maps)
    assert network.asked[0].shape == (5, 128, 64, 1) and network.asked[0].dtype == np.uint8
    assert np.allclose(found, np.column_stack([maps.mean((1, 2)), np.full(5, 0.3)]))
    assert np.array_equal(task.ask(network, maps), found)


def test_outputs_of_a_model_without_a_scale_have_no_deviation():
    found = task.outputs(Fake(lambda x: np.full((len(x), 1), 0.5)), lines(3))
    assert np.array_equal(found[:, 0], [0.5] * 3) and np.isnan(found[:, 1]).all()


def test_an_estimator_is_asked_about_the_features_of_maps():
    maps, estimator = lines(4), FakeEstimator(sigma_scale=0.1, classes=[])
    expected = np.column_stack([maps.sum((1, 2)) / 1000, np.full(4, 0.1)])
    assert np.allclose(task.ask(estimator, maps), expected)
    assert np.allclose(task.outputs(estimator, features_of(maps)), expected)


def test_the_scale_makes_squared_error_over_variance_1_on_the_validation_maps(store: Store):
    rows = store.rows("val")
    network = Fake(lambda x: np.column_stack([x.mean((1, 2, 3)) * 30, 0.05 + x.mean((1, 2, 3))]))
    found = task.calibrate(network, store)
    assert found["has_sigma"] is True and len(network.asked[0]) == len(rows)
    network.meta |= found
    mean, sigma = task.outputs(network, store.inputs[rows]).T
    assert (((mean - task.truth(store, rows)) / sigma) ** 2).mean() == pytest.approx(1)


@pytest.mark.parametrize("model", [FakeEstimator(classes=[]), Fake(lambda x: x.sum((1, 2, 3))[:, None] / 1000)])
def test_the_scale_of_a_model_without_a_deviation_is_its_root_mean_square_error(store: Store, model: Any):
    rows = store.rows("val")
    error = store.inputs[rows].sum((1, 2)) / 1000 - task.truth(store, rows)
    found = task.calibrate(model, store)
    assert found == {"sigma_scale": pytest.approx(np.sqrt((error**2).mean())), "has_sigma": False}


def test_validation_scores_by_hand():
    """Errors of 0, 1, -2 and 3 SD; the limits count as within."""
    y = np.float64([[0.25, 0.125], [0.5, 0.125], [0.75, 0.125], [1.0, 0.125]])
    said = y[:, [0]] + np.float64([[0], [0.125], [-0.25], [0.375]])
    found = task.monitor({"efficiency": y}, {"efficiency": said})
    squares = 0.125**2 + 0.25**2 + 0.375**2
    assert next(iter(found)) == "r2"
    assert found["r2"] == pytest.approx(1 - squares / (2 * 0.375**2 + 2 * 0.125**2))
    assert (found["accuracy_2sd"], found["accuracy_1sd"], found["mae"]) == (0.75, 0.5, 0.1875)
    members = np.column_stack([said - 0.1, np.full(4, 0.2), said + 0.1, np.full(4, 0.3)])
    assert task.monitor({"efficiency": y}, {"efficiency": members}) == pytest.approx(found)


def audit(*rows: tuple[str, int, int, int]) -> dict[str, int]:
    group, frame, window, split = zip(*rows, strict=True)
    columns = {"group": np.array(group, "S"), "frame": np.int16(frame), "window": np.int16(window)}
    return task.audit(columns | {"split": np.int8(split)}, "here")


def test_the_audit_counts_what_the_sets_share():
    found = audit(
        ("A", 0, 0, 0), ("A", 0, 2, 1), ("A", 1, 4, 0),  # train, validation, train
        ("A", 0, 1, 2),  # frame 0 and its neighbour 0 are in train
        ("A", 0, 3, 2),  # its neighbour 2 is in validation only; 4 is of another frame
        ("A", 2, 0, 2),  # the experiment only
        ("B", 0, 1, 2),  # nothing
        ("A", 1, 3, 2),  # its neighbour 4 in train
        ("A", 1, 0, 2),  # of that frame, but far from 4
    )  # fmt: skip
    assert found == {
        "test samples": 6,
        "of an experiment in train": 5,
        "of a frame in train": 4,
        "sharing columns with train": 2,
    }


def test_the_audit_does_not_mix_up_the_ends_of_frames_and_experiments():
    assert audit(("A", 0, 4, 0), ("A", 1, 0, 2), ("B", 0, 0, 2))["sharing columns with train"] == 0
    assert audit(("A", 5, 0, 0), ("B", 5, 1, 2))["of a frame in train"] == 0


def test_a_set_without_a_split_has_no_audit():
    assert task.audit({"group": np.array(["A"])}, "here") == {}


def test_only_maps_of_the_published_size_are_taken():
    assert task.input_shape({"dataset": "here", "input_shape": [128, 64]}) == (128, 64, 1)
    with pytest.raises(InputError, match=r"here: input_shape: expected maps of 128 x 64, got \[64, 64\]"):
        task.input_shape({"dataset": "here", "input_shape": [64, 64]})


def test_an_unknown_loss_is_named_with_the_nearest(keras_on_cpu: Any):
    assert set(task.losses(["efficiency"], "coded")) == {"efficiency"}
    with pytest.raises(InputError, match=r"fit: loss: .*got 'per_sampel'.*per_sample"):
        task.losses(["efficiency"], "per_sampel")


def test_a_batch_has_the_rows_of_the_file_in_order_with_efficiency_and_sd(store: Store):
    rows = np.array([40, 4, 8, 4])
    x, y = task.batch(store, rows, ["efficiency"], np.random.default_rng(0), STILL)
    assert (x.dtype, x.shape, y.dtype) == (np.float32, (4, 128, 64, 1), np.float32)
    order = [4, 4, 8, 40]
    assert np.array_equal(x[..., 0], store.inputs[order])
    assert np.allclose(y, np.column_stack([store.samples["efficiency"], store.samples["sd"]])[order])


def test_training_maps_move_and_validation_maps_do_not(store: Store):
    rows = store.rows("train")[:8]
    moved, y = task.batch(store, rows, ["efficiency"], np.random.default_rng(0), MOVED)
    still, same = task.batch(store, rows, ["efficiency"], np.random.default_rng(0), STILL)
    assert (moved != still).any(axis=(1, 2, 3)).all() and np.array_equal(y, same)
    x, targets = task.validation(store, ["efficiency"])
    rows = store.rows("val")
    assert np.array_equal(x[..., 0], store.inputs[rows]) and list(targets) == ["efficiency"]
    assert np.allclose(targets["efficiency"][:, 0], task.truth(store, rows))


def test_the_features_of_a_set_are_those_of_its_maps(store: Store):
    rows = store.rows("test")
    assert np.array_equal(task.features(store, rows), features_of(store.inputs[rows]))


def test_a_split_by_experiment_keeps_every_experiment_in_one_set(source: Path, tmp_path: Path):
    store = made(source, tmp_path, {"by": "group", "val": 0.2, "test": 0.2, "seed": 50})
    sets = {name: set(store.samples["group"][store.rows(name)]) for name in ("train", "val", "test")}
    assert set.union(*sets.values()) == set(SOURCE) and sum(map(len, sets.values())) == len(SOURCE)
    audit = store.meta["audit"]
    assert audit.pop("test samples") == len(store.rows("test")) > 0 and set(audit.values()) == {0}
    assert store.meta["split_groups"] == {name: len(groups) for name, groups in sets.items()}


def test_folds_by_condition_test_every_sample_once(source: Path, tmp_path: Path):
    split = {"by": "condition", "val": 0.2}
    tested: list[str] = []
    for k in range(3):
        settings = entry(source, split, folds=3) | {"fold": [k, 3], "base": "here"}
        prepare("slip", f"here_k{k}", settings, source, tmp_path / str(k))
        store = Store(tmp_path / str(k))
        condition = store.samples["condition"]
        sets = [set(condition[store.rows(name)]) for name in ("train", "val", "test")]
        assert all(not a & b for a, b in ((sets[0], sets[1]), (sets[0], sets[2]), (sets[1], sets[2])))
        assert store.meta["fold"] == {"of": "here", "fold": k, "folds": 3}
        tested += store.samples["id"][store.rows("test")].tolist()
    assert sorted(tested) == sorted(store.samples["id"])


def test_the_published_split_deals_out_windows_and_says_what_leaks(source: Path, tmp_path: Path):
    store = made(source, tmp_path, {"by": "official"}, prepare={"sets": "published"})
    samples = store.samples
    windows = {name: {(g, w) for g, w in zip(samples["group"][rows], samples["window"][rows], strict=True)}
               for name in ("train", "val", "test") for rows in [store.rows(name)]}  # fmt: skip
    seconds = {name for name in SOURCE if name.endswith("_2")}
    assert {g for g, _ in windows["test"]} == seconds and len(windows["test"]) == 5
    assert {g for g, _ in windows["val"]} == seconds and len(windows["val"]) == 10
    assert len(windows["train"]) == 5 * 5 + 5 * 2 and "PP_150_1" not in samples["group"]
    assert {k for k, v in store.rejected() if v == reader.NO_GROUP} and store.meta["audit"] == leaks(store)
    assert store.meta["audit"]["of an experiment in train"] == store.meta["audit"]["test samples"]


def leaks(store: Store) -> dict[str, int]:
    """The audit again, sample by sample."""
    places = list(zip(*(store.samples[name].tolist() for name in ("group", "frame", "window")), strict=True))
    train = {places[row] for row in store.rows("train")}
    test = [places[row] for row in store.rows("test")]
    return {
        "test samples": len(test),
        "of an experiment in train": sum(g in {t[0] for t in train} for g, _, _ in test),
        "of a frame in train": sum((g, f) in {t[:2] for t in train} for g, f, _ in test),
        "sharing columns with train": sum(
            (g, f, w - 1) in train or (g, f, w + 1) in train for g, f, w in test
        ),
    }  # fmt: skip


def test_marks_say_which_held_out_maps_the_training_set_has(source: Path, tmp_path: Path):
    names = np.array([f"EB_050_{repeat}" for repeat in (1, 2, 3)])
    (tmp_path / "source").mkdir()
    for name in names:  # the same experiment thrice, one for each set
        (tmp_path / f"source/{name}.mat").write_bytes((source / "EB_050_1.mat").read_bytes())
    seed = next(s for s in range(99) if {*np.searchsorted((0.4, 0.7), places(names, s), "right")} == {0, 1, 2})
    store = made(tmp_path / "source", tmp_path / "data", {"by": "group", "val": 0.3, "test": 0.3, "seed": seed})
    assert np.array_equal(store.samples["in_train"], store.samples["split"] > 0)
    assert store.meta["duplicates"]["test_in_train"] == len(store.rows("test")) > 0


def test_too_few_experiments_are_an_error_before_anything_is_trained(source: Path, tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/EB_050_1.mat").write_bytes((source / "EB_050_1.mat").read_bytes())
    with pytest.raises(InputError, match=r"slip/here: split: expected samples in the \w+ set, got none \(.*group: 1\)"):
        made(tmp_path / "source", tmp_path / "data", {"by": "group"})
    with pytest.raises(InputError, match=r"split\.by: official: expected samples that the data put into val, got none"):
        made(tmp_path / "source", tmp_path / "data", {"by": "official"}, prepare={"sets": "published"})
    assert not (tmp_path / "data/dataset.json").exists()


def test_describe_tells_what_is_in_a_folder(source: Path):
    content = {"title": "t", "tasks": {"slip": {"datasets": {}, "variants": {}}}}
    text = manual.describe(content, "test", "slip", str(source), "experiments").splitlines()
    left_out = sum(int(line.split()[2].rstrip(":")) for line in text if line.startswith("left out"))
    count = int(text[0].split()[1])
    assert f"of {len(SOURCE)} groups, {left_out} left out" in text[0] and count + left_out == 5 * FRAMES * len(SOURCE)
    ranges = {line.split()[0]: line.split()[1:] for line in text[1:] if len(line.split()) == 5}
    assert float(ranges["velocity"][2]) == pytest.approx(1, abs=0.05)
    assert int(ranges["efficiency"][0]) == count and 0 < float(ranges["efficiency"][2]) < 1


def variant(model: str, args: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    settings = fit_settings(**USUAL | {"epochs": 1, "batch_size": 32, "learning_rate": 0.01} | changes)
    return {"model": model, "args": args or {}, "fit": settings, "augment": STILL}


CODED = variant("ssf_cnn", {"channels": 2}, epochs=2, keep="last", loss="coded") | {"augment": MOVED}


@pytest.mark.parametrize(("regressor", "least"), [("constant", -0.2), ("ridge", 0.99), ("boosted_trees", 0.3)])
def test_a_baseline_is_fitted_saved_and_gives_the_same_answers_again(
    store: Store, tmp_path: Path, regressor: str, least: float
):
    path = tmp_path / "model.skops"
    content = fit(RUN, variant("baseline", {"regressor": regressor}), store.folder, path, tmp_path / "training.json")
    assert content == json.loads((tmp_path / "training.json").read_text())
    assert content["has_probabilities"] is None and content["n_train"] == N // 2 and content["n_val"] == N // 4
    model = models.load(path)
    assert "has_probabilities" not in model.meta and model.meta["has_sigma"] is False
    rows = store.rows("val")
    said, sigma = task.ask(model, store.inputs[rows]).T
    truth = task.truth(store, rows)
    assert content["val_score"] == pytest.approx(1 - ((said - truth) ** 2).mean() / truth.var(), abs=1e-5)
    assert least < content["val_score"] <= 1
    assert np.allclose(sigma, np.sqrt(((said - truth) ** 2).mean()))
    if regressor == "constant":
        assert np.allclose(said, task.truth(store, store.rows("train")).mean())


def run(folder: Path, store: Store, settings: dict[str, Any]) -> dict[str, Any]:
    paths = folder / "model.keras", folder / "history.csv", folder / "training.json", folder / "checkpoint.npz"
    return training.train(RUN, settings, store.folder, *paths)


@pytest.fixture(scope="module")
def trained(keras_on_cpu: Any, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of a small SSF-CNN with the coded loss, never cut."""
    folder = tmp_path_factory.mktemp("trained")
    run(folder, store, CODED)
    return folder


def history(folder: Path) -> list[dict[str, float]]:
    with open(folder / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_the_network_that_is_kept_has_the_scores_of_its_epoch(store: Store, trained: Path):
    model, row = models.load(trained / "model.keras"), history(trained)[-1]
    rows = store.rows("val")
    said, sigma = task.ask(model, store.inputs[rows]).T
    truth, sd = task.truth(store, rows), store.samples["sd"][rows]
    assert row["val_loss"] == pytest.approx(((said - truth) ** 2).mean() * (1 / (sd**2 + 1e-5)).mean(), rel=1e-4)
    assert row["val_r2"] == pytest.approx(1 - ((said - truth) ** 2).mean() / truth.var(), rel=1e-4)
    assert row["val_accuracy_2sd"] == pytest.approx((np.abs(said - truth) <= 2 * sd).mean(), rel=1e-4)
    assert np.allclose(sigma, np.sqrt(((said - truth) ** 2).mean())) and model.meta["has_sigma"] is False
    record = json.loads((trained / "training.json").read_text())
    assert record["val_score"] == pytest.approx(row["val_r2"], rel=1e-4) and record["n_train"] == N // 2
    assert 0 <= row["accuracy_2sd"] <= 1 and row["loss"] > 0


def test_a_network_with_a_deviation_of_its_own_is_trained_by_likelihood(
    keras_on_cpu: Any, store: Store, tmp_path: Path
):
    run(tmp_path, store, variant("gaussian", {"channels": 2}, loss="gaussian"))
    model, (row,) = models.load(tmp_path / "model.keras"), history(tmp_path)
    assert model.meta["has_sigma"] is True and model.meta["outputs"] == ["efficiency"]
    rows = store.rows("val")
    said, sigma = task.ask(model, store.inputs[rows]).T
    truth, own = task.truth(store, rows), sigma / model.meta["sigma_scale"]
    assert (((said - truth) / sigma) ** 2).mean() == pytest.approx(1, rel=1e-4)
    assert row["val_loss"] == pytest.approx((((said - truth) / own) ** 2 / 2 + np.log(own)).mean(), rel=1e-3)


def test_a_loss_that_does_not_fit_the_network_stops_before_the_first_epoch(
    keras_on_cpu: Any, store: Store, tmp_path: Path
):
    with pytest.raises(InputError, match="Networks with a standard deviation take `loss: gaussian`"):
        run(tmp_path, store, variant("gaussian", {"channels": 2}, loss="per_sample"))
    assert not list(tmp_path.iterdir())


def test_a_training_that_was_cut_goes_on_as_if_it_had_not_been(
    keras_on_cpu: Any, store: Store, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    one_epoch = training.one_epoch

    def cut(network: Any, batches: Any, epoch: int, *more: Any) -> dict[str, float]:
        if epoch == 2:
            raise KeyboardInterrupt
        return one_epoch(network, batches, epoch, *more)

    with monkeypatch.context() as patch:
        patch.setattr(training, "one_epoch", cut)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, store, CODED)
    record = run(tmp_path, store, CODED)
    assert (record["resumed"], record["epochs"]) == (1, 2)
    whole, resumed = (models.load(folder / "model.keras") for folder in (trained, tmp_path))
    assert whole.meta["sigma_scale"] == pytest.approx(resumed.meta["sigma_scale"], rel=1e-4)
    weights = zip(whole.network.get_weights(), resumed.network.get_weights(), strict=True)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in weights)


def test_the_command_line_trains_with_a_parameter_file_of_the_original(
    keras_on_cpu: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    slip = {
        "seeds": [0],
        "split": {"val": 0.2, "test": 0.2, "seed": 50},
        "datasets": {"clay": {"source": "path", "path": str(source), "reader": "experiments"}},
        "variants": {"wide": {"model": "ssf_cnn", "args": {"channels": 8}, "fit": {"loss": "coded"}}},
    }
    Path("config.json").write_text(json.dumps({"title": "t", "tasks": {"slip": slip}}))
    params = {"learning_rate": 0.002, "batch_size": 64, "num_epochs": 1, "num_channels": 2, "use_random_flip": True}
    Path("params.json").write_text(json.dumps(params))
    words = "train slip --dataset clay --model_name ssf_cnn --params params.json --config config.json"
    assert cli.main(words.split()) == 0
    record = json.loads(Path("results/models/manual/ssf_cnn_clay.training.json").read_text())
    settings = record["variant"]
    assert settings["args"] == {"channels": 2} and settings["fit"]["loss"] == "per_sample"
    assert (settings["fit"]["learning_rate"], settings["fit"]["batch_size"], settings["fit"]["epochs"]) == (
        0.002,
        64,
        1,
    )
    assert models.load("results/models/manual/ssf_cnn_clay.keras").meta["args"] == {"channels": 2}
    assert cli.main([*words.split(), "--epochs", "x"]) == 2


def test_the_shipped_configurations_train_this_task():
    for name in ("config", "test", "long", "paper"):
        path = ROOT / f"config/{name}.yaml"
        resolved = config.resolve(config.read(path), path)["tasks"]["slip"]
        assert {v["fit"]["monitor"] for v in resolved["variants"].values()} <= {
            "val_loss",
            "val_r2",
            "val_accuracy_2sd",
        }
