"""Fault maps thinned, drawn anew, speckled, with faults missing, and read from pictures and arrays."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import label

from geoml.errors import InputError
from geoml.tasks.slip import maps


def fault_map() -> np.ndarray:
    """A level fault five rows thick, and a dipping one three rows thick, (128, 64)."""
    made = np.zeros((128, 64), np.uint8)
    made[40:45, 4:60] = 1
    for column in range(10, 60):
        made[80 + column // 3 : 83 + column // 3, column] = 1
    return made


def stack() -> np.ndarray:
    return np.stack([fault_map(), np.zeros((128, 64), np.uint8), fault_map()[::-1]])


@pytest.mark.parametrize("thickness", [1, 2, 3, 4, 5])
def test_a_level_fault_is_as_thick_as_was_asked_whatever_it_was(thickness: int) -> None:
    made = maps.redrawn(stack(), thickness)
    assert made.dtype == np.uint8 and made.shape == (3, 128, 64)
    assert (made[0, 30:55, 20:50].sum(axis=0) == thickness).all()
    assert not made[1].any()


@pytest.mark.parametrize("thickness", [2, 3, 4])
def test_a_fault_at_45_degrees_is_as_thick_across_as_a_level_one(thickness: int) -> None:
    lines = np.eye(60, dtype=np.uint8)[None]
    rows_per_column = maps.drawn(lines, thickness)[0, :, 30].sum()
    assert rows_per_column / np.sqrt(2) == pytest.approx(thickness, abs=0.6)


def test_a_skeleton_is_one_pixel_thick_and_does_not_change_when_thinned_again() -> None:
    lines = maps.skeleton(stack())
    assert (lines[0].sum(axis=0)[12:58] == 2).all()
    assert np.array_equal(maps.skeleton(lines), lines)


def test_speckles_are_as_many_as_asked_of_the_faults_pixels_and_follow_the_seed() -> None:
    many = np.repeat(fault_map()[None], 200, axis=0)
    changed = maps.noisy(many, 0.2, np.random.default_rng(1)) != many
    assert changed.sum() / many.sum() == pytest.approx(0.2, rel=0.03)
    assert changed[many == 0].mean() == pytest.approx(changed[many == 1].mean(), rel=0.2)
    again = maps.noisy(many, 0.2, np.random.default_rng(1))
    assert np.array_equal(again != many, changed)
    assert not maps.noisy(stack(), 0.5, np.random.default_rng(1))[1].any()


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_about_the_asked_share_of_the_faults_goes_missing_but_never_all(share: float) -> None:
    some = stack()
    left = maps.with_missing(some, share, np.random.default_rng(3))
    assert not (left & (1 - some)).any()
    for before, after in zip(some[[0, 2]], left[[0, 2]], strict=True):
        assert after.any()
        assert 1 - after.sum() / before.sum() == pytest.approx(share, abs=0.12)
    assert not left[1].any()


def test_short_segments_go_missing_whole_and_long_ones_in_pieces_along_strike() -> None:
    some = np.zeros((1, 128, 64), np.uint8)
    for k in range(6):
        some[0, 20 * k : 20 * k + 3, 10 * k : 10 * k + 6] = 1
    left = maps.with_missing(some, 0.5, np.random.default_rng(0))[0]
    _, count = label(left, np.ones((3, 3)))
    assert count == 3 and left.sum() == 3 * 18
    level = np.zeros((1, 128, 64), np.uint8)
    level[0, 60:64] = 1
    columns = maps.with_missing(level, 0.5, np.random.default_rng(0))[0, 60:64].sum(axis=0)
    assert set(columns) == {0, 4} and (columns == 0).sum() == 32


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("faults_are", ["dark", "bright"])
def test_the_rarer_colour_of_a_picture_is_the_fault(tmp_path: Path, suffix: str, faults_are: str) -> None:
    made = fault_map()
    made[0, :5] = 1
    Image.fromarray(255 * (made if faults_are == "bright" else 1 - made)).save(tmp_path / f"a{suffix}")
    assert np.array_equal(maps.read(tmp_path / f"a{suffix}"), made[None])


def test_colours_palettes_one_bit_and_transparent_ground_are_read_alike(tmp_path: Path) -> None:
    made = fault_map()
    red = np.where(made[..., None] == 1, (200, 10, 10), (240, 240, 220)).astype(np.uint8)
    clear = np.dstack([np.zeros_like(red), 255 * made])
    pictures = [
        Image.fromarray(red),
        Image.fromarray(red).quantize(4),
        Image.fromarray(made.astype(bool)),
        Image.fromarray(clear),
        Image.fromarray(made.astype(np.uint16) * 60000),
    ]
    for picture in pictures:
        picture.save(tmp_path / "a.png")
        assert np.array_equal(maps.read(tmp_path / "a.png")[0], made), picture.mode


def test_a_picture_of_one_colour_has_no_fault(tmp_path: Path) -> None:
    Image.new("L", (64, 128), 255).save(tmp_path / "a.png")
    assert not maps.read(tmp_path / "a.png").any()


def test_a_grey_picture_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Image.fromarray(255 * fault_map()).resize((50, 100), Image.Resampling.BILINEAR).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"two colours, fault and ground, got .*Threshold it"):
        maps.read(tmp_path / "a.png")


def test_damaged_and_many_paged_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG not")
    with pytest.raises(InputError, match=r"a\.png: file: expected a picture"):
        maps.read(tmp_path / "a.png")
    page = Image.fromarray(255 * fault_map())
    page.save(tmp_path / "b.tif", save_all=True, append_images=[page])
    with pytest.raises(InputError, match="expected one page"):
        maps.read(tmp_path / "b.tif")


def test_arrays_of_every_shape_give_maps_frame_by_frame(tmp_path: Path) -> None:
    frames = np.stack([fault_map(), fault_map()[::-1], 0 * fault_map()], axis=-1)
    four = np.random.default_rng(0).normal(size=(128, 64, 4, 3))
    four[:, :, 1] = frames
    cases = {
        "map": (frames[..., 0], 1),
        "frames": (frames, 3),
        "bool": (frames.astype(bool), 3),
        "window": (four[..., 0], 1),
        "experiment": (four, 3),
    }
    for name, (values, count) in cases.items():
        np.save(tmp_path / f"{name}.npy", values)
        read = maps.read(tmp_path / f"{name}.npy")
        assert read.dtype == np.uint8
        assert np.array_equal(read, np.moveaxis(frames, -1, 0)[:count]), name


def test_an_experiment_is_read_from_both_formats_of_matlab(tmp_path: Path) -> None:
    frames = np.stack([fault_map(), fault_map()[::-1]], axis=-1)
    savemat(tmp_path / "old.mat", {"altBW_filt": frames, "curl_map": frames * 0.5})
    with h5py.File(tmp_path / "new.mat", "w") as file:
        file["altBW_filt"] = frames.T
    for name in ("old.mat", "new.mat"):
        assert np.array_equal(maps.read(tmp_path / name), np.moveaxis(frames, -1, 0)), name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((128, 64), 0.5), "0 and 1 .fault. only, got values from 0.5 to 0.5"),
        (np.full((128, 64), np.nan), "0 and 1"),
        (np.zeros(64), r"got \(64,\)"),
        (np.zeros((0, 64)), r"got \(0, 64\)"),
        (np.array([["a"]]), "expected numbers"),
    ],
)
def test_arrays_that_are_no_fault_maps_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=message):
        maps.read(tmp_path / "a.npy")


def test_pickles_and_damaged_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(b"")
    (tmp_path / "c.mat").write_bytes(b"not a matrix")
    savemat(tmp_path / "d.mat", {"other": np.zeros((2, 2))})
    with open(tmp_path / "e.npy", "wb") as file:
        np.savez(file, np.zeros(2))
    for name, message in {
        "a.npy": "a NumPy array",
        "b.npy": "a NumPy array",
        "c.mat": "a MATLAB file",
        "d.mat": "expected altBW_filt, got other",
        "e.npy": "archive of several",
    }.items():
        with pytest.raises(InputError, match=message):
            maps.read(tmp_path / name)
