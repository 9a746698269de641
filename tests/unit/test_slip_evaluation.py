"""What is reported of one slip run: details, compatible figures, intervals, changed maps, saliency, its figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit_settings

from geoml import models
from geoml.evaluate import evaluate as evaluate_run
from geoml.evaluate import predict
from geoml.files import write_json
from geoml.fit import fit
from geoml.models import Model
from geoml.predictions import Predictions, load
from geoml.store import Block, Store, StoreWriter
from geoml.tasks.slip import evaluation, maps, task
from geoml.tasks.slip.datasets.experiments import table
from geoml.tasks.slip.evaluation import BATCH, LEVELS, SHOWN, compat, coverage, evaluate, integrated_gradients
from geoml.tasks.slip.figures import draw_run

N = 160  # half of the samples are for training, a quarter each for validation and test
RUN = {"task": "slip", "dataset": "lines", "variant": "tried", "seed": 0}
FIGURES = {"cross_plot", "efficiency_in_time", "intervals", "robustness"}
SCORES = {"mae", "rmse", "bias", "r2", "accuracy_2sd", "accuracy_1sd"}


def lines(n: int) -> np.ndarray:
    """(n, 128, 64) uint8: a fault of 4 to 63 columns, three pixels thick, at any row."""
    rng = np.random.default_rng(0)
    found = np.zeros((n, 128, 64), np.uint8)
    for each in found:
        row = rng.integers(20, 100)
        each[row : row + 3, : rng.integers(4, 64)] = 1
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A prepared set of five experiments of two conditions: the efficiency is the share of columns with a fault."""
    inputs, number = lines(N), np.arange(N)
    share = inputs.any(1).mean(1)
    numbers = {"window": number % 5, "frame": number // 5, "velocity": np.ones(N), "sd": 0.02 + 0.04 * (number % 3)}
    columns = table("EB_050_1", inputs, numbers | {"efficiency": share}, N // 5)
    columns["group"] = np.array([("EB_050_1", "EB_050_2", "PP_025_1", "PP_025_2", "PP_025_3")[i % 5] for i in number])
    columns["condition"] = np.array([name[:6] for name in columns["group"]])
    folder = tmp_path_factory.mktemp("data") / "lines"
    with StoreWriter(folder, keep_duplicates=True) as writer:
        writer.append(Block(inputs, columns))
        told = writer.columns()
        told["split"] = np.array([0, 1, 0, 2], np.int8)[number % 4]
        meta = {"task": "slip", "dataset": "lines", "data_source": "synthetic", "citation": "", "prepare": {}}
        writer.finish(told, meta | {"split": {"by": "group"}, "audit": task.audit(told, "lines")})
    return Store(folder)


class Counting(Model):
    """Says the number of fault pixels over 200, and a deviation of 0.01."""

    def __init__(self, **meta: Any) -> None:
        super().__init__(None, {"sigma_scale": 2.0, "has_sigma": True} | meta)

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        count = x.sum((1, 2, 3), dtype=float)
        return {"efficiency": np.column_stack([count / 200, np.full(len(x), 0.01)])}


def linear(keras: Any, outputs: int = 1) -> Any:
    """A network without a hidden layer; with several outputs, means and deviations."""
    from geoml.tasks.slip.models._blocks import MeanAndSigma

    keras.utils.set_random_seed(0)
    faults = keras.Input((128, 64, 1), name="map")
    said = keras.layers.Dense(outputs, name="efficiency" if outputs == 1 else "raw")(keras.layers.Flatten()(faults))
    network = keras.Model(faults, said if outputs == 1 else MeanAndSigma(name="efficiency")(said))
    network.layers[2].set_weights([w + 0.3 * (w.ndim == 1) for w in network.layers[2].get_weights()])
    return network


def predictions(n: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 1, n)
    output = np.column_stack([truth + rng.normal(0, 0.1, n), np.full(n, 0.1)])
    return Predictions(np.zeros(n, int), truth, output, strata={"sd": rng.choice([0.0, 0.04, 0.1], n)})


@pytest.fixture(scope="module")
def counted(store: Store) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Predictions]]:
    model = Counting()
    sets = {name: predict(model, task, store, name) for name in ("test", "val", "train")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "integrated_gradients", lambda network, of: of * 0.5)
        return *evaluate(model, store, *sets.values()), sets


def test_figures_comparable_with_the_archived_history_are_means_of_full_batches_only():
    p = predictions(2 * BATCH + 88)
    p.output[2 * BATCH :, 0] += 100  # in the batch that is not full
    losses, right, both = [], [], []
    for first in (0, BATCH):
        rows = range(first, first + BATCH)
        errors = [float(p.output[i, 0] - p.truth[i]) for i in rows]
        spreads = [float(p.strata["sd"][i]) for i in rows]
        mse = sum(e**2 for e in errors) / BATCH
        losses.append(sum(mse / (s**2 + 1e-5) for s in spreads) / BATCH)
        right.append(sum(abs(e) <= 2 * s for e, s in zip(errors, spreads, strict=True)) / BATCH)
        off = [e**2 + float(p.output[i, 0] - s) ** 2 for i, e, s in zip(rows, errors, spreads, strict=True)]
        both.append(sum(off) / (2 * BATCH))
    expected = {"n": 2 * BATCH, "loss": sum(losses) / 2, "accuracy_2sd": sum(right) / 2, "mse": sum(both) / 2}
    assert compat(p) == pytest.approx(expected)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_without_a_full_batch_nothing_is_comparable():
    assert compat(predictions(BATCH - 1)) == {}
    assert compat(predictions(BATCH))["n"] == BATCH


def test_coverage_counts_errors_within_normal_quantiles():
    """Errors of 0.5, 1.5 and 2.5 sigma: 50 % reaches 0.674 sigma, 90 % 1.645, 99 % 2.576."""
    sigma = np.array([0.1, 0.2, 0.4])
    output = np.column_stack([np.array([0.5, -1.5, 2.5]) * sigma, sigma])
    p = Predictions(np.zeros(3, int), np.zeros(3), output)
    found = dict(zip(LEVELS, coverage(p), strict=True))
    assert [found[level] for level in (0.3, 0.5, 0.8, 0.9, 0.954, 0.99)] == [0, *[pytest.approx(1 / 3)] * 2,
                                                                            *[pytest.approx(2 / 3)] * 2, 1]  # fmt: skip
    assert coverage(p, 10)[-1] == 1 and coverage(p, 10)[2] == 1 and coverage(p, 0.1)[-1] == pytest.approx(0)


def test_intervals_of_right_deviations_cover_what_they_say():
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.05, 0.3, 20_000)
    p = Predictions(np.zeros(20_000, int), np.zeros(20_000), np.column_stack([rng.normal(0, sigma), sigma]))
    assert np.allclose(coverage(p), LEVELS, atol=0.012)


def test_bins_of_efficiency_begin_at_their_lower_edge():
    values = np.array([-0.1, 0.1999, 0.2, 0.4, 0.5999, 0.6, 0.8, 1.2])
    names = ["below 0.2"] * 2 + ["0.2 to 0.4"] + ["0.4 to 0.6"] * 2 + ["0.6 to 0.8"] + ["from 0.8"] * 2
    assert evaluation._bins(values).tolist() == names


def test_details_are_json_and_count_every_test_map_once(store: Store, counted: Any):
    details, _, sets = counted
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    for name in ("by_efficiency", "by_experiment", "by_condition"):
        assert sum(part["n"] for part in details[name].values()) == len(sets["test"]) == N // 4
        assert all(set(part) == SCORES | {"n"} for part in details[name].values())
    assert set(details["by_condition"]) == {"EB_050", "PP_025"} and len(details["by_experiment"]) == 5
    assert details["overlap"] == store.meta["audit"] and details["compat"] == {"train": {}, "val": {}, "test": {}}


def test_scores_of_a_kind_are_those_of_its_maps_alone(store: Store, counted: Any):
    rows = store.rows("test")
    mine = rows[store.samples["condition"][rows] == "PP_025"]
    error = store.inputs[mine].sum((1, 2)) / 200 - store.samples["efficiency"][mine]
    truth, sd = store.samples["efficiency"][mine], store.samples["sd"][mine]
    found = counted[0]["by_condition"]["PP_025"]
    expected = {
        "n": len(mine),
        "mae": np.abs(error).mean(),
        "rmse": np.sqrt((error**2).mean()),
        "bias": error.mean(),
        "r2": 1 - (error**2).mean() / truth.var(),
        "accuracy_2sd": (np.abs(error) <= 2 * sd).mean(),
        "accuracy_1sd": (np.abs(error) <= sd).mean(),
    }
    assert found == pytest.approx(expected)


def test_own_intervals_are_without_the_scale_and_only_where_there_are_any(store: Store, counted: Any):
    details, _, sets = counted
    said = sets["test"].output[:, 0]
    error = np.abs(said - sets["test"].truth)
    level = LEVELS.index(0.683)
    assert details["intervals"]["own"][level] == pytest.approx((error <= 1.0006 * 0.01).mean())
    assert details["intervals"]["scaled"][level] == pytest.approx((error <= 1.0006 * 0.02).mean())
    assert details["intervals"]["own"][level] < details["intervals"]["scaled"][level]
    model = Counting(has_sigma=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "integrated_gradients", lambda network, of: of * 0.5)
        found, _ = evaluate(model, store, sets["test"], sets["val"], sets["train"])
    assert found["intervals"]["own"] is None


def test_answers_to_changed_maps_are_those_of_the_changed_maps(store: Store, counted: Any):
    found = counted[0]["robustness"]
    drawn = store.inputs[store.rows("test")]
    assert {part["n"] for part in found.values()} == {N // 4}
    assert found["as mapped"]["mean_change"] == pytest.approx(0, abs=1e-6)
    for thickness in (2, 3, 4):
        more = maps.redrawn(drawn, thickness).sum(dtype=float) - drawn.sum(dtype=float)
        change = found[f"redrawn {thickness} px thick"]["mean_change"]
        assert change == pytest.approx(more / len(drawn) / 200, abs=1e-6)
    assert found["redrawn 2 px thick"]["mean_change"] < 0 < found["redrawn 4 px thick"]["mean_change"]
    assert 0 < found["5% noise"]["mean_change"] < found["20% noise"]["mean_change"]
    assert found["30% missing"]["mean_change"] < found["10% missing"]["mean_change"] < 0
    truth = store.samples["efficiency"][store.rows("test")]
    said = maps.redrawn(drawn, 4).sum((1, 2)) / 200
    assert found["redrawn 4 px thick"]["mae"] == pytest.approx(np.abs(said - truth).mean())


def test_no_more_maps_than_needed_are_drawn_otherwise(store: Store, counted: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluation, "TRIED", 7)
    sets = counted[2]
    monkeypatch.setattr(evaluation, "integrated_gradients", lambda network, of: of * 0.5)
    found = evaluate(Counting(), store, sets["test"], sets["val"], sets["train"])[0]["robustness"]
    assert {part["n"] for part in found.values()} == {7}
    assert found["as mapped"]["mean_change"] == pytest.approx(0, abs=1e-6)


def test_examples_hold_truth_answer_and_sd_of_every_set(store: Store, counted: Any):
    _, examples, sets = counted
    for name, p in sets.items():
        rows = store.rows(name)
        expected = [store.samples["efficiency"][rows], store.inputs[rows].sum((1, 2)) / 200, store.samples["sd"][rows]]
        assert np.allclose(examples[name], np.column_stack(expected)) and len(p) == len(rows)
    assert np.array_equal(examples["experiment"], store.samples["group"][store.rows("test")])
    assert np.array_equal(examples["progress"], store.samples["progress"][store.rows("test")])


def test_maps_are_shown_from_the_lowest_efficiency_to_the_highest(counted: Any):
    _, examples, sets = counted
    shares = examples["maps"].any(1).mean(1)
    assert len(shares) == SHOWN and np.array_equal(shares, np.sort(shares))
    assert (shares[0], shares[-1]) == (sets["test"].truth.min(), sets["test"].truth.max())


def test_gradients_of_a_linear_network_are_its_weights_and_add_up(keras_on_cpu: Any):
    network, some = linear(keras_on_cpu), lines(3)
    found = integrated_gradients(network, some)
    weights = network.layers[2].get_weights()[0].reshape(128, 64)
    assert found.dtype == np.float32 and np.allclose(found, some * weights, atol=1e-6)
    said = network.predict_on_batch(some[..., None])[:, 0]
    empty = network.predict_on_batch(np.zeros((1, 128, 64, 1)))[0, 0]
    assert np.allclose(found.sum((1, 2)), said - empty, atol=1e-5)


def test_gradients_of_members_are_of_the_mean_of_their_means(keras_on_cpu: Any):
    network, some = linear(keras_on_cpu, 10), lines(2)
    weights = network.layers[2].get_weights()[0][:, 0::2].mean(1).reshape(128, 64)
    assert np.allclose(integrated_gradients(network, some), some * weights, atol=1e-6)


def test_gradients_of_a_curved_network_add_up_nearly(keras_on_cpu: Any):
    from geoml.tasks.slip.models.gaussian import build

    keras_on_cpu.utils.set_random_seed(1)
    network, some = build((128, 64, 1), 0, channels=2), lines(4)
    answer = np.asarray(network(some[..., None].astype(np.float32), training=False))[:, 0]
    empty = float(np.asarray(network(np.zeros((1, 128, 64, 1), np.float32), training=False))[0, 0])
    sums = integrated_gradients(network, some, steps=64).sum((1, 2))
    assert np.ptp(answer) > 0.05 and np.allclose(sums, answer - empty, atol=0.02)


def trained(keras: Any, store: Store, folder: Path, outputs: int) -> Path:
    """A model folder as a training leaves it, of a network that has not learnt anything."""
    network = linear(keras, outputs)
    meta = models.describe(RUN, {"model": "gaussian", "args": {}}, task, store.meta)
    meta |= {"input_shape": [128, 64, 1], "outputs": ["efficiency"]}
    models.save(folder / "model.keras", network, meta | task.calibrate(Model(network, meta), store))
    (folder / "history.csv").write_text(
        "epoch,learning_rate,loss,accuracy_2sd,val_loss,val_r2,val_accuracy_2sd\n1,0.1,3,0.2,4,-1,0.1\n"
        "2,0.1,2,0.3,3,0.5,0.2\n"
    )
    record = {"variant": {"model": "gaussian", "args": {}}, "n_train": N // 2, "n_val": N // 4, "epochs": 2}
    write_json(folder / "training.json", record)
    return folder / "model.keras"


def drawn(folder: Path) -> set[str]:
    """Stems of the figures of a run; each is there as PNG and SVG."""
    names = {path.name for path in folder.iterdir() if path.stat().st_size > 5000}
    stems = {Path(name).stem for name in names}
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    return stems


def check_evaluation(folder: Path, store: Store, content: dict[str, Any]) -> None:
    """What is true of every evaluation: files, splits, and scores that follow from the predictions that are kept."""
    assert json.loads((folder / "metrics.json").read_text()) == content
    kept = load(folder / "predictions.csv.gz", ())
    assert [split for _, split in kept] == ["test", "val", "train"]
    for (_, split), p in kept.items():
        rows = store.rows(split)
        assert np.array_equal(p.id, store.samples["id"][rows]) and p.output.shape == (len(rows), 2)
        assert np.allclose(p.truth, store.samples["efficiency"][rows], atol=1e-6)
        assert np.allclose(p.strata["sd"], store.samples["sd"][rows], rtol=1e-5)
        assert np.array_equal(p.strata["frame"], store.samples["frame"][rows])
        assert np.array_equal(p.strata["condition"], store.samples["condition"][rows])
    p = kept["lines", "test"]
    error = np.abs(p.output[:, 0] - p.truth)
    assert content["scores"]["mae"] == pytest.approx(error.mean(), abs=1e-5)
    assert content["scores"]["accuracy_2sd"] == pytest.approx((error <= 2 * p.strata["sd"]).mean(), abs=1e-6)
    assert content["scores"]["coverage_1sigma"] == pytest.approx((error <= p.output[:, 1]).mean(), abs=1e-6)
    assert (content["n_train"], content["n_val"], content["n_test"]) == (N // 2, N // 4, N // 4)


@pytest.mark.parametrize("outputs", [1, 10])
def test_a_network_is_evaluated_with_predictions_of_all_sets_and_all_figures(
    keras_on_cpu: Any, store: Store, tmp_path: Path, outputs: int
):
    path = trained(keras_on_cpu, store, tmp_path / "model", outputs)
    content = evaluate_run(path, [store.folder], tmp_path / "evaluation")
    check_evaluation(tmp_path / "evaluation", store, content)
    assert drawn(tmp_path / "evaluation/figures") == FIGURES | {"training", "saliency"}
    assert (content["details"]["intervals"]["own"] is None) is (outputs == 1)


def test_a_baseline_is_evaluated_without_training_and_saliency_figures(store: Store, tmp_path: Path):
    variant = {"model": "baseline", "args": {"regressor": "ridge"}, "fit": fit_settings(), "augment": {}}
    fit(RUN, variant, store.folder, tmp_path / "model/model.skops", tmp_path / "model/training.json")
    content = evaluate_run(tmp_path / "model/model.skops", [store.folder], tmp_path / "evaluation")
    check_evaluation(tmp_path / "evaluation", store, content)
    assert drawn(tmp_path / "evaluation/figures") == FIGURES
    assert content["scores"]["r2"] > 0.99 and content["details"]["robustness"]["30% missing"]["mean_change"] < 0


def test_figures_show_every_point_of_a_run(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The red points of a cross-plot are those beyond 2 SD, and its title says their share."""
    from geoml.tasks.slip import figures

    details, examples, _ = counted
    seen: dict[str, tuple[int, int, str]] = {}
    draw_cross = figures._draw_cross

    def watched(axes: Any, points: np.ndarray, split: str, hue: str) -> None:
        draw_cross(axes, points, split, hue)
        drawn = [len(line.get_xdata()) for line in axes.lines]
        seen[split] = drawn[1], drawn[2], axes.get_title(loc="left")

    monkeypatch.setattr(figures, "_draw_cross", watched)
    content = {"run": RUN, "data_source": "synthetic", "n_test": N // 4, "n_train": N // 2, "details": details}
    draw_run(tmp_path, content, {}, examples)
    for split in ("train", "val", "test"):
        truth, said, sd = examples[split].T
        off = int((np.abs(said - truth) > 2 * sd).sum())
        assert seen[split][:2] == (len(truth) - off, off)
        assert f"n = {len(truth)} maps: {off / len(truth):.1%} beyond" in seen[split][2]
