"""Synthetic patches: kinds, geometry, polarity, what repeats, and the card's check values."""

import csv
import errno
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from geoml.errors import InputError
from geoml.tasks.patchnet import synthetic
from geoml.tasks.patchnet.patches import network_input, scale_of
from geoml.tasks.patchnet.synthetic import COLUMNS, generate, sample, samples
from geoml.tasks.patchnet.synthetic_patches import (
    BSR,
    ENVIRONMENT,
    KINDS,
    NORMAL,
    SEAFLOOR,
    UNIFORMS,
    bands,
    drawn,
    kinds_of,
    reflections,
)

ROWS = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches")
    generate(folder, ROWS, 0, "patches")
    return folder


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def clean(kind, n=200, **changes):
    """What ``n`` patches of one kind show, drawn once."""
    what = drawn(np.full(n, kind), np.random.default_rng(kind).random((n, UNIFORMS)))
    return replace(what, **{name: np.full(n, float(value)) for name, value in changes.items()})


def plain(kind, layers=0.0, **changes):
    """One patch with even layers and no dip, amplitudes 1."""
    level = {"centre": 34, "half": 2, "dip": 0, "background_dip": 0, "top": 1, "bottom": -1}
    what = clean(kind, 1, **(level | changes))
    return replace(what, layers=np.full_like(what.layers, layers))


def upper_and_lower(patches, what):
    """Mean along either lobe's middle line."""
    rows, columns = np.indices((48, 48)) - 24
    below = (rows * np.cos(what.dip)[:, None, None] + columns * np.sin(what.dip)[:, None, None]) / np.sqrt(2)
    below += (34 - what.centre)[:, None, None]
    half = what.half[:, None, None]
    return [
        np.nanmean(np.where(np.abs(below - side * half / 2) < 0.4, patches, np.nan), (1, 2)) for side in (-1, 0.999)
    ]


def test_every_fifty_samples_have_the_cards_kinds():
    kinds = kinds_of(np.arange(150)).reshape(3, 50)
    for part in kinds:
        assert np.bincount(part, minlength=4).tolist() == [25, 19, 1, 5]


def test_any_run_of_samples_is_balanced():
    positive = kinds_of(np.arange(101)) == BSR
    assert positive.sum() == 51
    assert abs(positive.cumsum() - np.arange(1, 102) / 2).max() <= 0.5


def test_drawn_values_have_the_cards_distributions():
    n = 20_000
    kind = kinds_of(np.arange(n))
    what = drawn(kind, np.random.default_rng(0).random((n, UNIFORMS)))
    assert what.centre.mean() == pytest.approx(0.5 * 68 - 0.5, abs=0.1)
    assert what.centre.std() == pytest.approx(0.05 * 68, rel=0.05)
    share = [(what.half == half).mean() for half in (2, 3)]
    assert share == pytest.approx([1.92 / 2.72, 0.8 / 2.72], abs=0.02)
    for k, most in ((BSR, (15, 20)), (NORMAL, (15, 20)), (SEAFLOOR, (8, 8)), (ENVIRONMENT, (0, 20))):
        for dips, top in zip((what.dip, what.background_dip), most, strict=True):
            assert np.abs(np.rad2deg(dips[kind == k])).max() == pytest.approx(top, rel=0.02)
    positive, negative = np.maximum(what.top, what.bottom)[kind != ENVIRONMENT], what.top[kind == BSR]
    assert positive.min() == pytest.approx(0.2, abs=0.01)
    assert positive.max() == pytest.approx(0.99, abs=0.01)
    assert (negative.min(), negative.max()) == pytest.approx((-0.99, -0.2), abs=0.01)
    event = kind == BSR
    assert abs(np.corrcoef(what.top[event], what.bottom[event])[0, 1]) < 0.03


def test_layers_have_the_cards_thicknesses_and_amplitudes():
    layers = clean(ENVIRONMENT, 2000).layers
    assert (layers.min(), layers.max()) == pytest.approx((-0.30, 0.24), abs=0.001)
    runs = [np.diff(np.flatnonzero(np.diff(row))) for row in layers]  # without the first and the last, cut one
    shares = np.bincount(np.concatenate(runs), minlength=5) / len(np.concatenate(runs))
    assert shares == pytest.approx([0, 1 / 6, 1 / 3, 1 / 3, 1 / 6], abs=0.015)


def turned(canvas, angle):
    """A square canvas turned about its centre, magnified by the root of 2 and interpolated bilinearly."""
    c = np.array(canvas.shape) / 2
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / np.sqrt(2)
    return affine_transform(canvas, matrix, c - matrix @ c, order=1)


@pytest.mark.parametrize("kind", [BSR, NORMAL, ENVIRONMENT])
def test_patches_are_those_of_turned_canvases(kind):
    what = clean(kind, 10)
    for k, ours in enumerate(bands(what)):
        if kind == ENVIRONMENT:
            expected = turned(np.tile(what.layers[k, :68, None], 68), what.background_dip[k])
        else:
            expected = turned(np.tile(what.layers[k][:, None], 97), what.background_dip[k])[14:82, 14:82]
            z, half, canvas = int(what.centre[k]), int(what.half[k]), np.zeros((2, 68, 68))
            canvas[0, z - half : z], canvas[0, z : z + half] = what.top[k], what.bottom[k]
            canvas[1, z - half : z + half] = 1
            event, covered = (turned(one, what.dip[k]) for one in canvas)
            expected = np.where(covered > 0, event, expected)
        np.testing.assert_allclose(ours, expected[10:58, 10:58], atol=1e-4)


def test_layers_under_a_sea_floor_are_those_of_canvases_turned_twice():
    what = replace(clean(SEAFLOOR, 10), dip=np.deg2rad(np.linspace(-8, 8, 10)))
    for k, ours in enumerate(bands(what)):
        z, half = int(what.centre[k]), int(what.half[k])
        canvas = turned(np.tile(what.layers[k][:, None], 97), what.background_dip[k])[14:82, 14:82]
        canvas[: z - half], canvas[z - half : z], canvas[z : z + half] = 0, what.top[k], what.bottom[k]
        expected = turned(canvas, what.dip[k])[10:58, 10:58]
        assert np.abs(ours - expected).mean() < 0.007  # ours interpolates the layers once, not twice
        assert np.abs(ours - expected).max() < 0.15


def test_a_level_event_is_two_bands_widened_by_the_root_of_2():
    x = bands(plain(BSR, top=-0.8, bottom=0.5))[0]
    assert (x == x[:, :1]).all()
    np.testing.assert_allclose(x[:20, 0], 0, atol=1e-6)
    assert x[22, 0] == pytest.approx(-0.8)
    np.testing.assert_allclose(x[24:26, 0], 0.5, atol=1e-6)  # rows 0 to 1 of the canvas are 0 to 1.41 of the patch
    np.testing.assert_allclose(x[27:, 0], 0, atol=1e-6)
    assert x[:, 0].sum() == pytest.approx(2 * np.sqrt(2) * (0.5 - 0.8), abs=0.15)


def test_an_event_replaces_the_layers_and_the_rest_is_theirs():
    with_layers, without = bands(plain(BSR, layers=0.25))[0], bands(plain(BSR))[0]
    event = without != 0
    np.testing.assert_array_equal(with_layers[event], without[event])
    np.testing.assert_allclose(with_layers[~event], 0.25, atol=1e-6)
    assert 0.1 < event.mean() < 0.2


def test_an_event_of_amplitude_0_still_covers_its_layers():
    x = bands(plain(BSR, layers=0.25, top=0, bottom=0))[0, :, 0]
    assert (x == 0).sum() == 7  # rows -3 to 2 of the canvas, exclusive


def test_an_event_dips_by_its_angle():
    what = plain(NORMAL, dip=np.deg2rad(10), bottom=0)
    x = bands(what)[0]
    middle = (x * np.arange(48)[:, None]).sum(0) / x.sum(0)
    assert np.polyfit(np.arange(48), middle, 1)[0] == pytest.approx(-np.tan(np.deg2rad(10)), abs=0.01)


def test_water_is_empty_and_layers_lie_under_the_sea_floor():
    x = bands(plain(SEAFLOOR, layers=0.2))[0, :, 0]
    np.testing.assert_allclose(x[:20], 0, atol=1e-6)
    assert x[22] == pytest.approx(1)
    assert x[25] == pytest.approx(-1)
    np.testing.assert_allclose(x[27:], 0.2, atol=1e-6)


def test_an_environment_patch_has_no_event():
    what = clean(ENVIRONMENT)
    x = bands(what)
    assert x.min() >= -0.3001
    assert x.max() <= 0.2401
    np.testing.assert_array_equal(x, bands(replace(what, centre=what.centre + 5)))


@pytest.mark.parametrize("make", [bands, reflections])
@pytest.mark.parametrize("kind", range(4))
def test_clean_patches_are_finite_and_differ(make, kind):
    x = make(clean(kind, 50))
    assert x.shape == (50, 48, 48)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert len({patch.tobytes() for patch in x}) == 50


@pytest.mark.parametrize(("kind", "sign"), [(BSR, -1), (NORMAL, 1), (SEAFLOOR, 1)])
def test_the_upper_lobe_tells_the_class(kind, sign):
    what = clean(kind)
    upper, lower = upper_and_lower(bands(what), what)
    assert (sign * upper > 0).all()
    assert (sign * lower < 0).all()


@pytest.mark.parametrize("make", [bands, reflections])
def test_a_positive_patch_of_flipped_polarity_is_one_of_the_negative_class(make):
    what = clean(BSR)
    negative = replace(what, kind=np.full(200, NORMAL), top=-what.top, bottom=-what.bottom, layers=-what.layers)
    np.testing.assert_allclose(-make(what), make(negative), atol=1e-6)
    assert (negative.top >= 0.2).all()  # as negative patches are drawn
    assert (negative.bottom <= -0.2).all()


@pytest.mark.parametrize(("kind", "sign"), [(BSR, -1), (NORMAL, 1), (SEAFLOOR, 1)])
def test_an_event_is_one_ricker_wavelet_of_its_polarity(kind, sign):
    what = replace(plain(kind, phase=0, peak_hz=40, top=0.7 * sign), layers=np.zeros((1, 97), np.float32))
    a = (np.pi * 40 * 0.004 * (np.arange(48) - 24)) ** 2
    expected = sign * 0.7 * (1 - 2 * a) * np.exp(-a)
    np.testing.assert_allclose(reflections(what)[0], np.tile(expected[:, None], 48), atol=0.01)


def test_a_wavelet_has_its_peak_frequency():
    what = replace(plain(NORMAL, phase=0.5, peak_hz=30), layers=np.zeros((1, 97), np.float32))
    x = reflections(what)[0, :, 0]
    spectrum = np.abs(np.fft.rfft(x, 4096))
    assert np.fft.rfftfreq(4096, 0.004)[spectrum.argmax()] == pytest.approx(30, abs=1.5)


def test_a_layer_boundary_reflects_half_its_difference():
    what = plain(ENVIRONMENT, phase=0, peak_hz=60, top=0)
    what.layers[:, 34:] = 0.2
    x = reflections(what)[0, :, 0]
    assert x.argmax() == 24
    assert x.max() == pytest.approx(0.1, abs=0.005)


def test_files_hold_every_set_with_its_table(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name}.{kind}" for name in ("train", "val", "test") for kind in ("csv", "npy")
    )
    for name, count in (("train", 140), ("val", 30), ("test", 30)):
        patches, rows = np.load(folder / f"{name}.npy"), table(folder / f"{name}.csv")
        assert patches.shape == (count, 48, 48)
        assert patches.dtype == np.float16
        assert np.isfinite(patches).all()
        assert len(rows) == count
        assert list(rows[0]) == COLUMNS
        assert {row["set"] for row in rows} == {name}
        assert [row["label"] for row in rows] == ["1" if row["kind"] == "bsr" else "0" for row in rows]
        assert sum(row["label"] == "1" for row in rows) == count / 2


@pytest.mark.parametrize("options", [{}, {"compat": True}, {"physics": True}])
def test_any_sample_is_made_again_bit_for_bit(tmp_path, options):
    generate(tmp_path, 130, 3, "patches", **options)
    for name, count in (("train", 90), ("val", 20), ("test", 20)):
        patches = np.load(tmp_path / f"{name}.npy")
        for index in {0, 1, 7, 63, 64, 65, count - 1} & set(range(count)):
            np.testing.assert_array_equal(sample(3, name, index, **options), patches[index])


def test_a_longer_set_begins_with_the_shorter_one(folder, tmp_path):
    generate(tmp_path, 150, 0, "patches")
    for name in ("train", "val", "test"):
        short = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_array_equal(np.load(folder / f"{name}.npy")[: len(short)], short)


def test_seeds_and_sets_differ_and_equal_seeds_do_not(folder, tmp_path):
    generate(tmp_path, ROWS, 0, "patches", line={"traces": 100})
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    made = [sample(seed, name, 0).tobytes() for seed in (0, 1) for name in ("train", "val", "test")]
    assert len(set(made)) == 6


def test_a_table_tells_what_a_sample_was_drawn_from(folder):
    row = table(folder / "train.csv")[5]
    columns = samples(0, "train", np.array([5]))[1]
    for name in COLUMNS:
        if name not in ("set", "kind"):
            assert float(row[name]) == pytest.approx(columns[name][0], rel=1e-4)


def test_the_originals_single_draws_are_the_same_in_a_whole_set():
    indices = np.arange(300)
    single, each = (samples(0, "train", indices, compat=compat)[1] for compat in (True, False))
    for name in ("blur", "noise", "mask", "dropout"):
        values = [np.unique(columns[name][columns[name] > 0]) for columns in (single, each)]
        assert len(values[0]) == 1
        assert len(values[1]) > 20
        np.testing.assert_array_equal(single[name] > 0, each[name] > 0)
    other = samples(0, "val", indices, compat=True)[1]
    assert other["blur"].max() != single["blur"].max()
    assert len(np.unique(single["perspective"])) > 20


def test_physics_keeps_labels_and_geometry():
    indices = np.arange(60)
    (_, flat), (_, waves) = (samples(0, "train", indices, physics=physics) for physics in (False, True))
    for name in ("label", "kind", "centre", "dip", "top", "blur"):
        np.testing.assert_array_equal(flat[name], waves[name])
    assert (flat["peak_hz"] == 0).all()
    assert waves["peak_hz"].min() >= 20
    assert waves["peak_hz"].max() <= 60
    assert np.abs(waves["phase"]).max() <= 60


def test_amplitudes_are_distributed_as_the_originals():
    """Card, 2.6: standard deviation 0.238 and 0.229 at 48 pixels, 0.214 and 0.216 at 112; 1 % of pixels at the ends."""
    for name in ("train", "test"):
        patches = samples(0, name, np.arange(1000))[0]
        scale = scale_of(patches)
        assert scale[0] == 0
        scaled = np.clip(patches / np.float32(scale[1]), -1, 1)
        assert scaled.std() == pytest.approx(0.233, abs=0.015)
        assert (np.abs(scaled) >= 0.999).mean() == pytest.approx(0.010, abs=0.001)
        resized = network_input(patches[:400], scale)
        assert resized.std() == pytest.approx(0.21, abs=0.02)
        assert np.abs(resized).max() <= 1


def test_kinds_have_names():
    assert [KINDS[kind] for kind in (BSR, NORMAL, SEAFLOOR, ENVIRONMENT)] == [
        "bsr",
        "normal",
        "seafloor",
        "environment",
    ]


def test_a_full_disk_is_told_and_leaves_no_files(tmp_path, monkeypatch):
    def full(what):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(synthetic, "bands", full)
    with pytest.raises(InputError, match=r"train.npy: disk space: expected room .* MB left"):
        generate(tmp_path, ROWS, 0, "patches")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("rows", "reader", "said"), [(13, "patches", "rows: expected 14"), (50, "other", "reader")])
def test_what_cannot_be_made_is_refused(tmp_path, rows, reader, said):
    with pytest.raises(InputError, match=said):
        generate(tmp_path, rows, 0, reader)


def test_the_fewest_rows_have_both_classes_in_each_set(tmp_path):
    generate(tmp_path, synthetic.FEWEST, 0, "patches")
    for name in ("train", "val", "test"):
        assert {row["label"] for row in table(tmp_path / f"{name}.csv")} == {"0", "1"}
