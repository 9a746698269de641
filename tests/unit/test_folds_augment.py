"""Augmentation of fold pictures: each published step against a slow, plain version of it, and the sane kind."""

import colorsys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geoml.tasks.folds import augment as module
from geoml.tasks.folds.augment import augment

KINDS = ("published", "sane", "none")
SIZE = 32


class Drawn:
    """A generator that draws what it was told: crop in pixels, flips, shift and angle as fractions of their limits."""

    def __init__(self, crop: tuple[int, int], flip: tuple[bool, bool], shift: tuple[float, float], angle: float):
        self.crop, self.flip, self.fractions = crop, flip, [np.reshape(shift, (2, 1, 1, 1)), np.array(angle)]

    def integers(self, low: int, high: int, shape: tuple[int, ...], endpoint: bool) -> np.ndarray:
        assert (low, high, endpoint) == (-4, 4, True)
        return np.broadcast_to(np.reshape(self.crop, (2, 1, 1, 1)), shape)

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.broadcast_to(np.reshape(np.where(self.flip, 0.0, 1.0), (2, 1, 1, 1)), shape)

    def uniform(self, low: float, high: float, shape: Any) -> np.ndarray:
        return np.broadcast_to(self.fractions.pop(0) * high, shape)


def pictures(n: int = 6, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (n, size, size, 3), dtype=np.uint8)


def published(image: np.ndarray, crop: Any = (0, 0), flip: Any = (False, False), shift: Any = (0, 0), angle: float = 0):
    return module._published(image[None], Drawn(crop, flip, shift, angle))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "expected"), [(32, (42, 34)), (64, (74, 66))])
def test_published_pictures_are_42_high_and_34_wide(size: int, expected: tuple[int, int]):
    assert augment(pictures(3, size), np.random.default_rng(0), {"kind": "published"}).shape == (3, *expected, 3)


@pytest.mark.parametrize("kind", ["sane", "none"])
def test_the_other_kinds_keep_the_size(kind: str):
    assert augment(pictures(), np.random.default_rng(0), {"kind": kind}).shape == (6, SIZE, SIZE, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_grey_levels_in_float32(kind: str):
    found = augment(pictures(), np.random.default_rng(0), {"kind": kind})
    assert found.dtype == np.float32 and np.isfinite(found).all() and found.min() >= 0 and found.max() <= 255


@pytest.mark.parametrize("kind", KINDS)
def test_one_generator_gives_one_result_and_the_pictures_stay(kind: str):
    given = pictures()
    first, again = (augment(given, np.random.default_rng(5), {"kind": kind}) for _ in range(2))
    other = augment(given, np.random.default_rng(6), {"kind": kind})
    assert np.array_equal(first, again) and np.array_equal(given, pictures())
    assert np.array_equal(first, other) == (kind == "none")


def test_none_is_a_copy():
    assert np.array_equal(augment(pictures(), np.random.default_rng(0), {"kind": "none"}), pictures())


def test_published_padding_is_black_2_left_5_above_5_below():
    image = pictures(1)[0]
    found = published(image)
    assert np.array_equal(found[5:37, 2:], image)
    assert not found[:5].any() and not found[37:].any() and not found[:, :2].any()


@pytest.mark.parametrize("crop", [(-4, 4), (3, 0), (4, -1)])
def test_published_crop_reflects_at_the_border(crop: tuple[int, int]):
    image = pictures(1)[0]
    wide = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    rows, columns = 4 + crop[0], 4 + crop[1]
    assert np.array_equal(published(image, crop)[5:37, 2:], wide[rows : rows + 32, columns : columns + 32])


def test_published_flips_come_after_the_crop():
    image = pictures(1)[0]
    cropped = published(image, (4, -3))[5:37, 2:]
    assert np.array_equal(published(image, (4, -3), (True, False))[5:37, 2:], cropped[::-1])
    assert np.array_equal(published(image, (4, -3), (False, True))[5:37, 2:], cropped[:, ::-1])


def test_published_shift_is_whole_pixels_and_leaves_black():
    image = pictures(1)[0]
    found = published(image, shift=(1, -1))  # 0.5 of 42 down, 0.4 of 34 to the left
    assert np.array_equal(found[26:, :20], image[:16, 12:])
    assert not found[:26].any() and not found[:, 20:].any()


@pytest.mark.parametrize("angle", [-1.0, -0.37, 0.5, 1.0])
def test_published_rotation_is_that_of_the_image_library_about_40_80_with_grey_100(angle: float):
    image = pictures(1)[0]
    canvas = Image.fromarray(published(image).astype(np.uint8))
    expected = canvas.rotate(10 * angle, Image.Resampling.NEAREST, center=(40, 80), fillcolor=(100, 100, 100))
    same = (published(image, angle=angle) == np.asarray(expected)).all(axis=-1)
    assert same.mean() > 0.995  # the library rounds in fixed point
    assert (published(image, angle=angle) == 100).all(axis=-1).mean() > 0.05


def test_sane_shifts_and_turns_within_their_limits():
    n, size = 400, 64
    ramp = np.broadcast_to(np.arange(size, dtype=np.uint8)[:, None, None], (n, size, size, 3))
    found = module._sane(ramp, np.random.default_rng(0))[..., 0]
    centre = found[:, 28:36, 28:36].mean(axis=(1, 2)) - 31.5
    assert 5.5 < np.abs(centre).max() < 7.5
    across = np.rad2deg(np.arctan(np.abs(found[:, 32, 48] - found[:, 32, 16]) / 32))
    assert 8 < across.max() < 12


def test_sane_flips_half_of_the_pictures_each_way():
    ramp = np.arange(64, dtype=np.uint8)
    image = np.stack(np.broadcast_arrays(ramp[:, None], ramp, 0), axis=-1)
    found = module._sane(np.broadcast_to(image, (400, *image.shape)), np.random.default_rng(0))
    assert 0.4 < (found[:, 40, 32, 0] > found[:, 24, 32, 0]).mean() < 0.6
    assert 0.4 < (found[:, 32, 40, 1] > found[:, 32, 24, 1]).mean() < 0.6


def test_sane_brings_in_no_new_values():
    dots = np.where(pictures(20) > 127, 200, 40).astype(np.uint8)
    assert set(np.unique(module._sane(dots, np.random.default_rng(0)))) == {40, 200}


def test_every_picture_is_changed_differently():
    found = augment(np.repeat(pictures(1), 8, axis=0), np.random.default_rng(0), {"kind": "sane"})
    assert len(np.unique(found.reshape(8, -1), axis=0)) == 8


def planes(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.reshape(1, -1, 3).transpose(2, 0, 1), np.float32)


CHANGE = np.float32([[0.07]])


def test_hue_turns_as_colorsys_does():
    rgb = np.concatenate([planes(pictures(1)), planes(np.zeros((1, 1, 3))), planes(np.full((1, 1, 3), 255))], axis=2)
    for change in (-0.1, 0.03, 0.1):
        found = module._hue(rgb, np.float32([[change]]))[:, 0].T
        hsv = (colorsys.rgb_to_hsv(*pixel) for pixel in (rgb[:, 0].T / 255).astype(float))
        expected = [colorsys.hsv_to_rgb((h + change) % 1, s, v) for h, s, v in hsv]
        assert np.allclose(found, 255 * np.array(expected), atol=0.01)


def test_brightness_is_a_factor():
    assert np.allclose(module._brightness(planes(pictures(1)), CHANGE), 1.07 * planes(pictures(1)))


def test_contrast_keeps_the_mean_luminance_and_scales_the_deviation():
    before, after = planes(pictures(1)), module._contrast(planes(pictures(1)), CHANGE)
    grey = [module._luminance(rgb) for rgb in (before, after)]
    assert np.isclose(grey[0].mean(), grey[1].mean()) and np.isclose(1.07 * grey[0].std(), grey[1].std())


def test_saturation_keeps_the_luminance_and_scales_the_colour():
    before, after = planes(pictures(1)), module._saturation(planes(pictures(1)), CHANGE)
    assert np.allclose(module._luminance(before), module._luminance(after), atol=1e-3)
    assert np.allclose(1.07 * (before[0] - before[1]), after[0] - after[1], atol=1e-3)


def test_grey_pictures_stay_grey():
    grey = np.repeat(pictures(30)[..., :1], 3, axis=-1)
    for kind in ("published", "sane"):
        found = augment(grey, np.random.default_rng(0), {"kind": kind})
        assert (found == found[..., :1]).all()


def test_jitter_comes_in_every_order(monkeypatch: pytest.MonkeyPatch):
    def noted(step: int):
        def change(rgb: np.ndarray, change: np.ndarray) -> np.ndarray:
            assert np.abs(change).max(initial=0) <= 0.1
            return rgb * 4 + step

        return change

    for step, name in enumerate(("_brightness", "_contrast", "_saturation", "_hue")):
        monkeypatch.setattr(module, name, noted(step))
    found = module._jitter(np.zeros((600, 1, 1, 3), np.float32), np.random.default_rng(0))
    assert len(np.unique(found)) == 24
