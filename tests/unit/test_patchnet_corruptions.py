"""What spoils synthetic patches: nothing at strength 0, known answers otherwise."""

import numpy as np
import pytest
from scipy import ndimage

from geoml.tasks.patchnet import corruptions as c

N = 3


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def x(rng):
    return rng.normal(size=(N, 48, 48)).astype(np.float32)


@pytest.fixture
def ramp():
    """A plane, which bilinear interpolation leaves exact: 2 a row, 1 a column."""
    return np.tile(2 * np.arange(48.0)[:, None] + np.arange(48), (N, 1, 1)).astype(np.float32)


def test_every_step_of_strength_0_changes_nothing(x, rng):
    zero, ones = np.zeros(N), np.ones(N)
    normal, uniform = rng.normal(size=(N, 48, 48)).astype(np.float32), rng.random((N, 2, 48, 48), np.float32)
    mask, cells = rng.normal(size=(N, 17, 17)).astype(np.float32), rng.random((N, 15, 15), np.float32)
    steps = [
        c.blur(x, zero),
        c.noise(x, zero, normal),
        c.elastic(x, zero, ones, uniform),
        c.laplacian_blend(x, zero, mask),
        c.perspective(x, zero, rng.normal(size=(N, 4, 2))),
        c.dropout(x, zero, np.full((N, 2), 0.2), cells),
    ]
    for out in steps:
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, x, atol=3e-5)


def test_blur_is_a_gaussian_of_its_own_width_for_each_sample(x):
    sigma = np.array([0.3, 1.0, 3.0])
    for ours, patch, width in zip(c.blur(x, sigma), x, sigma, strict=True):
        expected = ndimage.gaussian_filter(patch, width, mode="mirror", radius=12)
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_noise_has_the_deviation_asked_for(x, rng):
    std = np.array([0.0, 0.05, 0.15])
    added = c.noise(x, std, rng.normal(size=x.shape).astype(np.float32)) - x
    np.testing.assert_allclose(added.std((1, 2)), std, rtol=0.05)


def test_an_elastic_warp_by_a_constant_field_is_a_shift(ramp):
    field = np.empty((N, 2, 48, 48), np.float32)
    field[:, 0], field[:, 1] = 1.0, 0.5  # after scaling to [-1, 1]: whole alpha down, nothing along
    out = c.elastic(ramp, np.full(N, 1.5), np.ones(N), field)
    np.testing.assert_allclose(out[:, :46], ramp[:, :46] + 2 * 1.5, atol=1e-4)
    np.testing.assert_allclose(out[:, 47], ramp[:, 47], atol=1e-4)  # stays at the outermost pixel


def test_an_elastic_warp_moves_no_further_than_alpha(ramp, rng):
    out = c.elastic(ramp, np.array([0.5, 1.0, 3.5]), np.array([0.01, 1, 3]), rng.random((N, 2, 48, 48), np.float32))
    moved = np.abs(out - ramp).max((1, 2))
    assert (moved <= 3 * np.array([0.5, 1.0, 3.5]) + 1e-4).all()
    assert (moved > 0.05).all()


def test_more_smoothing_gives_smaller_steps_between_neighbours(ramp, rng):
    uniform = np.tile(rng.random((1, 2, 48, 48), np.float32), (N, 1, 1, 1))
    out = c.elastic(ramp, np.full(N, 2.0), np.array([0.1, 1, 3]), uniform) - ramp
    rough = np.abs(np.diff(out, axis=2)).mean((1, 2))
    assert rough[0] > 2 * rough[1] > 4 * rough[2]


def test_a_blend_lies_between_patch_and_laplacian_and_reaches_both(x, rng):
    normal = rng.normal(size=(N, 17, 17)).astype(np.float32)
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    laplacian = np.stack([ndimage.convolve(patch, kernel, mode="mirror") for patch in x])
    share = (c.laplacian_blend(x, np.array([2, 10, 47]), normal) - x) / (laplacian - x)
    sound = np.abs(laplacian - x) > 1
    assert share[sound].min() == pytest.approx(0, abs=0.02)
    assert share[sound].max() == pytest.approx(1, abs=0.02)
    for one, good in zip(share, sound, strict=True):  # the mask is smooth: waves of few cycles
        assert np.abs(np.diff(one, axis=1)[good[:, 1:] & good[:, :-1]]).max() < 0.35


def test_a_mask_of_one_pixel_blends_nothing(x, rng):
    out = c.laplacian_blend(x, np.ones(N), rng.normal(size=(N, 17, 17)).astype(np.float32))
    np.testing.assert_array_equal(out, x)


def test_a_larger_mask_has_steeper_waves(rng):
    x = np.ones((2, 48, 48), np.float32)  # its Laplacian is 0, so the blend shows the mask
    normal = np.tile(rng.normal(size=(1, 17, 17)).astype(np.float32), (2, 1, 1))
    mask = c.laplacian_blend(x, np.array([2, 47]), normal)
    spectrum = np.abs(np.fft.fft2(mask))[:, :20, :20]
    assert spectrum[0, 2:].max() < 1e-2
    assert spectrum[1, 2:9].max() > 1
    assert mask.min() == pytest.approx(0, abs=1e-6)
    assert mask.max() == pytest.approx(1, abs=1e-6)


def test_perspective_shows_a_crop_when_all_corners_move_alike(ramp):
    normal = np.ones((N, 4, 2))
    out = c.perspective(ramp, np.array([0.0, 0.1, 0.2]), normal)
    for one, s in zip(out, (0, 0.1, 0.2), strict=True):
        at = 47 * s + np.arange(48) * (1 - 2 * s)
        np.testing.assert_allclose(one, 2 * at[:, None] + at, atol=1e-3)


def test_perspective_moves_each_corner_inwards_by_its_own_draw(ramp):
    normal = np.tile(np.array([[0.5, -1.0], [1.5, 0.2], [0.3, 0.8], [2.0, 1.0]]), (N, 1, 1))
    out = c.perspective(ramp, np.full(N, 0.1), normal)[0]
    move = 47 * 0.1 * np.abs(normal[0])
    expected = [
        2 * move[0, 0] + move[0, 1],
        2 * move[1, 0] + 47 - move[1, 1],
        2 * (47 - move[2, 0]) + 47 - move[2, 1],
        2 * (47 - move[3, 0]) + move[3, 1],
    ]
    np.testing.assert_allclose(out[[0, 0, -1, -1], [0, -1, -1, 0]], expected, atol=1e-3)


def test_perspective_keeps_straight_lines_straight():
    rows = np.arange(48, dtype=np.float32)
    x = np.tile(rows[:, None] - 0.5 * rows - 12, (1, 1, 1))  # 0 along a straight line
    out = c.perspective(x, np.array([0.1]), np.random.default_rng(1).normal(size=(1, 4, 2)))[0]
    crossing = [np.interp(0, out[:, column], np.arange(48)) for column in range(48)]
    fit = np.polyval(np.polyfit(np.arange(48), crossing, 1), np.arange(48))
    np.testing.assert_allclose(crossing, fit, atol=0.02)


def test_corners_drawn_far_out_stay_convex(ramp):
    out = c.perspective(ramp, np.full(N, 0.2), np.full((N, 4, 2), 9.0))
    assert np.isfinite(out).all()
    assert (np.diff(out, axis=1) > 0).all()


def test_drop_out_sets_whole_cells_to_zero_and_nothing_else(x, rng):
    uniform = rng.random((N, 15, 15), np.float32)
    out = c.dropout(x, np.full(N, 0.2), np.full((N, 2), [12 / 48, 6 / 48]), uniform)
    kept = uniform[:, :12, :6] >= 0.2
    expected = np.repeat(np.repeat(kept, 4, axis=1), 8, axis=2)
    np.testing.assert_array_equal(out, x * expected)
    assert not kept.all()


def test_a_drop_out_mask_has_three_cells_at_least(x):
    uniform = np.ones((N, 15, 15), np.float32)
    uniform[:, 0, 0] = 0
    out = c.dropout(x, np.full(N, 0.1), np.full((N, 2), 0.01), uniform)
    assert (out == 0).sum() == N * 16 * 16


@pytest.mark.parametrize(
    ("limits", "shares", "most"),
    [
        (c.TRAIN, (0.40, 0.50, 0.35, 0.40, 0.35, 0.35), (2, 0.05, 2, 0.1, 0.2, 0.2)),
        (c.HARDER, (0.50, 0.50, 0.45, 0.50, 0.45, 0.40), (3, 0.15, 3, 0.2, 0.3, 0.3)),
    ],
)
def test_strengths_are_drawn_as_in_the_card(limits, shares, most):
    by = c.drawn(np.random.default_rng(0).random((20_000, c.UNIFORMS)), limits)
    assert by["gain"].min() == pytest.approx(0.2, abs=0.01)
    assert by["gain"].max() == pytest.approx(1.0, abs=0.01)
    steps = ("blur", "noise", "elastic", "mask", "perspective", "dropout")
    for name, share in zip(steps, shares, strict=True):
        assert (by[name] > 0).mean() == pytest.approx(share, abs=0.015)
    measured = ("blur", "noise", "elastic_sigma", "perspective", "dropout", "dropout_rows")
    for name, top in zip(measured, most, strict=True):
        assert 0.9 * top < by[name].max() <= top
    assert set(np.unique(by["mask"])) == set(range(48))
    assert by["elastic"][by["elastic"] > 0].min() == pytest.approx(0.5, abs=0.01)
    assert by["elastic"].max() == pytest.approx(3.5, abs=0.01)


def test_each_step_meets_only_the_samples_that_have_it(x, rng):
    by = {name: values[:N] for name, values in c.drawn(np.zeros((N, c.UNIFORMS)), c.TRAIN).items()}
    by |= {name: np.zeros(N) for name in by}
    by["gain"] = np.array([1.0, 0.5, 1.0])
    by["noise"] = np.array([0, 0, 0.1])
    asked = []

    def numbers(step, rows, shape, normal):
        asked.append((step, rows.tolist(), normal))
        return np.ones((len(rows), *shape), np.float32)

    out = c.corrupted(x, by, numbers)
    np.testing.assert_array_equal(out[0], x[0])
    np.testing.assert_allclose(out[1], x[1] / 2)
    np.testing.assert_allclose(out[2], x[2] + 0.1, rtol=1e-5)
    assert asked == [(1, [2], True)]
