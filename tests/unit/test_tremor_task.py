"""The tremor task as the generic rooms see it: batches, answers, classifier, threshold, audit, two-column splits."""

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit_settings

from geoml import config, models, splits
from geoml.errors import InputError
from geoml.fit import fit
from geoml.models import Estimator, Model
from geoml.store import Store, StoreWriter
from geoml.tasks.tremor import SAMPLES, answers, task
from geoml.tasks.tremor.datasets.tree import block
from geoml.tasks.tremor.features import NAMES, features_of
from geoml.train import train

OFF: dict[str, Any] = {"shift_s": 0, "mix": 0, "noise": 0, "ramp": 0, "polarity": False}
ON = OFF | {"shift_s": 10, "polarity": True}
USUAL = config.task_schema("tremor")["usual"]["fit"]
RUN = {"task": "tremor", "dataset": "bursts", "variant": "any", "seed": 0}
N = 64  # half of the traces are for training, an eighth for validation, a quarter for testing, the rest unused


class Fake(Model):
    """A network whose only output is made of its input (n, 20000, 1) by a function."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray], output: str = "tremor", **meta: Any) -> None:
        super().__init__(type("Network", (), {"output_names": [output]}), {"run": RUN} | meta)
        self.answer, self.output = answer, output

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        assert x.shape[1:] == (SAMPLES, 1)
        return {self.output: self.answer(x[..., 0])}


class FakeEstimator(Estimator):
    """An estimator that takes one feature, squeezed between 0 and 1, for p(tremor)."""

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        assert x.shape[1] == len(NAMES)
        return {"answer": two(1 / (1 + np.exp(-x[:, NAMES.index("amplitude_kurtosis")])))}


def two(p: Any) -> np.ndarray:
    """(n, 2) float32 probabilities of no tremor and tremor."""
    return np.column_stack([1 - np.asarray(p, float), p]).astype(np.float32)


def burst_share(waves: np.ndarray) -> np.ndarray:
    """(n, 2) probabilities by the peak of traces (n, 20000)."""
    return two(1 / (1 + np.exp(6 - np.abs(waves).max(axis=1))))


def bursts(n: int) -> np.ndarray:
    """(n, 20000) float32: noise, and in every second trace bursts."""
    waves = np.random.default_rng(0).standard_normal((n, SAMPLES), np.float32)
    for start in range(2000, SAMPLES, 4000):
        waves[1::2, start : start + 400] *= 5
    waves -= waves.mean(axis=1, keepdims=True)
    return waves / waves.std(axis=1, keepdims=True)


def write_bursts(folder: Path, n: int = N) -> Path:
    number = np.arange(n)
    rows = [
        {"id": f"trace_{k}", "group": f"event_{k // 8}", "station": f"YY.S{k // 2 % 4}", "component": "BHZ",
         "label": k % 2, "kind": ("", "noise", "tremor")[(k % 2) + (k % 4 > 1)], "distance_km": np.nan, "start": 0.0,
         "rate_hz": 20, "flat_s": 0, "clipped_s": 0, "after_origin_s": np.nan}
        for k in number.tolist()
    ]  # fmt: skip
    with StoreWriter(folder) as writer:
        writer.append(block(list(bursts(n)), rows, []))
        table = writer.columns()
        table["split"] = np.array([0, 0, 0, 0, 1, 2, 2, -1], np.int8)[number // 2 % 8]
        meta = {"task": "tremor", "dataset": "bursts", "data_source": "synthetic", "citation": "", "fold": None}
        meta |= {"prepare": {"norm": "per_trace"}, "split": {"by": ["group", "station"]}}
        writer.finish(table, meta | {"audit": task.audit(table, "bursts")})
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(write_bursts(tmp_path_factory.mktemp("data") / "bursts"))


def test_a_batch_has_the_rows_of_the_file_in_order_with_one_hot_labels(store: Store):
    x, y = task.batch(store, np.array([9, 2, 17, 2]), ["tremor"], np.random.default_rng(0), OFF)
    order = [2, 2, 9, 17]
    assert (x.dtype, x.shape, y.dtype) == (np.float32, (4, SAMPLES, 1), np.float32)
    assert np.array_equal(x[..., 0], store.inputs[order])
    assert y.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]] and store.samples["label"][order].tolist() == [0, 0, 1, 1]


def test_training_traces_are_augmented_and_validation_traces_are_not(store: Store):
    rows = store.rows("train")
    x, y = task.batch(store, rows, ["tremor"], np.random.default_rng(0), ON)
    assert (x[..., 0] != store.inputs[rows]).any(axis=1).all()
    assert np.array_equal(y.argmax(axis=1), task.truth(store, rows))
    x, targets = task.validation(store, ["embedding"])
    rows = store.rows("val")
    assert np.array_equal(x[..., 0], store.inputs[rows]) and list(targets) == ["embedding"]
    assert np.array_equal(targets["embedding"], np.eye(2)[task.truth(store, rows)])


def test_what_is_not_normalised_is_not_normalised_in_a_batch(tmp_path: Path):
    folder = write_bursts(tmp_path / "raw", 16)
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(content | {"prepare": {"norm": "none"}}))
    raw, _ = task.batch(Store(folder), np.arange(16), ["tremor"], np.random.default_rng(0), OFF | {"noise": 1.0})
    assert raw.std(axis=(1, 2)).max() > 1.2


def test_only_traces_of_the_right_length_are_taken():
    assert task.input_shape({"dataset": "here", "input_shape": [SAMPLES]}) == (SAMPLES, 1)
    with pytest.raises(InputError, match=r"here: input_shape: expected traces of 20000 samples, got \[100000\]"):
        task.input_shape({"dataset": "here", "input_shape": [100_000]})


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("tremor", "categorical_crossentropy"),
        *(("embedding", name) for name in ("deep_clustering", "whitened_kmeans", "supervised_contrastive")),
    ],
)
def test_every_loss_fits_one_kind_of_output(keras_on_cpu: Any, output: str, loss: str):
    assert list(task.losses([output], loss)) == [output]
    assert task.metrics([output]) == {output: ["accuracy"] if output == "tremor" else []}
    (other,) = {"tremor", "embedding"} - {output}
    with pytest.raises(InputError, match=f"fit: loss: expected one for the output '{other}', got '{loss}'"):
        task.losses([other], loss)


def test_an_unknown_loss_is_named_with_the_nearest(keras_on_cpu: Any):
    with pytest.raises(InputError, match=r"fit: loss: .*got 'deep_cluster'.*deep_clustering"):
        task.losses(["embedding"], "deep_cluster")


def test_a_network_is_asked_about_traces_and_an_estimator_about_their_features(store: Store):
    waves = store.inputs[:5]
    assert np.allclose(answers.ask(Fake(burst_share), waves), burst_share(waves))
    estimator = FakeEstimator(None, {})
    asked = task.outputs(estimator, features_of(waves))
    assert np.allclose(answers.ask(estimator, waves), asked) and asked.shape == (5, 2)
    rows = store.rows("test")
    assert np.allclose(task.features(store, rows), features_of(store.inputs[rows]), atol=1e-5)


def test_answers_are_at_the_temperature_of_the_model(store: Store):
    """A temperature of 1/2 squares the odds."""
    p = task.outputs(Fake(burst_share), store.inputs[:8]).astype(float)
    sure = task.outputs(Fake(burst_share, temperature=0.5), store.inputs[:8])
    assert np.allclose(sure[:, 1], p[:, 1] ** 2 / (p**2).sum(axis=1), atol=1e-6)


def summary(waves: np.ndarray) -> np.ndarray:
    """(n, 3) of any length: an embedding in which traces with bursts lie apart."""
    peak = np.abs(waves).max(axis=1)
    return np.column_stack([peak > 6, peak <= 6, 0.1 * np.sin(1e3 * waves[:, 0])]).astype(np.float32)


def test_a_network_that_embeds_answers_through_its_classifier(store: Store):
    model = Fake(summary, "embedding")
    found = task.calibrate(model, store)
    assert set(found) == {"classifier", "temperature", "threshold", "detection_threshold"}
    told = json.loads(json.dumps(found))  # as a model file tells it
    again = Fake(summary, "embedding", **told)
    rows = store.rows("test")
    p = task.outputs(again, store.inputs[rows])
    assert p.shape == (len(rows), 2) and np.allclose(p.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(p[:, 1] >= found["threshold"], task.truth(store, rows) == 1)
    assert np.array_equal(answers.embed(again, store.inputs[rows]), summary(store.inputs[rows]))


def test_the_classifier_of_embeddings_has_seen_the_training_traces_only(store: Store, monkeypatch: pytest.MonkeyPatch):
    from geoml.tasks.tremor import clustering

    given: list[Any] = []
    real = clustering.classifier
    monkeypatch.setattr(clustering, "classifier", lambda *told: given.append(told) or real(*told))
    task.calibrate(Fake(summary, "embedding"), store)
    ((embedding, label, seed),) = given
    rows = store.rows("train")
    assert np.array_equal(embedding, summary(store.inputs[rows])) and seed == RUN["seed"]
    assert np.array_equal(label, task.truth(store, rows))


def test_embeddings_of_two_numbers_are_not_taken_for_probabilities(store: Store):
    model = Fake(lambda waves: 10 * summary(waves)[:, :2] - 5, "embedding")
    model.meta |= task.calibrate(model, store)
    p = task.outputs(model, store.inputs[:8])
    assert np.allclose(p.sum(axis=1), 1, atol=1e-6) and np.array_equal(p.argmax(axis=1), store.samples["label"][:8])


@pytest.mark.parametrize("model", [Fake(burst_share), FakeEstimator(None, {})], ids=["network", "estimator"])
def test_temperature_and_threshold_are_those_of_the_validation_traces(store: Store, model: Any):
    found = task.calibrate(model, store)
    assert set(found) == {"temperature", "threshold", "detection_threshold"} and "temperature" not in model.meta
    rows = store.rows("val")
    model = type(model)(burst_share, **found) if isinstance(model, Fake) else FakeEstimator(None, found)
    p = answers.ask(model, store.inputs[rows])[:, 1]
    assert np.array_equal(p >= found["threshold"], task.truth(store, rows) == 1)
    assert 0.049 < found["temperature"] < 20.1 and 0 < found["threshold"] < 1


def test_answers_that_know_nothing_have_the_largest_temperature_and_call_everything(store: Store):
    wrong = Fake(lambda waves: two(np.where(np.abs(waves).max(axis=1) > 6, 0.1, 0.9)))
    assert task.calibrate(wrong, store)["temperature"] == pytest.approx(20, rel=1e-3)
    constant = task.calibrate(Fake(lambda waves: two(np.full(len(waves), 0.5))), store)
    assert constant["threshold"] == 0.25 and np.isfinite(constant["temperature"])


def by_hand(label: np.ndarray, score: np.ndarray) -> float:
    """The largest F1 that any threshold gives."""
    found = []
    for t in np.unique(score):
        called = score >= t
        found.append(2 * (called & (label == 1)).sum() / (called.sum() + (label == 1).sum()))
    return max(found)


@pytest.mark.parametrize("levels", [3, 10, 10_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_threshold_has_a_larger_f1(levels: int, dtype: type):
    rng = np.random.default_rng(levels)
    for _ in range(50):
        label = rng.integers(0, 2, 30)
        label[:1] = 1
        score = (rng.integers(0, levels, 30) / levels).astype(dtype)
        t = task.best_threshold(label, score)
        called = score >= t
        assert 2 * (called & (label == 1)).sum() / (called.sum() + (label == 1).sum()) == by_hand(label, score)
        assert t not in score or t == 0


def test_the_threshold_lies_halfway_to_the_next_lower_score():
    assert task.best_threshold(np.array([0, 1, 0, 1]), np.array([0.2, 0.9, 0.4, 0.8])) == pytest.approx(0.6)
    assert task.best_threshold(np.array([1, 1]), np.array([0.4, 0.8])) == pytest.approx(0.2)
    assert task.best_threshold(np.array([1, 0, 1, 0]), np.full(4, 0.5)) == pytest.approx(0.25)


def test_the_threshold_parts_scores_that_single_precision_can_only_just_tell_apart():
    high = np.float32(1) - np.arange(1, 40, dtype=np.float32) * np.float32(2**-24)
    for tremor, other in pairwise(high):
        score = np.array([other, tremor])
        t = task.best_threshold(np.array([0, 1]), score)
        assert (score >= t).tolist() == [False, True] and float(other) < t <= float(tremor)
        assert task.detection_threshold(np.array([0, 1]), score) == t


def test_without_tremor_or_with_nothing_else_there_is_a_threshold():
    score = np.array([0.1, 0.6, 0.3])
    assert 0 < task.best_threshold(np.zeros(3, int), score) < 1
    assert task.best_threshold(np.ones(3, int), score) == pytest.approx(0.05)


def test_validation_scores_of_probabilities_and_of_embeddings():
    y = np.eye(2)[[0, 0, 1, 1]]
    assert task.monitor({"tremor": y}, {"tremor": two([0.1, 0.9, 0.8, 0.7])}) == {"accuracy": 0.75}
    embedding = np.array([[1, 0], [2, 0.1]] * 12 + [[0, 1], [0, 3]] * 12)
    y = np.eye(2)[[0] * 24 + [1] * 24]
    assert task.monitor({"embedding": y}, {"embedding": embedding}) == {"accuracy": 1}
    y[0] = y[0, ::-1]
    assert task.monitor({"embedding": y}, {"embedding": embedding})["accuracy"] == pytest.approx(47 / 48)


def test_embeddings_of_some_epochs_are_kept_and_probabilities_never():
    embedding = np.float32([[0.123456, -1], [2, 3]])
    assert task.by_epoch(5, {"embedding": embedding}) == [[0.1235, -1], [2, 3]]
    assert task.by_epoch(6, {"embedding": embedding}) is None
    assert task.by_epoch(5, {"tremor": embedding}) is None


def table(*rows: tuple[str, str, int, int], **more: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of rows (event, station, label, split), strings as the writer has them."""
    group, station, label, split = zip(*rows, strict=True)
    columns = {"group": np.array(group, "S"), "station": np.array(station, "S"), "label": np.int8(label)}
    columns |= {"kind": np.array(["tremor" if k else "" for k in label], "S"), "split": np.int8(split)}
    return columns | {"rate_hz": np.full(len(rows), 20, np.float32)} | more


EVEN = [("A", "S", 0, 0), ("A", "S", 1, 0), ("B", "T", 0, 1), ("B", "T", 1, 1), ("C", "S", 0, 2), ("D", "T", 1, 2)]


def test_the_audit_counts_what_the_sets_share_and_what_tells_the_classes_apart():
    rows = [*EVEN, ("A", "U", 0, 2), ("E", "S", 1, -1), ("E", "V", 0, -1)]
    rates = np.float32([20, 20, 20, 20, 20, 20, 100, 50, 50])
    assert task.audit(table(*rows, rate_hz=rates), "here") == {
        "tremor traces": 4,
        "events of one class only": "2 of 5",
        "stations of one class only": "2 of 4",
        "sampling rates of one class only": "1 of 3",
        "test traces of events in train": 1,
        "test traces of stations in train": 1,
        "test traces": 3,
        "unused traces": 2,
    }


@pytest.mark.parametrize("split", [0, 1, 2])
@pytest.mark.parametrize(("label", "words"), [(0, "no tremor"), (1, "tremor")])
def test_a_set_without_a_class_is_an_error(split: int, label: int, words: str):
    name = ("train", "val", "test")[split]
    rows = [row for row in EVEN if row[2:] != (label, split)] + [("E", "S", label, -1)]
    with pytest.raises(InputError, match=f"here: split: expected traces with {words} in the {name} set, got none"):
        task.audit(table(*rows), "here")


def test_kinds_in_any_script_and_none_at_all_are_counted():
    kinds = np.char.encode(np.array(["séisme", "tremor", "", "雑音", "tremor", "séisme"]), "utf-8")
    found = task.audit(table(*EVEN, kind=kinds), "here")
    assert (found["séisme traces"], found["雑音 traces"], found["tremor traces"]) == (2, 1, 2)
    assert found == task.audit(table(*EVEN, kind=np.char.decode(kinds, "utf-8")), "here")
    assert " traces" not in found
    assert not [name for name in task.audit(table(*EVEN, kind=np.full(6, b"")), "here") if name == "tremor traces"]


def test_before_the_split_the_audit_says_only_what_tells_the_classes_apart():
    columns = table(*EVEN)
    del columns["split"]
    found = task.audit(columns, "here")
    assert found["events of one class only"] == "2 of 4" and "test traces" not in found


def test_with_events_and_stations_held_out_the_audit_finds_nothing_shared():
    label = np.random.default_rng(0).integers(0, 2, 600).tolist()
    columns = table(*((f"E{k // 15}", f"S{k % 12}", label[k], 0) for k in range(600)))
    del columns["split"]
    columns["split"] = splits.assign(columns, by=["group", "station"], val=0.2, test=0.2, seed=0, where="here")
    found = task.audit(columns, "here")
    assert found["test traces of events in train"] == found["test traces of stations in train"] == 0
    assert found["unused traces"] == (columns["split"] == -1).sum() > 0
    assert found["test traces"] == (columns["split"] == 2).sum() > 0


def build_encoder(input_shape: tuple[int, int], classes: int) -> Any:
    """A small network with one output ``embedding`` (b, 3)."""
    import keras

    wave = keras.Input(input_shape, name="waveform")
    x = keras.layers.AveragePooling1D(200)(keras.layers.Rescaling(1.0)(wave) ** 2)
    x = keras.layers.Conv1D(8, 5, activation="relu")(x)
    x = keras.layers.Concatenate()([keras.layers.GlobalMaxPooling1D()(x), keras.layers.GlobalAveragePooling1D()(x)])
    return keras.Model(wave, keras.layers.Dense(3, name="embedding")(x))


def build_detector(input_shape: tuple[int, int], classes: int) -> Any:
    import keras

    encoder = build_encoder(input_shape, classes)
    answer = keras.layers.Dense(classes, activation="softmax", name="tremor")(encoder.output)
    return keras.Model(encoder.input, answer)


def run(folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, build: Any, **changes: Any) -> dict[str, Any]:
    """Train one of the small networks for two epochs."""
    monkeypatch.setattr("geoml.tasks.tremor.models.convnet.build", build)
    settings = fit_settings() | USUAL | {"epochs": 2, "batch_size": 16, "learning_rate": 0.01} | changes
    variant = {"model": "convnet", "args": {}, "fit": settings, "augment": ON}
    files = (folder / name for name in ("model.keras", "history.csv", "training.json", "checkpoint.npz"))
    return train(RUN, variant, store.folder, *files, device="cpu")


def test_a_network_that_embeds_is_trained_chosen_and_calibrated(
    keras_on_cpu: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    changes = {"loss": "supervised_contrastive", "monitor": "val_accuracy", "monitor_mode": "max"}
    record = run(tmp_path, store, monkeypatch, build_encoder, **changes)
    val = store.rows("val")
    assert list(record["by_epoch"]) == ["1"] and np.shape(record["by_epoch"]["1"]) == (len(val), 3)
    assert (record["n_train"], record["n_val"]) == (N // 2, N // 8)
    with open(tmp_path / "history.csv", newline="", encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert len(history) == 2 and {"loss", "val_loss", "val_accuracy"} <= set(history[0])
    model = models.load(tmp_path / "model.keras")
    assert {"classifier", "temperature", "threshold", "prepare", "rate_hz"} <= set(model.meta)
    p = answers.ask(model, store.inputs[val])
    assert p.shape == (len(val), 2) and np.isfinite(p).all()
    assert answers.embed(model, store.inputs[val]).shape == (len(val), 3)


def test_a_network_with_probabilities_is_trained_and_calibrated(
    keras_on_cpu: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    record = run(tmp_path, store, monkeypatch, build_detector)
    assert record["by_epoch"] == {}
    model, val = models.load(tmp_path / "model.keras"), store.rows("val")
    assert "classifier" not in model.meta and set(model.meta["outputs"]) == {"tremor"}
    label, p = task.truth(store, val), answers.ask(model, store.inputs[val])[:, 1]
    called = p >= model.meta["threshold"]
    assert 2 * (called & (label == 1)).sum() / (called.sum() + label.sum()) == by_hand(label, p)


def test_a_loss_that_does_not_fit_the_network_stops_before_the_first_epoch(
    keras_on_cpu: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(InputError, match="Probabilities learn with categorical_crossentropy, embeddings with the"):
        run(tmp_path, store, monkeypatch, build_encoder)
    assert not list(tmp_path.iterdir())


def test_a_baseline_is_fitted_to_the_features_and_calibrated(store: Store, tmp_path: Path):
    variant = {"model": "baseline", "args": {"classifier": "logistic"}, "fit": fit_settings(), "augment": {}}
    record = fit(RUN, variant, store.folder, tmp_path / "model.skops", tmp_path / "training.json")
    assert record["val_score"] == 1 and record["n_val"] == N // 8
    model, rows = models.load(tmp_path / "model.skops"), store.rows("test")
    p = task.outputs(model, task.features(store, rows))[:, 1]
    assert np.array_equal(p >= model.meta["threshold"], task.truth(store, rows) == 1)
    assert np.allclose(p, answers.ask(model, store.inputs[rows])[:, 1], atol=1e-4)


def test_the_usual_settings_are_a_whole_configuration():
    tremor = {"datasets": {"here": {"source": "synthetic", "rows": 120, "reader": "tree"}}, "seeds": [0]}
    tremor |= {"variants": {"convnet": {"model": "convnet"}, "floor": {"model": "baseline", "args": {"sees": "floor"}}}}
    found = config.resolve({"title": "t", "tasks": {"tremor": tremor}}, "test")["tasks"]["tremor"]
    assert found["datasets"]["here"]["split"]["by"] == ["group", "station"]
    assert set(found["variants"]["convnet"]["augment"]) == set(OFF)
    assert set(found["columns"]) >= {"accuracy", "pr_auc"}


def test_the_detection_threshold_lets_at_most_one_in_twenty_pass_that_are_not_tremor():
    rng = np.random.default_rng(0)
    label, score = np.repeat([0, 1], 100), np.round(np.concatenate([rng.beta(2, 4, 100), rng.beta(4, 2, 100)]), 2)
    t = task.detection_threshold(label, score)
    assert (score[:100] >= t).mean() <= 0.05
    lower = score[score < t].max()
    assert (score[:100] >= lower).mean() > 0.05, "no lower one does"
    assert task.detection_threshold(np.array([0, 0, 1]), np.array([0.2, 0.6, 0.8])) == pytest.approx(0.7)
    assert task.detection_threshold(np.array([0, 0, 1]), np.array([0.2, 0.6, 0.4])) == pytest.approx(0.8)
    assert task.detection_threshold(np.array([1, 1]), np.array([0.4, 0.8])) == pytest.approx(0.2)


@pytest.mark.parametrize("levels", [1, 3, 10_000])
@pytest.mark.parametrize("wrong", [1, 19, 20, 40])
def test_the_detection_threshold_holds_among_equal_scores_and_where_they_are_1(wrong: int, levels: int):
    rng = np.random.default_rng(levels)
    label = rng.permutation(np.arange(wrong + 20) >= wrong).astype(np.int8)
    score = (rng.integers(1, levels + 1, len(label)) / levels).astype(np.float32)
    t = task.detection_threshold(label, score)
    assert (score[label == 0] >= t).sum() <= 0.05 * wrong
    lower = score[score < t].max()
    assert (score[label == 0] >= lower).sum() > 0.05 * wrong
