"""Experiments and samples as users have them: each way to be right or wrong."""

import math
import shutil
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from geoml.errors import InputError
from geoml.tasks.slip import EXPERIMENTS, STEP, VARIABLES
from geoml.tasks.slip.datasets import experiments, original
from geoml.tasks.slip.features import NAMES, features_of
from geoml.tasks.slip.synthetic import experiment

COLUMNS = ["id", "group", "condition", "window", "frame", "progress", "efficiency", "sd", "velocity", *NAMES]


@pytest.fixture(scope="module")
def made():
    """One experiment, as float64: (135, 313, 5) each."""
    values = experiment("EB_050_1", 5, 0)
    return {name: values[name].astype(float) if name != "altBW_filt" else values[name] for name in VARIABLES}


def save(folder, name, variables, **options):
    savemat(folder / f"{name}.mat", variables, **options)


def save_73(path, variables, *, matlab=True):
    """As MATLAB v7.3: HDF5 behind a block of 512 bytes, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("#refs#")
        for name, values in variables.items():
            file.create_dataset(name, data=values.T if matlab else values, chunks=True, compression="gzip")


def read(folder, reader=experiments, sets="none"):
    """All columns, with ``inputs``, joined over the blocks, and the rejected samples as a dictionary."""
    blocks = list(reader.read(folder, {"sets": sets}))
    full = [block for block in blocks if len(block.inputs)]
    columns = (
        {name: np.concatenate([block.columns[name] for block in full]) for name in full[0].columns} if full else {}
    )
    inputs = np.concatenate([block.inputs for block in blocks])
    return columns | {"inputs": inputs}, dict(pair for block in blocks for pair in block.rejected)


def plain_label(variables, window, t):
    """The card's section 4, one number at a time."""
    c, f, u, v = (variables[name][:, :, t].astype(float) for name in VARIABLES)

    def median(values):
        values = sorted(values)
        half = len(values) // 2
        return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2

    plate = math.sqrt((median(u[0]) - median(u[134])) ** 2 + (median(v[0]) - median(v[134])) ** 2)
    slip = []
    for x in range(50 * window, 50 * window + 64):
        total = 0.0
        for y in range(127):
            total += (c[y, x] * f[y, x] + c[y + 1, x] * f[y + 1, x]) / 2 * 1.14
        slip.append(2 * total)
    mean = sum(slip) / 64
    return median(slip) / plate, math.sqrt(sum((x - mean) ** 2 for x in slip) / 64) / plate


def test_labels_are_those_of_a_plain_loop_written_from_the_card(made, tmp_path):
    save(tmp_path, "EB_050_1", made)
    table, rejected = read(tmp_path)
    assert len(table["id"]) + len(rejected) == 25
    for i, name in enumerate(table["id"]):
        window, t = table["window"][i], table["frame"][i]
        assert name == f"EB_050_1/win_{window}/t_{t:03d}"
        assert (table["efficiency"][i], table["sd"][i]) == pytest.approx(plain_label(made, window, t), rel=1e-12)
        assert np.array_equal(table["inputs"][i], made["altBW_filt"][:128, 50 * window : 50 * window + 64, t])


def test_columns_and_their_types(made, tmp_path):
    save(tmp_path, "EB_050_1", made)
    table, _ = read(tmp_path)
    assert [*table] == [*COLUMNS, "inputs"]
    assert (table["inputs"].dtype, table["inputs"].shape[1:]) == (np.uint8, (128, 64))
    kinds = {"window": "int16", "frame": "int16", "progress": "float32", "efficiency": "float64", "sd": "float64"}
    assert {name: str(table[name].dtype) for name in kinds} == kinds
    assert np.array_equal(np.stack([table[name] for name in NAMES], 1), features_of(table["inputs"]))
    assert (set(table["group"]), set(table["condition"])) == ({"EB_050_1"}, {"EB_050"})
    assert np.array_equal(table["progress"], (table["frame"] / 4).astype(np.float32))
    assert table["velocity"] == pytest.approx(1, abs=0.02)
    order = table["window"].astype(int) * 1000 + table["frame"]
    assert (np.diff(order) > 0).all()


def test_windows_without_a_fault_and_frames_without_motion_are_left_out(made, tmp_path):
    changed = {name: values.copy() for name, values in made.items()}
    changed["altBW_filt"][:, :64, 4] = 0
    changed["altBW_filt"][0, :, 3] = 1  # every window has a fault
    changed["store_u"][:, :, 3] = changed["store_v"][:, :, 3] = 0
    save(tmp_path, "run", changed)
    table, rejected = read(tmp_path)
    assert rejected["run/win_0/t_004"] == "no fault in the window"
    still = [name for name, reason in rejected.items() if reason == "plate velocity near zero"]
    assert still == [f"run/win_{w}/t_003" for w in range(5)]
    assert 3 not in table["frame"]
    assert len(table["id"]) + len(rejected) == 25
    assert np.isfinite(table["efficiency"]).all()


def test_slow_frames_are_measured_by_the_median_of_the_experiment(made, tmp_path):
    for factor, left_out in ((0.04, True), (0.06, False)):
        changed = {name: values.copy() for name, values in made.items()}
        changed["store_u"][:, :, 4] *= factor
        changed["store_v"][:, :, 4] *= factor
        save(tmp_path, "run", changed)
        assert (4 not in read(tmp_path)[0]["frame"]) == left_out


def test_compressed_and_hdf5_files_give_what_a_plain_file_gives(made, tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "_PIECE", 2)
    for kind in ("plain", "packed", "new", "other"):
        (tmp_path / kind).mkdir()
    save(tmp_path / "plain", "EB_050_1", made)
    save(tmp_path / "packed", "EB_050_1", made, do_compression=True)
    save_73(tmp_path / "new" / "EB_050_1.mat", made)
    save_73(tmp_path / "other" / "EB_050_1.mat", made, matlab=False)
    plain = read(tmp_path / "plain")
    for kind in ("packed", "new", "other"):
        table, rejected = read(tmp_path / kind)
        assert rejected == plain[1]
        assert all(np.array_equal(table[name], plain[0][name]) for name in plain[0])


def test_each_file_is_an_experiment_and_hidden_files_are_none(made, tmp_path):
    save(tmp_path, "PP_150_1", made)
    save(tmp_path, "my-run", made)
    (tmp_path / "._my-run.mat").write_bytes(b"of a Mac")
    table, _ = read(tmp_path)
    assert dict(zip(table["group"], table["condition"], strict=True)) == {"PP_150_1": "PP_150", "my-run": "my-run"}


def test_other_widths_have_as_many_windows_as_fit(made, tmp_path):
    for width, windows in ((64, 1), (163, 2), (164, 3)):
        save(tmp_path, "run", {name: values[:130, 100 : 100 + width] for name, values in made.items()})
        table, rejected = read(tmp_path)
        found = {name.split("/")[1] for name in [*table.get("id", []), *rejected]}
        assert found == {f"win_{w}" for w in range(windows)}


def test_the_published_split_has_48_18_and_9_windows():
    sets = {name: experiments.dealt(name) for name in EXPERIMENTS}
    assert Counter(split for windows in sets.values() for split in windows) == {"train": 48, "val": 18, "test": 9}
    assert sets["PP_150_1"] == ()
    assert [name for name, windows in sets.items() if windows and set(windows) == {"train"}] == [
        "EB_025_1", "EB_050_1", "EB_150_1", "PP_025_1", "PP_050_1", "PP_100_1"
    ]  # fmt: skip
    dealt_out = [windows for windows in sets.values() if "test" in windows]
    assert {tuple(sorted(windows)) for windows in dealt_out} == {("test", "train", "train", "val", "val")}
    assert len(set(dealt_out)) > 3
    assert sets == {name: experiments.dealt(name) for name in EXPERIMENTS}


def test_windows_carry_their_set_and_experiments_in_no_group_are_left_out(made, tmp_path):
    for name in ("EB_050_1", "EB_050_2", "PP_150_1"):
        save(tmp_path, name, made)
    plain, _ = read(tmp_path)
    table, rejected = read(tmp_path, sets="published")
    assert [*table] == [*COLUMNS, "official_split", "inputs"]
    for experiment_name, window, split in zip(table["group"], table["window"], table["official_split"], strict=True):
        assert split == experiments.dealt(experiment_name)[window]
    assert set(table["official_split"]) == {"train", "val", "test"}
    left_out = {name for name, reason in rejected.items() if reason == "in no group of the published split"}
    assert left_out == {name for name in plain["id"] if name.startswith("PP_150_1")}


def test_other_windows_than_five_have_no_published_split(made, tmp_path):
    save(tmp_path, "EB_050_2", {name: values[:, :200] for name, values in made.items()})
    with pytest.raises(InputError, match=r"EB_050_2.mat: windows: expected 5, for `sets: published`, got 3"):
        read(tmp_path, sets="published")


def spoiled(made, what):
    """Variables with one thing wrong."""
    values = {name: array.copy() for name, array in made.items()}
    if what == "missing":
        del values["store_v"]
    elif what == "unequal":
        values["store_u"] = values["store_u"][:, :, :-1]
    elif what == "flat":
        values = {name: array[:, :, 0] for name, array in values.items()}
    elif what == "nan":
        values["curl_map"][40, 50, 3] = np.nan
    elif what == "inf":
        values["store_u"][0, 50, 2] = np.inf
    elif what == "grey":
        values["altBW_filt"][5, 5, 1] = 2
    elif what == "low":
        values = {name: array[:127] for name, array in values.items()}
    elif what == "narrow":
        values = {name: array[:, :63] for name, array in values.items()}
    elif what == "complex":
        values["store_u"] = values["store_u"] + 1j
    elif what == "text":
        values["store_u"] = np.array(["a", "b"])
    return values


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", r"variable 'store_v': expected curl_map, .*, got only altBW_filt, curl_map, store_u"),
        ("unequal", r"shapes: expected the same .*, got .*store_u \(135, 313, 4\), store_v \(135, 313, 5\)"),
        ("flat", r"shape of 'curl_map': expected 3 dimensions.*got \(135, 313\)"),
        ("nan", r"curl_map: expected finite numbers, got 1 others in frame 3"),
        ("inf", r"store_u: expected finite numbers, got 1 others in frame 2"),
        ("grey", r"altBW_filt: expected a map of 0 and 1 \(fault\), got values 0, 1, 2"),
        ("low", r"shape: expected 128 rows, .*, got 127 rows, 313 columns, 5 frames"),
        ("narrow", r"shape: expected 128 rows, 64 columns.*, got 135 rows, 63 columns, 5 frames"),
        ("complex", r"type of 'store_u': expected real numbers, got complex"),
        ("text", r"type of 'store_u': expected real numbers, got char"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_file_and_what_is_wrong(made, tmp_path, what, message):
    save(tmp_path, "bad", spoiled(made, what))
    with pytest.raises(InputError, match=r"bad.mat: " + message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", r"variable 'store_v': expected .*, got only altBW_filt, curl_map, store_u"),
        ("unequal", r"shapes: expected the same"),
        ("flat", r"shape of 'curl_map': expected 3 dimensions"),
        ("nan", r"curl_map: expected finite numbers, got 1 others in frame 3"),
        ("low", r"shape: expected 128 rows, .*, got 127 rows"),
        ("complex", r"type of 'store_u': expected floats or integers"),
    ],
)
def test_a_wrong_hdf5_file_is_an_error_too(made, tmp_path, what, message):
    save_73(tmp_path / "bad.mat", spoiled(made, what))
    with pytest.raises(InputError, match=r"bad.mat: " + message):
        read(tmp_path)


def test_broken_files_and_empty_folders_are_errors(made, tmp_path):
    with pytest.raises(InputError, match=r"files: expected .*mat, got an empty folder"):
        read(tmp_path)
    save(tmp_path, "cut", made)
    save_73(tmp_path / "whole.mat", made)
    whole, whole_73 = (tmp_path / "cut.mat").read_bytes(), (tmp_path / "whole.mat").read_bytes()
    (tmp_path / "whole.mat").unlink()
    for content in (whole[:60], whole[: len(whole) // 2], b"", b"not MATLAB" * 100, whole_73[: len(whole_73) // 2]):
        (tmp_path / "cut.mat").write_bytes(content)
        with pytest.raises(InputError, match=r"cut.mat: (content: .* complete|variable .* Is the file complete)"):
            read(tmp_path)


def sample(value=1.0, rows=(60, 64)):
    """(128, 64, 4) of random fields, with a fault."""
    channels = np.random.default_rng(0).normal(size=(128, 64, 4))
    channels[..., 1] = 0
    channels[rows[0] : rows[1], :, 1] = value
    return channels


def put(folder, name, array=None):
    """Write a sample; its name relative to the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, sample() if array is None else array)
    return name


def published(folder):
    """Four samples of two experiments in three lists, and one in none."""
    names = [
        put(folder, "EB_050_1/0.67_0.08_win_3_t_121_EB_050_1_cfuv.npy"),
        put(folder, "EB_050_1/1.03_0.10_win_0_t_060_EB_050_1_cfuv.npy", sample(rows=(50, 53))),
        put(folder, "PP_100_2/0.04_12.50_win_4_t_1000_PP_100_2_cfuv.npy"),
        put(folder, "PP_100_2/0.00_0.00_win_1_t_500_PP_100_2_cfuv.npy"),
    ]
    put(folder, "PP_150_1/0.50_0.00_win_1_t_002_PP_150_1_cfuv.npy")
    for name, part in (("train", names[:2]), ("eval", names[2:3]), ("test", names[3:])):
        (folder / f"{name}_master.txt").write_text("\n".join(part) + "\n")
    return names


def test_samples_of_the_publication_are_read_by_their_names(tmp_path):
    published(tmp_path)
    table, rejected = read(tmp_path, original)
    assert not rejected
    assert [*table] == [*COLUMNS, "inputs"]
    assert table["id"].tolist() == [
        "EB_050_1/win_0/t_060", "EB_050_1/win_3/t_121", "PP_100_2/win_1/t_500", "PP_100_2/win_4/t_1000",
        "PP_150_1/win_1/t_002",
    ]  # fmt: skip
    assert table["efficiency"].tolist() == [1.03, 0.67, 0, 0.04, 0.5]
    assert table["sd"].tolist() == [0.1, 0.08, 0, 12.5, 0]
    assert table["condition"].tolist() == ["EB_050", "EB_050", "PP_100", "PP_100", "PP_150"]
    assert table["progress"] == pytest.approx([60 / 121, 1, 0.5, 1, 1])
    assert np.isnan(table["velocity"]).all()
    assert table["inputs"].sum((1, 2)).tolist() == [3 * 64, 256, 256, 256, 256]


def test_both_readers_give_the_same_columns_of_the_same_types(made, tmp_path):
    (tmp_path / "a").mkdir()
    save(tmp_path / "a", "EB_050_1", made)
    published(tmp_path / "b")
    one, two = read(tmp_path / "a", sets="published")[0], read(tmp_path / "b", original, sets="published")[0]
    assert [(name, values.dtype.kind, values.dtype.kind == "U" or values.dtype.itemsize) for name, values in one.items()
            ] == [(name, values.dtype.kind, values.dtype.kind == "U" or values.dtype.itemsize)
                  for name, values in two.items()]  # fmt: skip


def test_names_of_files_keep_what_they_say():
    for ke in (-0.05, 0.0, 0.67, 0.999, 1.0, 1.03, 12.5):
        for sd in (0.0, 0.08, 10.0, 123.45):
            name = f"{ke:.2f}_{sd:.2f}_win_3_t_{21:03d}_EB_050_1_cfuv.npy"
            expected = (float(f"{ke:.2f}"), float(f"{sd:.2f}"), 3, 21, "EB_050_1")
            assert original.parsed(name) == expected
    assert original.parsed("EB_050_1_cfuv.npy") is None


def test_lists_tell_the_sets_and_files_in_none_are_left_out(tmp_path):
    published(tmp_path)
    table, rejected = read(tmp_path, original, sets="published")
    assert table["official_split"].tolist() == ["train", "train", "test", "val"]
    assert rejected == {"PP_150_1/win_1/t_002": "in no list of the published split"}


def test_a_sample_in_two_lists_a_missing_sample_and_a_missing_list_are_errors(tmp_path):
    names = published(tmp_path)
    lists = tmp_path / "test_master.txt"
    lists.write_text(names[0] + "\n")
    with pytest.raises(InputError, match=r"test_master.txt: line 1: .*got '.*win_3.*' also in train_master.txt"):
        read(tmp_path, original, sets="published")
    lists.write_text(f"{names[3]}\n\nEB_050_1/0.10_0.10_win_0_t_001_EB_050_1_cfuv.npy\n")
    with pytest.raises(
        InputError, match=r"test_master.txt: line 3: expected a sample in the folder, got 'EB_050_1/0.1"
    ):
        read(tmp_path, original, sets="published")
    lists.unlink()
    with pytest.raises(InputError, match=r"files: expected test_master.txt"):
        read(tmp_path, original, sets="published")
    assert len(read(tmp_path, original)[0]["id"]) == 5  # without sets the lists are not needed


def test_samples_without_a_usable_label_or_fault_are_left_out_with_the_reason(tmp_path):
    published(tmp_path)
    bad = ("-0.03_0.10", "7.00_0.10", "nan_nan", "inf_0.10")
    for t, label in enumerate(bad):
        put(tmp_path, f"EB_050_1/{label}_win_0_t_{t:03d}_EB_050_1_cfuv.npy")
    put(tmp_path, "EB_050_1/0.10_0.10_win_0_t_009_EB_050_1_cfuv.npy", sample(value=0.0))
    put(tmp_path, "EB_050_1/0.10_0.10_win_0_t_010_EB_050_2_cfuv.npy")
    put(tmp_path, "EB_050_1/EB_050_1.npy")
    table, rejected = read(tmp_path, original)
    assert len(table["id"]) == 5
    absurd = [name for name, reason in rejected.items() if reason.startswith("no efficiency of 0 to 2")]
    assert absurd == [f"EB_050_1/win_0/t_{t:03d}" for t in range(4)]
    assert rejected["EB_050_1/win_0/t_009"] == "no fault in the window"
    unnamed = [name for name, reason in rejected.items() if reason.startswith("not named")]
    assert unnamed == ["EB_050_1/0.10_0.10_win_0_t_010_EB_050_2_cfuv.npy", "EB_050_1/EB_050_1.npy"]
    shutil.rmtree(tmp_path / "PP_100_2")
    for name in ("EB_050_1", "PP_150_1"):
        for path in (tmp_path / name).glob("[0-1]*.npy"):
            path.unlink()
    table, rejected = read(tmp_path, original)  # nothing is left but what is wrong
    assert (len(table["inputs"]), len(rejected)) == (0, 5)


def test_blocks_of_samples_are_small(tmp_path, monkeypatch):
    monkeypatch.setattr(original, "_BLOCK", 2)
    for t in range(5):
        put(tmp_path, f"A_1/0.50_0.10_win_0_t_{t:03d}_A_1_cfuv.npy")
    blocks = list(original.read(tmp_path, {"sets": "none"}))
    assert [len(block.inputs) for block in blocks] == [2, 2, 1]
    assert np.concatenate([block.columns["frame"] for block in blocks]).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{"a": 1}], object), "content: expected a complete array that is not pickled"),
        (np.zeros((128, 64)), r"shape: expected \(128, 64, 4\), got \(128, 64\)"),
        (np.zeros((128, 64, 4), complex), "type: expected real numbers, got complex128"),
        (sample(value=0.5), r"fault map \(channel 1\): expected 0 and 1 \(fault\), got values 0, 0.5"),
        (sample(value=np.nan), r"fault map \(channel 1\): expected 0 and 1"),
    ],
)
def test_a_file_that_is_no_sample_is_an_error(tmp_path, array, message):
    name = put(tmp_path, "A_1/0.50_0.10_win_0_t_001_A_1_cfuv.npy", array)
    with pytest.raises(InputError, match=name + ": " + message):
        read(tmp_path, original)


def test_cut_files_two_labels_of_one_window_and_empty_folders_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"files: expected .*npy, got an empty folder"):
        read(tmp_path, original)
    name = put(tmp_path, "A_1/0.50_0.10_win_0_t_001_A_1_cfuv.npy")
    put(tmp_path, "A_1/0.60_0.10_win_0_t_001_A_1_cfuv.npy")
    with pytest.raises(
        InputError, match=r"window and frame: expected one file of each, got also 0.50_0.10_win_0_t_001"
    ):
        read(tmp_path, original)
    (tmp_path / "A_1/0.60_0.10_win_0_t_001_A_1_cfuv.npy").unlink()
    content = (tmp_path / name).read_bytes()
    for cut in (content[:5000], b""):
        (tmp_path / name).write_bytes(cut)
        with pytest.raises(InputError, match="content: expected a complete array"):
            read(tmp_path, original)


def test_step_and_variables_are_those_of_the_card():
    assert STEP == 1.14
    assert VARIABLES == ("curl_map", "altBW_filt", "store_u", "store_v")


def test_a_sinistral_experiment_and_swapped_axes_are_refused_before_they_become_labels(tmp_path: Path):
    made = experiment("PP_025_1", 12, 0)
    savemat(tmp_path / "PP_025_1.mat", made | {"curl_map": -made["curl_map"]})
    with pytest.raises(InputError, match=r"PP_025_1\.mat: curl_map: expected positive rotation.*Change its sign"):
        list(experiments.read(tmp_path, {"sets": "none"}))
    savemat(tmp_path / "PP_025_1.mat", {key: np.swapaxes(values, 0, 1) for key, values in made.items()})
    with pytest.raises(InputError, match="rows across the fault first"):
        list(experiments.read(tmp_path, {"sets": "none"}))


def test_numbers_too_large_for_a_window_or_frame_are_no_sample_names():
    assert original.parsed("0.67_0.08_win_3_t_121_EB_050_1_cfuv.npy") is not None
    for name in ("0.67_0.08_win_3_t_40000_EB_050_1_cfuv.npy", "0.67_0.08_win_300_t_1_EB_050_1_cfuv.npy"):
        assert original.parsed(name) is None
