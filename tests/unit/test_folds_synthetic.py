import csv
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from geoml.errors import InputError
from geoml.tasks.folds import CLASSES
from geoml.tasks.folds.synthetic import draw, generate
from geoml.tasks.folds.synthetic_geometry import POINTS, Fold, draw_fold, draw_profile, fourier, profile, view
from geoml.tasks.folds.synthetic_rock import STYLES, draw_style, modelled, smooth

ROWS, SEED = 150, 3
SQUARE = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def table(folder):
    with open(folder / "metadata.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small data set and its table; much label noise, so that there is some."""
    folder = tmp_path_factory.mktemp("folds") / "set"
    generate(folder, ROWS, SEED, "images", size=48, label_noise=0.2, outcrop=0.4)
    return folder, table(folder)


def counts(rows, *columns):
    return Counter(tuple(row[column] for column in columns) for row in rows)


def test_equal_seeds_give_equal_files_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, 12, seed, "images", size=32)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_a_picture_made_alone_equals_the_one_in_the_set(made):
    folder, rows = made
    for row in rows[::10]:
        rgb, values = draw(SEED, row["split"], int(row["index"]), row["true_class"], row["domain"], size=48)
        assert row["style"] == values["style"] and float(row["b3"]) == pytest.approx(values["b3"], abs=1e-5)
        if row["file"].endswith(".png"):
            np.testing.assert_array_equal(np.asarray(Image.open(folder / row["file"])), rgb)


def test_every_file_is_in_the_table_and_lies_in_the_folder_of_its_label(made):
    folder, rows = made
    assert {row["file"] for row in rows} | {"metadata.csv"} == set(files(folder))
    for row in rows:
        assert re.fullmatch(rf"{row['split'].upper()}/{row['class']}/fold_\d+\.(png|jpg)", row["file"])
    assert len({row["group"] for row in rows}) == len(rows) == ROWS


def test_splits_and_classes_have_their_shares(made):
    rows = made[1]
    assert counts(rows, "split") == {("train",): 120, ("val",): 12, ("test",): 18}
    train = counts([row for row in rows if row["split"] == "train"], "true_class")
    assert [train[name,] for name in CLASSES] == pytest.approx([37.5, 40.4, 42.1], abs=1)
    for split, each in (("val", 4), ("test", 6)):
        held_out = counts([row for row in rows if row["split"] == split], "true_class")
        assert held_out == {(name,): each for name in CLASSES}


def test_outcrops_have_their_share_in_every_split(made):
    found = counts(made[1], "split", "domain")
    assert found["train", "outcrop"] == 48
    assert found["val", "outcrop"] == 9
    assert found["test", "outcrop"] == pytest.approx(13.5, abs=0.5)


@pytest.mark.parametrize(("share", "domain"), [(0.0, "modelled"), (1.0, "outcrop")])
def test_a_set_of_one_domain_has_it_in_all_splits(tmp_path, share, domain):
    generate(tmp_path / "set", 9, 1, "images", size=32, outcrop=share)
    rows = table(tmp_path / "set")
    assert counts(rows, "split", "true_class", "domain") == {
        (split, name, domain): 1 for split in ("train", "val", "test") for name in CLASSES
    }


def test_only_outcrops_are_mislabelled_and_as_often_as_asked(made):
    rows = made[1]
    wrong = [row for row in rows if row["class"] != row["true_class"]]
    assert {row["domain"] for row in wrong} == {"outcrop"}
    outcrops = counts([row for row in rows if row["domain"] == "outcrop"], "split")
    assert counts(wrong, "split") == {split: round(0.2 * number) for split, number in outcrops.items()}


def test_modelled_pictures_are_png_and_outcrops_both(made):
    found = counts([row | {"kind": row["file"][-3:]} for row in made[1]], "domain", "kind")
    assert found["modelled", "jpg"] == 0
    assert 0.25 < found["outcrop", "jpg"] / (found["outcrop", "jpg"] + found["outcrop", "png"]) < 0.75


@pytest.mark.parametrize(
    ("values", "ratio"),
    [
        ({"curve": "chevron", "smoothing": 0.0}, -1 / 9),
        ({"curve": "chevron", "smoothing": 0.02}, -0.104),
        ({"curve": "chevron", "smoothing": 0.055}, -0.069),
        ({"curve": "chevron", "smoothing": 0.085}, -0.036),
        ({"curve": "cosine", "smoothing": 0.0, "third": 0.0, "fifth": 0.0}, 0.0),
        ({"curve": "cosine", "smoothing": 0.0, "third": 0.1, "fifth": 0.0}, 0.1),
        ({"curve": "parabola", "smoothing": 0.0}, 1 / 27),
        ({"curve": "ellipse", "smoothing": 0.0}, 0.166),
        ({"curve": "box", "smoothing": 0.0, "crest": 0.4999, "trough": 0.4999}, 1 / 3),
    ],
)
def test_fourier_ratios_of_known_shapes_are_the_exact_ones(values, ratio):
    b1, b3, _ = fourier(profile(values))
    assert b3 / b1 == pytest.approx(ratio, abs=1.5e-3)


@pytest.mark.parametrize(
    ("shape", "low", "middle", "high"),
    [("box", 0.10, 0.247, 0.334), ("chevron", -0.112, -0.09, -0.015), ("rounded", -0.051, 0.06, 0.17)],
)
def test_drawn_profiles_keep_to_the_range_of_their_class(shape, low, middle, high):
    rng = np.random.default_rng(1)
    curves = [profile(draw_profile(shape, rng)) for _ in range(150)]
    ratios = [b3 / b1 for b1, b3, _ in map(fourier, curves)]
    assert low <= min(ratios) and max(ratios) <= high
    assert np.median(ratios) == pytest.approx(middle, abs=0.02)
    assert np.abs(np.mean(curves, axis=1)).max() < 1e-9
    assert np.abs(curves).max(axis=1) == pytest.approx(1)


def fold(shape="rounded", **changes):
    values = draw_fold(shape, "modelled", np.random.default_rng(5))
    still = {"tilt_deg": 0, "shear": 0, "asymmetry": 0, "synform": False, "offset": 0, "hinge_y": 0, "reference": 0}
    curve = {"curve": "cosine", "smoothing": 0.0, "third": 0.0, "fifth": 0.0}
    size = {"wavelength": 1.0, "amplitude": 0.15, "packet": 0.1, "ramsay_k": 0.0}
    return Fold(values | still | curve | size | changes)


@pytest.mark.parametrize(("k", "ramsay"), [(1.2, "1A"), (1.0, "1B"), (0.5, "1C"), (0.0, "2"), (-0.3, "3")])
def test_the_measured_ramsay_class_is_the_one_asked_for(k, ramsay):
    ratio, found = fold(ramsay_k=k).ramsay()
    cosine = 1 / np.hypot(1, 2 * np.pi * 0.15)
    assert found == ramsay
    assert ratio == pytest.approx(cosine / (1 + k * (cosine - 1)), rel=0.05)


def test_labels_increase_downwards_for_every_class_of_fold():
    x, y = view(SQUARE, 64)
    for number in range(30):
        drawn = draw_fold(CLASSES[number % 3], "outcrop", np.random.default_rng(number))
        drawn |= {"tilt_deg": 0.0, "shear": 0.0, "ramsay_k": min(drawn["ramsay_k"], 1.0)}
        q = Fold(drawn).label(x, y)
        assert np.diff(q, axis=0).min() > -1e-3


def test_an_antiform_has_its_crest_and_a_synform_its_trough_at_the_hinge():
    x = np.linspace(-0.4, 0.4, 81, dtype=np.float32)
    for synform, place in ((False, np.argmax), (True, np.argmin)):
        q = fold(synform=synform).label(x, np.zeros_like(x))
        assert place(q) == 40
        assert q[40] == pytest.approx(0, abs=1e-3)


def test_asymmetry_lengthens_the_descending_limb():
    x = np.linspace(-0.5, 0.9, 1401, dtype=np.float32)
    q = fold(asymmetry=0.1).label(x, np.zeros_like(x))
    assert x[np.argmin(q[500:]) + 500] - x[np.argmax(q)] == pytest.approx(0.6, abs=0.01)


def test_neighbouring_layers_of_a_model_differ_and_lie_on_white():
    column = np.linspace(-2, 2, 40000, dtype=np.float32)[:, None]
    for number in range(10):
        grey, drawn = modelled(column, STYLES["banded"], np.random.default_rng(number))
        inner = grey[grey < 1]
        changes = np.flatnonzero(np.diff(inner) != 0)
        assert grey[0, 0] == grey[-1, 0] == 1
        assert drawn["band"] == pytest.approx(len(inner) * 1e-4, abs=2e-3)
        assert 3 <= drawn["greys"] <= 6
        assert len(changes) >= 2


def test_the_habit_is_the_probability_of_the_usual_style():
    rng = np.random.default_rng(0)
    styles = Counter(draw_style("chevron", 0.75, rng) for _ in range(2000))
    assert styles["thin-bedded"] / 2000 == pytest.approx(0.75 + 0.25 / 3, abs=0.03)
    assert {draw_style("box", 1.0, rng) for _ in range(50)} == {"massive"}


def test_the_corners_of_a_view_are_where_they_were_put():
    corners = SQUARE + np.random.default_rng(0).normal(0, 0.1, (4, 2))
    x, y = view(corners, 400)
    for (row, column), corner in zip([(0, 0), (0, -1), (-1, -1), (-1, 0)], corners, strict=True):
        assert (x[row, column], y[row, column]) == pytest.approx(corner, abs=0.01)


def test_smooth_noise_is_standard_and_as_smooth_as_asked():
    rng = np.random.default_rng(0)
    rough, gentle = smooth(128, 0.05, rng), smooth(128, 0.3, rng)
    for field in (rough, gentle):
        assert (field.mean(), field.std()) == pytest.approx((0, 1), abs=1e-3)
    assert np.abs(np.diff(rough)).mean() > 3 * np.abs(np.diff(gentle)).mean()


@pytest.mark.parametrize("domain", ["modelled", "outcrop"])
@pytest.mark.parametrize("size", [64, 101])
def test_pictures_have_the_size_asked_for_and_are_not_blank(domain, size):
    for number, shape in enumerate(CLASSES):
        rgb, values = draw(1, "val", number, shape, domain, size=size)
        assert rgb.shape == (size, size, 3) and rgb.dtype == np.uint8
        assert rgb.mean(2).std() >= 12
        assert 1 <= values["tries"] <= 8


def test_modelled_pictures_are_grey_with_white_and_grey_outcrops_stay_grey():
    for number in range(6):
        rgb, _ = draw(2, "train", number, CLASSES[number % 3], "modelled", size=64)
        assert np.ptp(rgb, axis=2).max() == 0
        assert (rgb == 255).mean() > 0.01
    for number in range(12):
        rgb, values = draw(2, "train", number, CLASSES[number % 3], "outcrop", size=64)
        assert (np.ptp(rgb, axis=2).max() == 0) == values["grey_picture"]


def test_the_profile_table_is_one_wavelength_with_its_crest_first():
    f = profile(draw_profile("box", np.random.default_rng(0)))
    assert f.shape == (POINTS,)
    assert f[0] == pytest.approx(f.max())


@pytest.mark.parametrize(("rows", "reader"), [(8, "images"), (30, "features")])
def test_too_few_rows_and_unknown_layouts_are_refused(tmp_path, rows, reader):
    with pytest.raises(InputError):
        generate(tmp_path / "set", rows, 1, reader)


def test_a_folder_with_files_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="with files in it"):
        generate(tmp_path, 9, 1, "images")
