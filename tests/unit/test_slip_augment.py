"""Random changes of fault maps: where pixels come from, what is kept, and how much is drawn."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from geoml.tasks.slip.augment import augment, moved

SETTINGS = {"shift": 0.1, "zoom": 0.05, "flips": "independent", "thickness": False}
STILL = {"shift": 0, "zoom": 0, "flips": "none", "thickness": False}


def maps(n=40, seed=0):
    return (np.random.default_rng(seed).random((n, 128, 64)) < 0.1).astype(np.uint8)


def changed(images, seed=1, **settings):
    return augment(images, np.random.default_rng(seed), STILL | settings)[..., 0]


def test_zoom_and_shift_are_those_of_scipy_also_beyond_the_edges():
    rng, images = np.random.default_rng(0), maps()
    zoom = rng.uniform(0.8, 1.2, (2, 40)) * rng.choice([-1, 1], (2, 40))
    shift = rng.uniform(-0.2, 0.2, (2, 40)) * [[128], [64]]
    found, centre = moved(images, zoom, shift), np.array([63.5, 31.5])
    for image, got, z, s in zip(images, found, zoom.T, shift.T, strict=True):
        offset = centre - z * centre + s
        expected = affine_transform(image.astype(float), z, offset, order=1, mode="nearest")
        assert np.abs(got - expected).max() < 1e-6


def test_nothing_drawn_changes_nothing():
    images = maps()
    assert np.array_equal(changed(images), images)


def test_augmented_maps_are_float_with_a_channel_and_stay_in_range():
    out = augment(maps(), np.random.default_rng(0), SETTINGS | {"thickness": True})
    assert (out.shape, out.dtype) == ((40, 128, 64, 1), np.float32)
    assert out.min() >= 0
    assert out.max() <= 1


def test_equal_seeds_give_equal_maps_and_the_input_is_not_changed():
    images = maps()
    before = images.copy()
    one, two, other = (augment(images, np.random.default_rng(s), SETTINGS | {"thickness": True}) for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert np.array_equal(images, before)


def kinds(flips):
    """How often each of the four flips is met."""
    images = maps(400)
    out = changed(images, flips=flips)
    options = (images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1])
    return [int((out == option).all((1, 2)).sum()) for option in options]


def test_independent_flips_give_all_four_and_flips_together_only_the_half_turn():
    independent, together = kinds("independent"), kinds("together")
    assert sum(independent) == sum(together) == 400
    assert min(independent) > 60
    assert together[1] == together[2] == 0
    assert min(together[0], together[3]) > 150
    assert kinds("none") == [400, 0, 0, 0]


def centres(**settings):
    """(rows, columns) by which a block in the middle moved."""
    images = np.zeros((600, 128, 64), np.uint8)
    images[:, 60:68, 28:36] = 1
    out = changed(images, **settings)
    mass = out.sum((1, 2))
    y = (out.sum(2) * np.arange(128)).sum(1) / mass - 63.5
    return y, (out.sum(1) * np.arange(64)).sum(1) / mass - 31.5, mass


def test_shifts_are_uniform_up_to_the_share_of_each_axis():
    y, x, _ = centres(shift=0.1)
    assert np.abs(y).max() < 12.81
    assert np.abs(x).max() < 6.41
    assert y.std() == pytest.approx(12.8 / 3**0.5, rel=0.1)
    assert x.std() == pytest.approx(6.4 / 3**0.5, rel=0.1)
    assert abs(np.corrcoef(y, x)[0, 1]) < 0.15


def test_zoom_keeps_the_centre_and_changes_each_axis_by_its_own_factor():
    y, x, mass = centres(zoom=0.05)
    assert np.abs([y, x]).max() < 1e-3
    assert mass.min() < 64 * 0.95
    assert mass.max() > 64 * 1.05


def test_thickness_changes_half_of_the_maps_by_a_pixel_across_strike():
    images = np.zeros((400, 128, 64), np.uint8)
    images[:, 50:53, 10:40] = 1
    rows = changed(images, thickness=True).sum(1).max(1)
    share = [int((rows == k).sum()) for k in (2, 3, 4)]
    assert sum(share) == 400
    assert share[1] == pytest.approx(200, abs=40)
    assert min(share) > 60


def test_a_line_of_one_pixel_is_never_thinned_away():
    images = np.zeros((100, 128, 64), np.uint8)
    images[:, 50, 10:40] = 1
    out = changed(images, thickness=True)
    assert set(out.sum(1).max(1)) == {1, 2}
