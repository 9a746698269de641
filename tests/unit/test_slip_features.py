"""Numbers of hand-made fault maps, and the regressors that see only them."""

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.slip.features import NAMES, features_of
from geoml.tasks.slip.models.baseline import REGRESSORS, estimator


def told(*maps):
    return [dict(zip(NAMES, row.tolist(), strict=True)) for row in features_of(np.array(maps, np.uint8))]


def blank():
    return np.zeros((128, 64), np.uint8)


def test_a_straight_band_is_one_segment_of_its_length_and_thickness():
    image = blank()
    image[60:63, 10:50] = 1
    (band,) = told(image)
    assert band == {
        "pixels": 120, "segments": 1, "mean_length_px": 40, "longest_px": 40, "total_length_px": 40, "sinuosity": 1,
        "thickness_px": 3, "overlap": 0, "covered_columns": 40,
    }  # fmt: skip


def test_two_segments_overlap_where_they_share_columns():
    image = blank()
    image[40, 0:30] = 1
    image[50, 20:64] = 1
    (two,) = told(image)
    assert (two["segments"], two["mean_length_px"], two["longest_px"], two["total_length_px"]) == (2, 37, 44, 74)
    assert (two["overlap"], two["covered_columns"], two["thickness_px"]) == (10 / 64, 64, 1)


def test_a_diagonal_is_one_straight_segment_because_corners_touch():
    image = blank()
    image[np.arange(10, 50), np.arange(40)] = 1
    (line,) = told(image)
    assert line["segments"] == 1
    assert line["sinuosity"] == pytest.approx(1, abs=1e-6)


def test_a_zigzag_is_as_long_as_its_path_and_counts_by_its_length():
    image = blank()
    rows = 20 + np.abs(np.arange(33) % 8 - 4)  # one row up or down at each of 32 steps, and back where it began
    image[rows, np.arange(33)] = 1
    image[100, 0:11] = 1
    (line,) = told(image)
    assert line["sinuosity"] == pytest.approx((33 * np.sqrt(2) + 11) / 44, rel=1e-6)


def test_maps_of_a_block_do_not_touch_each_other_and_keep_their_order():
    full, image = np.ones((128, 64), np.uint8), blank()
    image[3, 5] = 1
    block = told(full, full, blank(), image)
    assert [numbers["segments"] for numbers in block] == [1, 1, 0, 1]
    assert [numbers["pixels"] for numbers in block] == [8192, 8192, 0, 1]
    assert block[0] == told(full)[0]
    assert set(block[2].values()) == {0}
    assert block[3]["sinuosity"] == block[3]["thickness_px"] == block[3]["covered_columns"] == 1


def test_no_maps_give_no_rows():
    assert features_of(np.zeros((0, 128, 64), np.uint8)).shape == (0, len(NAMES))


def table(n=200):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    return x, 0.5 + 0.2 * x[:, 0] - 0.1 * x[:, 3]


def test_regressors_learn_what_they_can():
    x, y = table()
    error = {name: np.abs(estimator(0, regressor=name).fit(x, y).predict(x) - y).mean() for name in REGRESSORS}
    assert estimator(0, regressor="constant").fit(x, y).predict(x) == pytest.approx(y.mean())
    assert error["ridge"] < 0.01
    assert error["boosted_trees"] < 0.4 * error["constant"]


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_is_the_same_after_it_was_stored_as_plain_data(name):
    from skops import io

    x, y = table()
    model = estimator(3, regressor=name).fit(x, y)
    trusted = ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor"]
    again = io.loads(io.dumps(model), trusted=trusted)
    assert np.array_equal(model.predict(x), again.predict(x))


def test_an_unknown_regressor_is_an_error_that_names_the_closest():
    with pytest.raises(InputError, match=r"Did you mean 'ridge'\? Known: boosted_trees, constant, ridge"):
        estimator(0, regressor="rigde")
