"""Scores, predictions and intervals against cases worked by hand."""

import math

import numpy as np
import pytest

from geoml.bootstrap import interval, intervals, paired, resample
from geoml.errors import InputError
from geoml.metrics import find, names
from geoml.predictions import Predictions, concatenated, load, save

CLASSES = ("U", "D", "N")
# [true, predicted]; the columns sum to 10, 8, 7, the rows to 10, 7, 8
WORKED = np.array([[7, 2, 1], [1, 5, 1], [2, 1, 5]])


def from_confusion(confusion: np.ndarray, confidence: float = 0.9) -> Predictions:
    """Predictions with this confusion; the losing classes share the rest, the lower code a little more."""
    cells = np.argwhere(np.ones_like(confusion)).repeat(confusion.ravel(), axis=0)
    truth, called = cells.astype(np.int8).T
    output = np.full((len(truth), len(confusion)), (1 - confidence) / 2) + np.array([0.001, 0.0, -0.001])
    output[np.arange(len(truth)), called] = confidence
    return Predictions(np.arange(len(truth)), truth, output.astype(np.float32), CLASSES)


def score(name: str, p: Predictions) -> float:
    return find("polarity", name, CLASSES)(p)


def random_predictions(n: int, skill: float, seed: int = 0, groups: int = 60) -> Predictions:
    truth = np.random.default_rng(1).integers(0, 3, n).astype(np.int8)
    group = np.random.default_rng(2).integers(0, groups, n)
    powers = np.exp(np.random.default_rng(seed).normal(size=(n, 3)) + skill * np.eye(3)[truth])
    output = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(group, truth, output, CLASSES, np.array([f"trace{i}" for i in range(n)]))


def roc(k: int) -> float:
    """Area for class k by counting all pairs."""
    p = from_confusion(WORKED)
    value, positive = p.output[:, k], p.truth == k
    pairs = value[positive][:, None] - value[~positive]
    return float(((pairs > 0) + (pairs == 0) / 2).mean())


EXPECTED = {
    "accuracy": 17 / 25,
    "balanced_accuracy": (7 / 10 + 5 / 7 + 5 / 8) / 3,
    "precision_u": 7 / 10,
    "precision_d": 5 / 8,
    "precision_n": 5 / 7,
    "recall_u": 7 / 10,
    "recall_d": 5 / 7,
    "recall_n": 5 / 8,
    "f1_u": 7 / 10,
    "f1_d": 10 / 15,
    "f1_n": 10 / 15,
    "macro_f1": (7 / 10 + 10 / 15 + 10 / 15) / 3,
    "f1_weighted": (10 * 7 / 10 + 7 * 10 / 15 + 8 * 10 / 15) / 25,
    "roc_auc": (roc(0) + roc(1) + roc(2)) / 3,
    "mcc": (17 * 25 - (100 + 56 + 56)) / math.sqrt((625 - 213) * (625 - 213)),
    "app_precision_u": 7 / 8,
    "app_precision_d": 5 / 7,
    "app_precision_n": 5 / 7,
    "coverage": 18 / 25,
    "selective_accuracy": 12 / 18,
    "expected_calibration_error": 0.9 - 17 / 25,
    # true U called N lean to U, true D called N lean to U as well: 8 of 10 and 5 of 7 right
    "strict_ud_accuracy": 13 / 17,
    "strict_ud_macro_f1": (16 / 20 + 10 / 14) / 2,
    "strict_ud_mcc": (8 * 5 - 2 * 2) / math.sqrt(10 * 7 * 10 * 7),
    # one confidence for all readings, so one step: coverage times accuracy
    "selective_area": 18 / 25 * 12 / 18,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_worked_case(name: str) -> None:
    assert score(name, from_confusion(WORKED)) == pytest.approx(EXPECTED[name], abs=1e-6)


def test_every_score_is_worked_by_hand() -> None:
    assert set(EXPECTED) == set(names("polarity", CLASSES))


def test_zero_by_zero_is_undefined_not_zero() -> None:
    only_up = from_confusion(np.array([[4, 0, 0], [0, 0, 0], [0, 0, 0]]))
    for name in ("precision_d", "recall_n", "f1_d", "mcc", "app_precision_d", "strict_ud_mcc"):
        assert math.isnan(score(name, only_up)), name
    assert score("macro_f1", only_up) == 1  # over the classes that are there
    nothing = only_up.take(np.zeros(4, bool))
    assert [name for name in names("polarity", CLASSES) if not math.isnan(score(name, nothing))] == []


def test_never_called_class_has_f1_zero() -> None:
    assert score("f1_d", from_confusion(np.array([[4, 0, 0], [3, 0, 0], [0, 0, 2]]))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_app_precision_is_never_below_the_standard(seed: int) -> None:
    p = random_predictions(200, 0.5, seed)
    for letter in "udn":
        assert score(f"app_precision_{letter}", p) >= score(f"precision_{letter}", p)


def test_strict_ud_ignores_p_n_and_true_n() -> None:
    p = random_predictions(300, 1.0)
    changed = p.output.copy()
    changed[:, 2] = 5
    changed[p.truth == 2, :2] = changed[p.truth == 2, 1::-1]
    other = Predictions(p.group, p.truth, changed, CLASSES)
    assert score("strict_ud_accuracy", other) == score("strict_ud_accuracy", p)
    assert score("coverage", other) == 0


def test_unknown_score_names_the_closest() -> None:
    with pytest.raises(InputError, match="strict_ud_accuracy"):
        find("polarity", "strict_ud_acuracy", CLASSES)
    with pytest.raises(InputError, match="precision_u"):
        find("polarity", "precision", CLASSES)
    with pytest.raises(InputError):
        find("polarity", "accuracy_u", CLASSES)


def test_general_scores_serve_a_task_without_own() -> None:
    assert "app_precision_u" not in names("folds", CLASSES)
    assert find("folds", "accuracy", CLASSES)(from_confusion(WORKED)) == pytest.approx(17 / 25)


def test_draw_equals_repeated_samples() -> None:
    p = random_predictions(80, 1.0, groups=12)
    times = np.random.default_rng(3).integers(0, 4, 12)
    repeated = p.take(np.repeat(np.arange(80), times[p.group]))
    drawn = p.drawn(times)
    for name in names("polarity", CLASSES):
        assert score(name, drawn) == pytest.approx(score(name, repeated), abs=1e-6), name
    assert drawn.weight.sum() == len(repeated)


def test_interval_of_independent_samples_is_binomial() -> None:
    right = np.random.default_rng(0).random(400) < 0.8
    output = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
    p = Predictions(np.arange(400), np.zeros(400, np.int8), output, ("U", "D"))
    accuracy = find("polarity", "accuracy", p.classes)
    low, high = intervals([p], {"accuracy": accuracy})["accuracy"]
    share = right.mean()
    half = 1.96 * math.sqrt(share * (1 - share) / 400)
    assert low == pytest.approx(share - half, abs=0.01)
    assert high == pytest.approx(share + half, abs=0.01)
    assert intervals([p], {"accuracy": accuracy})["accuracy"] == (low, high)
    # the same 400, but in 20 groups that are each wholly right or wholly wrong: twenty facts, not four hundred
    sorted_p = Predictions(np.arange(400) // 20, p.truth, output[np.argsort(~right)], p.classes)
    wide_low, wide_high = intervals([sorted_p], {"accuracy": accuracy})["accuracy"]
    assert wide_high - wide_low > 3 * (high - low)


def test_group_codes_may_have_gaps() -> None:
    p = random_predictions(200, 1.0, groups=30)
    gaps = Predictions(p.group * 7 + 3, p.truth, p.output, CLASSES)
    metric = {"accuracy": find("polarity", "accuracy", CLASSES)}
    assert intervals([gaps], metric, 100) == intervals([p], metric, 100)


def test_seeds_are_averaged_on_each_draw() -> None:
    a, b = random_predictions(200, 1.0, 5), random_predictions(200, 1.0, 6)
    metric = {"f1_u": find("polarity", "f1_u", CLASSES)}
    both = resample([a, b], metric, 50)["f1_u"]
    assert both == pytest.approx((resample([a], metric, 50)["f1_u"] + resample([b], metric, 50)["f1_u"]) / 2)


def test_undefined_draws_are_left_out_of_the_interval() -> None:
    assert interval(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
    assert all(map(math.isnan, interval(np.array([np.nan]))))


def test_paired_difference() -> None:
    better, worse = random_predictions(400, 2.5), random_predictions(400, 0.5)
    accuracy = find("polarity", "accuracy", CLASSES)
    difference, low, high = paired([better], [worse], accuracy, 300)
    assert 0 < low < difference < high
    assert difference == pytest.approx(accuracy(better) - accuracy(worse))
    assert paired([worse], [better], accuracy, 300)[0] == -difference
    assert paired([better], [better], accuracy, 300) == (0, 0, 0)
    with pytest.raises(ValueError, match="different samples"):
        paired([better], [worse.take(np.arange(399))], accuracy, 300)


def test_predictions_file(tmp_path) -> None:
    p, q = random_predictions(50, 1.0), random_predictions(20, 1.0)
    save(tmp_path / "predictions.csv.gz", {("ins", "test"): p, ("pnw", "test"): q})
    back = load(tmp_path / "predictions.csv.gz", CLASSES)
    back = {name: p for (name, _), p in back.items()}
    assert list(back) == ["ins", "pnw"]
    assert np.array_equal(back["ins"].id, p.id)
    assert np.array_equal(back["ins"].group, p.group)
    assert np.array_equal(back["pnw"].truth, q.truth)
    assert np.allclose(back["ins"].output, p.output, rtol=1e-5)
    save(tmp_path / "again.csv.gz", {("ins", "test"): p, ("pnw", "test"): q})
    assert (tmp_path / "again.csv.gz").read_bytes() == (tmp_path / "predictions.csv.gz").read_bytes()


def test_values_survive_the_file_too(tmp_path) -> None:
    p = Predictions(np.array([0, 1]), np.array([0.25, 3.5]), np.array([[0.5], [3.25]], np.float32))
    save(tmp_path / "predictions.csv.gz", {("here", "test"): p})
    back = load(tmp_path / "predictions.csv.gz", ())["here", "test"]
    assert back.truth.tolist() == [0.25, 3.5]
    assert back.output.tolist() == [[0.5], [3.25]]


def test_wrong_prediction_files_are_explained(tmp_path) -> None:
    path = tmp_path / "predictions.csv.gz"
    with pytest.raises(InputError, match="no such file"):
        load(path, CLASSES)
    path.write_bytes(b"not a table")
    with pytest.raises(InputError, match="gzipped"):
        load(path, CLASSES)
    save(path, {("ins", "test"): random_predictions(5, 1.0)})
    with pytest.raises(InputError, match="p_x"):
        load(path, ("U", "D", "N", "X"))


def test_roc_auc_of_a_draw_counts_every_sample_as_often_as_its_group() -> None:
    from sklearn.metrics import roc_auc_score

    p = random_predictions(300, 0.5)
    times = np.random.default_rng(5).integers(0, 3, p.groups).astype(float)
    drawn = p.drawn(times)
    weight = times[p.group]
    expected = np.mean([roc_auc_score(p.truth == k, p.output[:, k], sample_weight=weight) for k in range(3)])
    assert score("roc_auc", drawn) == pytest.approx(expected, abs=1e-9)
    assert score("roc_auc", p) == pytest.approx(roc_auc_score(p.truth, p.output, multi_class="ovr"), abs=1e-6)


def test_strata_and_splits_survive_the_file(tmp_path) -> None:
    p = random_predictions(30, 1.0)
    p.strata = {"domain": np.where(np.arange(30) % 2, "field", "model"), "in_train": np.arange(30) % 3 == 0}
    save(tmp_path / "predictions.csv.gz", {("ins", "test"): p, ("ins", "val"): p.take(np.arange(10))})
    back = load(tmp_path / "predictions.csv.gz", CLASSES)
    assert list(back) == [("ins", "test"), ("ins", "val")] and len(back["ins", "val"]) == 10
    assert (back["ins", "test"].strata["domain"] == p.strata["domain"]).all()
    assert (back["ins", "val"].strata["in_train"] == p.strata["in_train"][:10]).all()


def test_folds_put_together_are_scored_as_one_set_with_their_own_groups() -> None:
    p = random_predictions(200, 1.0)
    halves = [p.take(np.arange(100)), p.take(np.arange(100, 200))]
    whole = concatenated(halves)
    assert score("accuracy", whole) == score("accuracy", p)
    assert not set(whole.group[:100]) & set(whole.group[100:])
