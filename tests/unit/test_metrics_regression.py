"""Scores of values against scikit-learn and cases worked by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from geoml.bootstrap import resample
from geoml.errors import InputError
from geoml.metrics import find, names
from geoml.predictions import Predictions, load, save

COLUMNS = (
    *("accuracy_1sd", "accuracy_2sd", "bias", "coverage_1sigma", "coverage_2sigma"),
    *("loss", "loss_coded", "mae", "r2", "rmse"),
)


def drawn(n: int = 400, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    truth, sd = rng.uniform(0, 1, n), rng.uniform(0.02, 0.2, n)
    sigma = rng.uniform(0.05, 0.15, n)
    output = np.column_stack([truth + 0.03 + sigma * rng.normal(size=n), sigma]).astype(np.float32)
    return Predictions(rng.integers(0, 12, n), truth, output, (), np.arange(n).astype("U"), {"sd": sd})


def score(name: str, p: Predictions) -> float:
    return find("slip", name, ())(p)


def test_a_task_with_values_has_the_scores_of_values_and_its_own():
    assert tuple(names("slip", ())) == COLUMNS
    with pytest.raises(InputError, match="a known score"):
        find("slip", "accuracy", ())


def test_errors_are_those_of_scikit_learn():
    p = drawn()
    said = p.output[:, 0]
    assert score("mae", p) == pytest.approx(mean_absolute_error(p.truth, said))
    assert score("rmse", p) == pytest.approx(root_mean_squared_error(p.truth, said))
    assert score("r2", p) == pytest.approx(r2_score(p.truth, said))
    assert score("bias", p) == pytest.approx((said - p.truth).mean())


def test_shares_within_the_spread_count_the_edge_and_losses_are_the_published_ones():
    error, sd = np.array([0.05, 0, 0.2, 0.1]), np.array([0.1, 0.02, 0.05, 0])
    p = Predictions(np.zeros(4, int), np.full(4, 0.5), np.column_stack([0.5 + error, sd]), (), None, {"sd": sd})
    assert score("loss_coded", p) == pytest.approx(337.76, abs=0.005)  # method card, section 8
    assert score("loss", p) == pytest.approx(254.05, abs=0.005)
    assert score("accuracy_2sd", p) == score("coverage_2sigma", p) == 0.5
    edge = Predictions(np.zeros(2, int), np.zeros(2), np.array([[0.25, 0.25], [0.5, 0.25]]), (), None,
                       {"sd": np.array([0.25, 0.25])})  # fmt: skip
    assert (score("accuracy_1sd", edge), score("accuracy_2sd", edge)) == (0.5, 1)


def test_a_constant_truth_has_no_r2_and_always_its_mean_has_zero():
    p = drawn()
    flat = Predictions(p.group, np.full(len(p), 0.4), p.output, (), p.id, p.strata)
    assert math.isnan(score("r2", flat))
    mean = np.column_stack([np.full(len(p), p.truth.mean()), p.output[:, 1]])
    assert score("r2", Predictions(p.group, p.truth, mean, (), p.id, p.strata)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_score_follows_the_multiplicity_of_groups(name: str):
    """A drawn group counts as often as it was drawn: the same as samples written out as often."""
    p = drawn()
    times = np.random.default_rng(5).integers(0, 4, 12)
    index = np.repeat(np.arange(len(p)), times[p.group])
    assert score(name, p.drawn(times.astype(float))) == pytest.approx(score(name, p.take(index)), rel=1e-6)
    values = resample([p], {name: find("slip", name, ())}, draws=20)[name]
    assert np.isfinite(values).all() and np.ptp(values) > 0


def test_values_come_back_from_the_file(tmp_path):
    p = drawn(50)
    save(tmp_path / "p.csv.gz", {("here", "test"): p, ("here", "train"): p.take(np.arange(20))})
    found = load(tmp_path / "p.csv.gz", ())
    assert [len(part) for part in found.values()] == [50, 20]
    back = found["here", "test"]
    np.testing.assert_allclose(back.output, p.output, rtol=1e-5)
    np.testing.assert_allclose(back.truth, p.truth, rtol=1e-5)
    np.testing.assert_allclose(back.strata["sd"], p.strata["sd"], rtol=1e-5)
