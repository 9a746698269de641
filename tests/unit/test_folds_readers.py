"""Fold pictures as users have them, their folders, and the tables of features: each way to be right or wrong."""

import gzip
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoml.errors import InputError
from geoml.tasks.folds import features, pictures
from geoml.tasks.folds.datasets import features as tables
from geoml.tasks.folds.datasets import images
from geoml.tasks.folds.features import FEATURES

SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "fold_features"
SETTINGS = {"size": 16, "features": True}
PLAIN = SETTINGS | {"features": False}
RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Kept features go into a folder of the test."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def rgb(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def folds(folder, splits=("TRAIN", "VAL", "TEST"), classes=("box", "chevron", "rounded"), each=2):
    """A data set in the published layout, no two pictures alike."""
    seed = 0
    for split in splits:
        for name in classes:
            for number in range(each):
                save(folder / split / name / f"{number}.png", rgb(seed=seed))
                seed += 1
    return folder


def read(folder, **settings):
    """All columns, with ``inputs``, joined over the blocks, and the rejected pictures as a dictionary."""
    blocks = list(images.read(folder, SETTINGS | settings))
    table = {name: np.concatenate([block.columns[name] for block in blocks]) for name in blocks[0].columns}
    table["inputs"] = np.concatenate([block.inputs for block in blocks])
    return table, dict(pair for block in blocks for pair in block.rejected)


def reason(path):
    with pytest.raises(pictures.Unusable) as caught:
        pictures.read(path)
    return caught.value.reason


# Single pictures


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.tif", "a.TIFF", "a.bmp"])
def test_pictures_come_back_as_they_were(tmp_path, name):
    path = save(tmp_path / name, rgb())
    assert pictures.is_picture(path)
    assert np.array_equal(pictures.read(path), rgb())


def test_a_jpeg_is_about_what_it_was(tmp_path):
    found = pictures.read(save(tmp_path / "a.JPG", np.full((20, 30, 3), 90, np.uint8)))
    assert np.abs(found.astype(int) - 90).max() <= 2


def test_a_palette_becomes_colours(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (20, 30), RED).convert("P").save(path)
    assert (pictures.read(path) == RED).all()


def test_a_transparent_palette_entry_becomes_white(tmp_path):
    path = tmp_path / "a.png"
    image = Image.new("P", (20, 30), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(path, transparency=1)
    assert (pictures.read(path) == WHITE).all()


@pytest.mark.parametrize(("alpha", "expected"), [(0, WHITE), (255, RED), (102, (255, 153, 153))])
def test_alpha_is_laid_on_white(tmp_path, alpha, expected):
    path = tmp_path / "a.png"
    Image.new("RGBA", (20, 30), (*RED, alpha)).save(path)
    assert (pictures.read(path) == expected).all()


def test_grey_with_alpha_is_laid_on_white(tmp_path):
    path = tmp_path / "a.png"
    Image.new("LA", (20, 30), (0, 51)).save(path)
    assert (pictures.read(path) == 204).all()


def test_black_and_white_becomes_0_and_255(tmp_path):
    bits = np.indices((20, 30)).sum(0) % 2 == 1
    path = tmp_path / "a.png"
    Image.fromarray(bits).save(path)
    assert np.array_equal(pictures.read(path), np.repeat(bits[..., None] * 255, 3, 2))


def test_cmyk_becomes_rgb(tmp_path):
    for name in ("a.jpg", "a.tif"):
        path = tmp_path / name
        Image.new("CMYK", (20, 30), (0, 255, 255, 0)).save(path)
        assert np.abs(pictures.read(path).astype(int) - RED).max() <= 3


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, name):
    values = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    found = pictures.read(save(tmp_path / name, values))
    assert np.array_equal(found[..., 0], np.round(values / 65535 * 255))
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [(np.full((9, 9), 1 << 20, np.int32), "more than 16 bits"), (np.ones((9, 9), np.float32), "floating-point")],
)
def test_pixels_without_a_known_range_are_refused(tmp_path, array, expected):
    assert expected in reason(save(tmp_path / "a.tif", array))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_exif_orientation_is_obeyed(tmp_path, name):
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:, :15] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    path = save(tmp_path / name, np.rot90(upright), exif=exif)
    assert np.abs(pictures.read(path).astype(int) - upright).max() <= 8


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.png"])
def test_several_pages_are_refused(tmp_path, name):
    first, second = Image.fromarray(rgb()), Image.fromarray(rgb(seed=1))
    first.save(tmp_path / name, save_all=True, append_images=[second])
    assert reason(tmp_path / name) == "animated or multi-page"


def test_a_gif_of_one_picture_is_read(tmp_path):
    Image.new("RGB", (20, 30), RED).save(tmp_path / "a.gif")
    assert (pictures.read(tmp_path / "a.gif") == RED).all()


def test_a_camera_file_with_a_preview_is_one_picture(tmp_path):
    first, preview = Image.new("RGB", (40, 30), RED), Image.new("RGB", (20, 15))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    assert pictures.read(tmp_path / "a.jpg").shape == (30, 40, 3)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("kept", [0.02, 0.6])
def test_a_cut_file_is_refused(tmp_path, name, kept):
    path = save(tmp_path / name, rgb(100, 100))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert reason(path).startswith("damaged: ")


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"<html>not found</html>"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert reason(tmp_path / "a.png") == "damaged: not a picture, or its start is missing"


@pytest.mark.parametrize("shape", [(1, 1), (7, 30), (30, 7)])
def test_tiny_pictures_are_refused(tmp_path, shape):
    assert reason(save(tmp_path / "a.png", rgb(*shape))) == "smaller than 8 x 8 pixels"


@pytest.mark.parametrize("side", [10_001, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, side):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))
    assert reason(path) == "more than 100 million pixels"


def test_grey_is_rounded_luminance():
    picture = rgb(50, 60)
    exact = picture.astype(int) @ [299, 587, 114] / 1000
    assert np.array_equal(pictures.grey(picture), np.floor(exact + 0.5))


def test_resized_is_smoothed_and_square():
    checks = np.repeat((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    small = pictures.resized(checks, 16)
    assert small.shape == (16, 16, 3)
    assert np.abs(small.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(
    ("shape", "expected"), [((300, 512), (150, 256)), ((100, 256), (100, 256)), ((9, 5000), (8, 256)), ((4, 9), (4, 9))]
)
def test_shrunk_never_enlarges_and_never_vanishes(shape, expected):
    assert pictures.shrunk(rgb(*shape)).shape == (*expected, 3)


# Folders of pictures


def test_folders_are_read_in_order_with_all_columns(tmp_path):
    table, rejected = read(folds(tmp_path / "data"))
    assert rejected == {}
    names = [
        f"{s}/{c}/{n}.png" for s in ("TRAIN", "VAL", "TEST") for c in ("box", "chevron", "rounded") for n in (0, 1)
    ]
    assert table["id"].tolist() == table["group"].tolist() == names
    assert table["inputs"].shape == (18, 16, 16, 3)
    assert table["inputs"].dtype == np.uint8
    assert np.array_equal(table["inputs"][3], pictures.resized(rgb(seed=3), 16))
    assert table["label"].tolist() == [0, 0, 1, 1, 2, 2] * 3
    assert table["official_split"].tolist() == ["train"] * 6 + ["val"] * 6 + ["test"] * 6
    assert set(table["domain"]) == {"unknown"}
    assert set(table["style"]) == {""}
    assert set(table["true_label"]) == {-1}
    assert set(table["width_px"]) == {30}
    assert set(table["height_px"]) == {20}
    assert table["label"].dtype == table["true_label"].dtype == np.int8
    assert table["width_px"].dtype == table["height_px"].dtype == np.int32
    expected = features.extract(pictures.grey(rgb(seed=3)))
    assert np.array_equal([table[name][3] for name in FEATURES], expected, equal_nan=True)


def test_without_features_there_are_no_columns_of_them(tmp_path):
    table, _ = read(folds(tmp_path / "data"), features=False)
    assert not set(FEATURES) & set(table)
    assert not Path("checkpoints").exists()


def test_blocks_never_mix_splits_or_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "BLOCK", 2)
    blocks = list(images.read(folds(tmp_path / "data", each=3), PLAIN))
    assert [len(block.inputs) for block in blocks] == [2, 1] * 9
    for block in blocks:
        assert len(set(block.columns["label"])) == len(set(block.columns["official_split"])) == 1


def test_folder_names_may_be_small_capital_or_spelled_out(tmp_path):
    folds(tmp_path / "data", ("train", "Validation", "Test"), ("BOX", "Chevron", "rounded"))
    table, _ = read(tmp_path / "data", features=False)
    assert sorted(set(table["official_split"])) == ["test", "train", "val"]
    assert sorted(set(table["label"])) == [0, 1, 2]


def test_class_folders_alone_have_no_official_split(tmp_path):
    table, _ = read(folds(tmp_path / "data", ("",)), features=False)
    assert table["id"].tolist()[:2] == ["box/0.png", "box/1.png"]
    assert set(table["official_split"]) == {""}


def test_pictures_at_any_depth_and_with_any_name_are_found(tmp_path):
    folds(tmp_path / "data")
    save(tmp_path / "data/VAL/box/1/褶皱/складка é.PNG", rgb(seed=99))
    table, _ = read(tmp_path / "data", features=False)
    assert "VAL/box/1/褶皱/складка é.PNG" in table["id"].tolist()


def test_hidden_and_other_files_are_ignored(tmp_path):
    folder = folds(tmp_path / "data")
    for name in ("Thumbs.db", "notes.txt", ".hidden.png", ".cache/a.png"):
        save(folder / "TRAIN/box" / "x.png", rgb()).unlink()
        (folder / "TRAIN/box" / name).parent.mkdir(exist_ok=True)
        (folder / "TRAIN/box" / name).write_bytes(b"x")
    (folder / ".git").mkdir()
    table, rejected = read(folder, features=False)
    assert len(table["id"]) == 18
    assert rejected == {}


def test_a_bad_picture_is_left_out_with_its_reason(tmp_path):
    folder = folds(tmp_path / "data")
    (folder / "TRAIN/box/0.png").write_bytes(b"no picture")
    save(folder / "VAL/rounded/dot.png", rgb(1, 1))
    table, rejected = read(folder)
    assert rejected == {
        "TRAIN/box/0.png": "damaged: not a picture, or its start is missing",
        "VAL/rounded/dot.png": "smaller than 8 x 8 pixels",
    }
    assert len(table["id"]) == len(table["inputs"]) == len(table["edge_h_13"]) == 17


def test_a_class_whose_pictures_are_all_bad_gives_an_empty_block(tmp_path):
    folder = folds(tmp_path / "data", each=1)
    (folder / "TEST/box/0.png").write_bytes(b"no picture")
    for _ in range(2):  # the second time from the kept features
        table, rejected = read(folder)
        assert len(table["id"]) == 8
        assert list(rejected) == ["TEST/box/0.png"]


def test_an_empty_class_folder_is_named(tmp_path):
    (folds(tmp_path / "data", classes=("box", "chevron")) / "VAL/rounded").mkdir()
    with pytest.raises(InputError, match=r"VAL/rounded: pictures: expected at least one of a rounded fold, got none"):
        read(tmp_path / "data")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("TRAIN/chevrom", r"'chevrom'.*Did you mean 'chevron'"),
        ("TRIAN/box", r"TRIAN.*Did you mean 'train'"),
    ],
)
def test_an_unknown_folder_is_named_with_the_closest(tmp_path, wrong, message):
    save(folds(tmp_path / "data") / wrong / "a.png", rgb())
    with pytest.raises(InputError, match=message):
        read(tmp_path / "data")


def test_an_unknown_folder_beside_class_folders_is_named(tmp_path):
    save(folds(tmp_path / "data", ("",)) / "bocks" / "a.png", rgb())
    with pytest.raises(InputError, match=r"'bocks'.*Did you mean 'box'"):
        read(tmp_path / "data")


@pytest.mark.parametrize("there", [False, True])
def test_a_missing_or_empty_folder_is_an_error(tmp_path, there):
    if there:
        (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match="none" if there else "no such folder"):
        read(tmp_path / "data")


def metadata(folder, *lines):
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_metadata_tells_group_domain_style_and_true_class(tmp_path):
    folder = folds(tmp_path / "data")
    metadata(
        folder,
        "file,group,domain,b1,style,true_class",
        "TRAIN/box/1.png,site 7,outcrop,0.3,banded,rounded",
        "VAL/box/0.png,,modelled,,,",
    )
    table, _ = read(folder, features=False)
    row = table["id"].tolist().index("TRAIN/box/1.png")
    told = [table[name][row] for name in ("group", "domain", "style", "true_label", "label")]
    assert told == ["site 7", "outcrop", "banded", 2, 0]
    row = table["id"].tolist().index("VAL/box/0.png")
    told = [table[name][row] for name in ("group", "domain", "style", "true_label")]
    assert told == ["VAL/box/0.png", "modelled", "", -1]


@pytest.mark.parametrize("lines", [["file"], ["file", "TRAIN/box/0.png"]])
def test_metadata_may_say_nothing(tmp_path, lines):
    metadata(folds(tmp_path / "data"), *lines)
    table, _ = read(tmp_path / "data", features=False)
    assert set(table["domain"]) == {"unknown"}


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("file,group", "TRAIN/box/9.png,a", r"file: expected a file in the folder, got 'TRAIN/box/9.png'"),
        ("name,group", "TRAIN/box/0.png,a", r"columns: expected 'file'"),
        ("file,domain", "TRAIN/box/0.png,outcrops", r"domain of TRAIN/box/0.png.*Did you mean 'outcrop'"),
        ("file,true_class", "TRAIN/box/0.png,boks", r"true_class of TRAIN/box/0.png.*Did you mean 'box'"),
    ],
)
def test_wrong_metadata_is_named(tmp_path, header, row, message):
    metadata(folds(tmp_path / "data"), header, row)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "data")


# Features that are kept


def refuse(grey):
    raise AssertionError("features are worked out again")


def test_features_are_not_worked_out_twice(tmp_path, monkeypatch):
    folder = folds(tmp_path / "data")
    before, _ = read(folder)
    monkeypatch.setattr(features, "extract", refuse)
    after, _ = read(folder, size=32)
    assert after["inputs"].shape == (18, 32, 32, 3)
    assert all(np.array_equal(before[name], after[name], equal_nan=True) for name in FEATURES)


def test_a_stopped_preparation_goes_on_where_it_was(tmp_path, monkeypatch):
    folder = folds(tmp_path / "data")
    next(images.read(folder, SETTINGS))
    worked = []
    extract = features.extract
    monkeypatch.setattr(features, "extract", lambda grey: worked.append(1) or extract(grey))
    read(folder)
    assert len(worked) == 16


def test_a_changed_picture_has_new_features(tmp_path):
    folder = folds(tmp_path / "data")
    before, _ = read(folder)
    save(folder / "TRAIN/box/0.png", rgb(seed=77))
    after, _ = read(folder)
    assert after["original_mean"][0] == pictures.grey(rgb(seed=77)).mean()
    assert np.array_equal(after["original_mean"][1:], before["original_mean"][1:])


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00"])
def test_a_damaged_kept_file_is_made_again(tmp_path, content):
    folder = folds(tmp_path / "data")
    before, _ = read(folder)
    for path in Path("checkpoints/folds/features").glob("*.npy"):
        path.write_bytes(content)
    after, _ = read(folder)
    assert np.array_equal(before["edge_h_9"], after["edge_h_9"])


SCRIPT = """
import os, sys
os.sched_getaffinity = lambda _: {0, 1}
from pathlib import Path
import numpy as np
from geoml.tasks.folds.datasets import images
print("started")
blocks = list(images.read(Path(sys.argv[1]), {"size": 16, "features": True}))
np.save("found.npy", [value for block in blocks for value in block.columns["edge_h_9"]])
"""


def test_several_processes_give_the_same_and_do_not_run_the_script_again(tmp_path, monkeypatch):
    folder = folds(tmp_path / "data", ("TRAIN",), ("box", "chevron"), each=64)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "script.py", folder]
    environment = os.environ | {"PYTHONPATH": str(Path(images.__file__).parents[4])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "started\n"
    monkeypatch.setattr(images, "_KEPT", tmp_path / "new")
    monkeypatch.setattr(images, "_PER_WORKER", 1000)  # in this process
    table, _ = read(folder)
    assert np.array_equal(np.load("found.npy"), table["edge_h_9"])


# Tables of features


def table(folder, rows=4, change=None):
    """The three tables; ``change`` edits the lines of the one for validation."""
    folder.mkdir()
    for split in ("train", "val", "test"):
        lines = [["row", "label", *FEATURES]]
        for row in range(rows):
            lines.append([str(row), ("box", "chevron", "rounded")[row % 3], *(repr(row + k / 7) for k in range(48))])
        lines[1][2] = ""
        if change and split == "val":
            change(lines)
        (folder / f"features_{split}.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    return folder


def test_tables_are_read_to_the_last_digit(tmp_path):
    train, val, test = tables.read(table(tmp_path / "data"), {})
    assert train.inputs.shape == (4, 48)
    assert train.inputs.dtype == np.float64
    assert train.inputs[0, 0] == 0
    assert np.isnan(train.columns["original_noise"][0])
    assert train.inputs[2].tolist() == [2 + k / 7 for k in range(48)]
    assert train.columns["edge_h_13"].tolist() == train.inputs[:, 47].tolist()
    assert val.columns["id"].tolist() == val.columns["group"].tolist() == ["val/0", "val/1", "val/2", "val/3"]
    assert test.columns["official_split"].tolist() == ["test"] * 4
    assert test.columns["label"].tolist() == [0, 1, 2, 0]
    assert set(test.columns["true_label"]) == {-1}


def test_tables_have_the_columns_of_pictures(tmp_path):
    found = next(tables.read(table(tmp_path / "data"), {})).columns
    expected = next(images.read(folds(tmp_path / "pictures"), SETTINGS)).columns
    assert list(found) == list(expected)
    assert [found[name].dtype.kind for name in found] == [expected[name].dtype.kind for name in expected]


def test_packed_tables_are_read(tmp_path):
    folder = table(tmp_path / "data")
    for path in folder.glob("*.csv"):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert len(list(tables.read(folder, {}))) == 3


def set_cell(row, column, value):
    return lambda lines: lines[row].__setitem__(column, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_cell(0, 5, "original_g_1"), r"features_val.csv: columns: expected 'original_h_1'"),
        (set_cell(3, 1, "chevrn"), r"features_val.csv: label in row 2: .*'chevrn'.*Did you mean 'chevron'"),
        (set_cell(2, 7, "many"), r"original_h_3 in row 1: expected a finite number or an empty cell, got 'many'"),
        (set_cell(2, 7, "inf"), r"original_h_3 in row 1: expected a finite number or an empty cell, got 'inf'"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        list(tables.read(table(tmp_path / "data", change=change), {}))


def test_a_missing_table_is_named(tmp_path):
    (table(tmp_path / "data") / "features_test.csv").unlink()
    with pytest.raises(InputError, match=r"expected features_test.csv"):
        list(tables.read(tmp_path / "data", {}))


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:40] + b"\xff" * 40 + b[80:]])
def test_a_damaged_packed_table_is_named(tmp_path, damage):
    path = table(tmp_path / "data", rows=60) / "features_test.csv"
    path.with_name(path.name + ".gz").write_bytes(damage(gzip.compress(path.read_bytes())))
    path.unlink()
    with pytest.raises(InputError, match=r"features_test\.csv\.gz: content"):
        list(tables.read(tmp_path / "data", {}))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published features are not in {SHARED}")
def test_the_published_tables_hold_the_known_repeats():
    train, val, test = tables.read(SHARED, {})
    assert [np.bincount(block.columns["label"]).tolist() for block in (train, val, test)] == [
        [1224, 1317, 1372],
        [100, 100, 100],
        [22, 22, 24],
    ]
    known = {row.tobytes() for row in train.inputs}
    assert [sum(row.tobytes() in known for row in block.inputs) for block in (val, test)] == [63, 8]
    assert np.isnan(train.columns["gabor_noise"]).sum() == 3408


def test_a_picture_outside_the_class_folders_is_listed(tmp_path):
    folder = folds(tmp_path / "mine")
    save(folder / "TRAIN" / "stray.png", rgb(seed=99))
    table, rejected = read(folder)
    assert rejected == {"TRAIN/stray.png": "not in a class folder"} and len(table["id"]) == 18
