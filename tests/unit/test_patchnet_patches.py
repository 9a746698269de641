"""Scale and resizing of patches."""

import numpy as np
import pytest
from skimage.transform import resize

from geoml.errors import InputError
from geoml.tasks.patchnet.patches import network_input, scale_of


@pytest.fixture
def patches():
    return np.random.default_rng(0).normal(0.1, 1, (3, 48, 48)).astype(np.float32)


def test_the_scale_is_symmetric_and_ends_within_the_percentiles(patches):
    low, high = np.percentile(patches, [0.5, 99.5])
    inside = patches[(patches >= low) & (patches <= high)]
    assert scale_of(patches) == (0.0, max(-inside.min(), inside.max()))


def test_the_scale_of_negated_patches_is_the_same(patches):
    assert scale_of(-patches) == scale_of(patches)


@pytest.mark.parametrize("sign", [1, -1])
def test_amplitudes_of_one_sign_keep_their_own_range(patches, sign):
    values = sign * (np.arange(2304, dtype=np.float32).reshape(1, 48, 48) + 100)
    centre, half = scale_of(values)
    assert centre == pytest.approx(sign * (100 + 2303 / 2))
    assert half == pytest.approx(2303 / 2 - 12)  # 12 of 2304 pixels are beyond 0.5 %
    assert abs(network_input(values, (centre, half))).max() > 0.99


def test_a_few_spikes_do_not_change_the_scale(patches):
    before = scale_of(patches)
    patches[0, 0, :5] = 1e6
    assert scale_of(patches)[1] == pytest.approx(before[1], rel=0.05)


def test_the_scale_leaves_its_patches_alone(patches):
    before = patches.copy()
    scale_of(patches)
    np.testing.assert_array_equal(patches, before)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "finite numbers"), (np.inf, "finite numbers")])
def test_amplitudes_that_are_not_finite_have_no_scale(patches, value, said):
    patches[1, 2, 3] = value
    with pytest.raises(InputError, match=said):
        scale_of(patches)


def test_dead_patches_have_no_scale():
    with pytest.raises(InputError, match="more than one value"):
        scale_of(np.zeros((2, 48, 48), np.float16))


@pytest.mark.parametrize("size", [112, 48, 60])
def test_resizing_is_bilinear_with_a_mirrored_border(patches, size):
    ours = network_input(patches, (0, 10), size)
    assert ours.shape == (3, size, size, 1)
    assert ours.dtype == np.float32
    for one, patch in zip(ours, patches, strict=True):
        expected = resize(patch / 10, (size, size), order=1, mode="reflect", anti_aliasing=False)
        np.testing.assert_allclose(one[..., 0], expected, atol=1e-6)


def test_rows_and_columns_are_not_exchanged():
    patch = np.zeros((1, 48, 40), np.float16)
    patch[0, 10:14] = 1
    out = network_input(patch, (0, 1), 96)[0, ..., 0]
    assert (out == out[:, :1]).all()
    assert out[24, 0] == 1
    assert out[40, 0] == 0


def test_amplitudes_beyond_the_scale_are_clipped(patches):
    out = network_input(patches, (0.1, 0.5))
    assert out.min() == -1
    assert out.max() == 1


def test_amplitudes_are_taken_about_the_centre():
    out = network_input(np.full((1, 48, 48), 5.0), (4.0, 2.0))
    np.testing.assert_allclose(out, 0.5, rtol=1e-6)


def test_any_number_of_patches_gives_the_same(patches):
    many = np.tile(patches, (100, 1, 1))
    np.testing.assert_array_equal(network_input(many, (0, 2))[297:], network_input(patches, (0, 2)))
    assert network_input(patches[:0], (0, 2)).shape == (0, 112, 112, 1)
