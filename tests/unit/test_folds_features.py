"""The 48 features against the definitions of the fold card, written out the slow way, and the published ones."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import convolve

from geoml.tasks.folds import pictures
from geoml.tasks.folds.features import FEATURES, extract, gabor_kernel, haralick, noise, planes

SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "fold_features"
published = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published features are not in {SHARED}")


def random(h=37, w=50, levels=256, seed=0):
    return np.random.default_rng(seed).integers(0, levels, (h, w)).astype(np.uint8)


def photograph(h=60, w=81):
    """Stripes along one diagonal that fade out, with some noise."""
    y, x = np.mgrid[:h, :w]
    stripes = np.sin(2 * np.pi * (x + y) / 14) * np.exp(-(((x - 40) / 25) ** 2))
    return (128 + 90 * stripes + np.random.default_rng(1).normal(0, 5, (h, w))).clip(0, 255).astype(np.uint8)


def slow_haralick(plane):
    rows = []
    for dy, dx in ((0, 1), (-1, 1), (-1, 0), (-1, -1)):
        p = np.zeros((256, 256))
        for y in range(plane.shape[0]):
            for x in range(plane.shape[1]):
                if 0 <= y + dy < plane.shape[0] and 0 <= x + dx < plane.shape[1]:
                    p[plane[y, x], plane[y + dy, x + dx]] += 1
                    p[plane[y + dy, x + dx], plane[y, x]] += 1
        p /= p.sum()
        i, j = np.indices(p.shape)
        p_s = np.array([p[i + j == k].sum() for k in range(511)])
        p_d = np.array([p[abs(i - j) == k].sum() for k in range(256)])
        p_x, k, m = p.sum(1), np.arange(511), np.arange(256)
        mu = (m * p_x).sum()
        var = ((m - mu) ** 2 * p_x).sum()
        both = np.outer(p_x, p_x)
        log = np.log2(both, where=both > 0, out=np.zeros_like(both))
        h_p, hxy1, hxy2 = bits(p), -(p * log).sum(), -(both * log).sum()
        mean_s = (k * p_s).sum()
        rows.append(
            [
                (p**2).sum(),
                (m**2 * p_d).sum(),
                ((i * j * p).sum() - mu**2) / var,
                var,
                (p / (1 + (i - j) ** 2)).sum(),
                mean_s,
                ((k - mean_s) ** 2 * p_s).sum(),
                bits(p_s),
                h_p,
                np.var(p_d),
                bits(p_d),
                (h_p - hxy1) / bits(p_x),
                np.sqrt(1 - np.exp(-2 * (hxy2 - h_p))),
            ]
        )
    return np.mean(rows, 0)


def bits(p):
    return -sum(value * np.log2(value) for value in p.ravel() if value > 0)


def slow_detail(signal):
    """One level of db2, high-pass, with the coefficients as they are printed in tables; half-sample mirrored."""
    weights = (-0.48296291314469025, 0.836516303737469, -0.22414386804185735, -0.12940952255092145)
    n = len(signal)
    mirrored = {index: signal[-1 - index if index < 0 else 2 * n - 1 - index if index >= n else index]
                for index in range(-3, n + 3)}  # fmt: skip
    return [sum(w * mirrored[2 * k + 1 - j] for j, w in enumerate(weights)) for k in range((n + 3) // 2)]


@pytest.mark.parametrize(
    "plane",
    [random(), random(levels=4), random(3, 2), random(levels=2) * 255, photograph()],
    ids=["noise", "four greys", "tiny", "black and white", "stripes"],
)
def test_haralick_is_as_defined(plane):
    np.testing.assert_allclose(haralick(plane), slow_haralick(plane), rtol=1e-6, atol=1e-12)


def test_a_checkerboard_of_four_pixels_by_hand():
    found = haralick(np.array([[0, 1], [1, 0]], np.uint8))
    # Horizontal and vertical: always 0 beside 1. Diagonals: one of 0 beside 0, the other of 1 beside 1.
    assert found[0] == (2 * 0.5 + 2 * 1) / 4
    assert found[1] == 0.5
    assert found[4] == (2 * 0.5 + 2 * 1) / 4
    assert found[5] == 1
    assert found[8] == 0.5


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_plane_of_one_value_has_the_limits_of_the_published_features(value):
    assert haralick(np.full((9, 12), value, np.uint8)).tolist() == [1, 0, 1, 0, 1, 2 * value, 0, 0, 0, 0, 0, 0, 0]


def test_haralick_is_finite_where_one_direction_has_a_single_value():
    plane = np.zeros((8, 8), np.uint8)
    plane[0, 0] = 200  # on one of the diagonals this corner has no neighbour
    assert np.isfinite(haralick(plane)).all()


@pytest.mark.parametrize("shape", [(21, 34), (20, 35), (8, 9)])
def test_noise_is_the_median_of_the_diagonal_detail(shape):
    plane = random(*shape)
    rows = np.array([slow_detail(row) for row in plane.astype(float)])
    detail = np.abs([slow_detail(column) for column in rows.T])
    assert noise(plane) == pytest.approx(np.median(detail) / 0.6745, rel=1e-6)


def test_noise_of_a_checkerboard_by_hand():
    # +-100 around the mean: each of the two passes multiplies by sqrt(2).
    plane = (np.indices((40, 40)).sum(0) % 2 * 200).astype(np.uint8)
    assert noise(plane) == pytest.approx(200 / 0.6745)


def test_noise_of_white_noise_is_its_sigma():
    plane = np.random.default_rng(0).normal(128, 10, (256, 256)).round().astype(np.uint8)
    assert noise(plane) == pytest.approx(10, rel=0.03)


def test_noise_ignores_flat_parts():
    plane = photograph(64, 64)
    wide = np.hstack([plane, np.full((64, 400), 255, np.uint8)])
    assert noise(wide) == pytest.approx(noise(plane), rel=0.2)


@pytest.mark.parametrize(
    "plane", [np.full((9, 9), 255, np.uint8), np.add.outer(np.arange(9), 2 * np.arange(9)).astype(np.uint8)]
)
def test_noise_is_nan_where_nothing_is_left(plane):
    assert np.isnan(noise(plane))


@pytest.mark.parametrize("grey", [photograph(), random(8, 40), random(64, 11)])
def test_gabor_and_edge_images_are_as_defined(grey):
    original, gabor, edge = planes(grey)
    assert np.array_equal(original, grey)
    response = np.clip(np.rint(convolve(grey.astype(float), gabor_kernel(), mode="mirror")), 0, 255)
    assert np.array_equal(gabor, np.where(response > response.mean() + response.std(), 255, 0))
    padded = np.pad(grey, 1, mode="reflect").astype(int)
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            tenths = 103 * padded[y + 1, x + 1] - 10 * padded[y : y + 3, x : x + 3].sum()
            assert edge[y, x] == min(max((tenths + 5) // 10, 0), 255)


def test_the_gabor_kernel_answers_to_stripes_across_its_diagonal():
    y, x = np.mgrid[:80, :80]
    along, across = (128 + 40 * np.sin(2 * np.pi * (x + sign * y) / 2**0.5 / 10) for sign in (1, -1))
    answers = [convolve(stripes, gabor_kernel(), mode="mirror")[20:-20, 20:-20].std() for stripes in (along, across)]
    assert answers[0] > 10 * answers[1]
    assert gabor_kernel().shape == (21, 21)
    assert gabor_kernel().sum() == pytest.approx(1)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_a_flat_picture_has_an_empty_gabor_image(value):
    assert not planes(np.full((30, 43), value, np.uint8))[1].any()


def test_48_features_in_order():
    found = dict(zip(FEATURES, extract(photograph()), strict=True))
    assert len(found) == 48
    for name, plane in zip(("original", "gabor", "edge"), planes(photograph()), strict=True):
        assert found[f"{name}_noise"] == noise(plane)
        assert found[f"{name}_mean"] == plane.mean()
        assert found[f"{name}_std"] == plane.std()
        assert [found[f"{name}_h_{number}"] for number in range(1, 14)] == haralick(plane).tolist()


def test_only_noise_may_be_undefined():
    found = extract(np.full((20, 20), 90, np.uint8))
    assert [name for name, value in zip(FEATURES, found, strict=True) if np.isnan(value)] == [
        "original_noise",
        "gabor_noise",
        "edge_noise",
    ]


def test_large_pictures_are_shrunk_first_and_small_ones_left():
    large = random(300, 512)
    assert np.array_equal(extract(large), extract(pictures.shrunk(large)))
    assert pictures.shrunk(large).shape == (150, 256)
    assert extract(photograph())[1] == photograph().mean()


@published
def test_the_published_features_have_our_names_and_follow_our_definitions():
    table = pd.concat([pd.read_csv(SHARED / f"features_{split}.csv.gz") for split in ("train", "val", "test")])
    assert tuple(table.columns[2:]) == FEATURES
    for name in ("original", "gabor", "edge"):
        h = {number: table[f"{name}_h_{number}"].to_numpy() for number in range(1, 14)}
        np.testing.assert_allclose(h[7], 4 * h[4] - h[2], rtol=1e-6, atol=1e-6)  # as ours: p is symmetric


@published
def test_a_black_gabor_image_has_the_published_features():
    table = pd.read_csv(SHARED / "features_train.csv.gz")
    black = table[table["gabor_mean"] == 0][[f"gabor_h_{number}" for number in range(1, 14)]].to_numpy()
    assert len(black) == 560
    assert (black == haralick(np.zeros((20, 20), np.uint8))).all()
