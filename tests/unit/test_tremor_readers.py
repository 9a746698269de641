"""Raw traces and containers as users have them: each way to be right or wrong."""

import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from geoml.errors import InputError
from geoml.tasks.tremor.datasets import containers, manifest, tree
from geoml.tasks.tremor.features import NAMES, features_of
from geoml.tasks.tremor.traces import samples

SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared"))
SETTINGS = {"window_from": "origin", "band_hz": None, "norm": "none"}
COLUMNS = {
    **dict.fromkeys(("id", "group", "station", "component", "kind"), "U"),
    "label": np.int8,
    "start": np.float64,
    **dict.fromkeys(("distance_km", "rate_hz", "flat_s", "clipped_s", "after_origin_s", *NAMES), np.float32),
}
START = UTCDateTime("2004-12-26T01:00:00")
RATE = 20.0


def noise(seconds=1500, seed=0, rate_hz=RATE):
    return np.random.default_rng(seed).normal(size=round(seconds * rate_hz)).astype(np.float32)


def trace(data=None, start=START, channel="BHZ", rate_hz=RATE, **header):
    """A trace; ``header`` becomes that of SAC."""
    about = {"network": "TW", "station": "NACB", "channel": channel, "starttime": start, "sampling_rate": rate_hz}
    made = Trace(noise() if data is None else data, about)
    if header:
        made.stats.sac = header
    return made


def save(path, *traces, kind="SAC"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Stream([one.copy() for one in traces]).write(str(path), kind)
    return path


def read(reader, folder, **settings):
    """All columns, with ``inputs``, joined over the blocks, and the rejected samples as a dictionary."""
    blocks = list(reader.read(folder, SETTINGS | settings))
    for block in blocks:
        assert block.inputs.dtype == np.float32 and block.inputs.shape[1:] == (20_000,)
        assert list(block.columns) and set(block.columns) == set(COLUMNS)
        for name, kind in COLUMNS.items():
            dtype = block.columns[name].dtype
            assert dtype.kind == "U" if kind == "U" else dtype == kind
            assert len(block.columns[name]) == len(block.inputs)
    table = {name: np.concatenate([block.columns[name] for block in blocks]) for name in COLUMNS}
    return table | {"inputs": np.concatenate([block.inputs for block in blocks])}, dict(
        row for block in blocks for row in block.rejected
    )


EVENT = {"b": 0.0, "o": -100.0, "dist": 1200.0}  # surface waves 200 s after the first sample


def raw_tree(folder):
    """One positive and one negative."""
    save(folder / "positive/Sumatra/positive/a.sac", trace(**EVENT))
    save(folder / "negative/b.SAC", trace(noise(seed=1), START + 86_400, "HHE"))
    return folder


def test_the_published_tree_is_read(tmp_path):
    table, rejected = read(tree, raw_tree(tmp_path))
    assert not rejected
    assert table["id"].tolist() == ["negative/b.SAC", "positive/Sumatra/positive/a.sac"]
    assert table["group"].tolist() == ["2004-12-27", "Sumatra"]
    assert table["station"].tolist() == ["TW.NACB", "TW.NACB"] and table["component"].tolist() == ["HHE", "BHZ"]
    assert table["label"].tolist() == [0, 1] and table["kind"].tolist() == ["", "tremor"]
    assert table["start"].tolist() == [START.timestamp + 86_800, START.timestamp + 200]
    assert np.isnan(table["distance_km"][0]) and table["distance_km"][1] == 1200
    assert np.isnan(table["after_origin_s"][0]) and table["after_origin_s"][1] == 300
    assert table["rate_hz"].tolist() == [20, 20]
    for row, data, first in ((0, noise(seed=1), 8000), (1, noise(), 4000)):
        assert np.array_equal(table["inputs"][row], samples(data[first:], 20, SETTINGS))


def test_features_of_the_windows_are_columns(tmp_path):
    table, _ = read(tree, raw_tree(tmp_path))
    assert np.array_equal(np.stack([table[name] for name in NAMES], 1), features_of(table["inputs"]))


def test_settings_reach_the_windows(tmp_path):
    table, _ = read(tree, raw_tree(tmp_path), window_from="first_sample", band_hz=[2, 5], norm="per_trace")
    assert table["start"][1] == START.timestamp + 300
    assert table["inputs"].std(1) == pytest.approx([1, 1], abs=1e-5)


def test_folders_of_events_with_both_classes_are_read_too(tmp_path):
    for event in ("one", "two"):
        for label in ("Positive", "NEGATIVE"):
            save(tmp_path / event / label / "x.sac", trace(noise(seed=len(event + label)), **EVENT))
    table, rejected = read(tree, tmp_path)
    assert not rejected
    assert list(zip(table["group"].tolist(), table["label"].tolist(), strict=True)) == [
        ("one", 0), ("one", 1), ("two", 0), ("two", 1)
    ]  # fmt: skip
    assert table["after_origin_s"].tolist() == [300] * 4  # negatives with an event are cut like positives


def test_the_nearest_label_folder_counts(tmp_path):
    raw_tree(tmp_path)
    save(tmp_path / "positive/Sumatra/negative/c.sac", trace(noise(seed=2), **EVENT))
    table, _ = read(tree, tmp_path)
    assert table["label"][table["id"] == "positive/Sumatra/negative/c.sac"].tolist() == [0]


def test_the_event_is_that_of_the_folder_or_header_or_the_day_of_the_origin(tmp_path):
    late = START + 86_400 - 3650  # 23:59:10; the origin is before midnight, the window after it
    raw_tree(tmp_path)
    save(tmp_path / "positive/x.sac", trace(start=late + 60, **EVENT, kevnm="Qinghai", kuser0="Noise"))
    save(tmp_path / "positive/y.sac", trace(noise(seed=3), start=late + 60, **EVENT))
    table, _ = read(tree, tmp_path)
    told = dict(zip(table["id"].tolist(), table["group"].tolist(), strict=True))
    assert told["positive/x.sac"] == "Qinghai" and told["positive/y.sac"] == "2004-12-26"
    assert table["kind"][table["id"] == "positive/x.sac"].tolist() == ["noise"]


def test_a_trace_without_event_and_time_is_left_out(tmp_path):
    raw_tree(tmp_path)
    path = save(tmp_path / "negative/z.sac", trace(noise(seed=4)))
    words = np.fromfile(path, "<i4")
    words[70:76] = -12345  # the reference time
    words.tofile(path)
    assert read(tree, tmp_path)[1] == {"negative/z.sac": "no event: no folder, kevnm or time"}


def test_traces_that_cannot_be_used_are_left_out_with_the_reason(tmp_path):
    raw_tree(tmp_path)
    inside = tmp_path / "positive/Sumatra/positive"
    save(inside / "near.sac", trace(b=0.0, o=-100.0))
    save(inside / "when.sac", trace(b=0.0, dist=1200.0))
    save(inside / "short.sac", trace(noise(900), **EVENT))
    save(inside / "dead.sac", trace(np.zeros(30_000, np.float32), **EVENT))
    save(inside / "hole.sac", trace(np.where(np.arange(30_000) == 9000, np.nan, noise()), **EVENT))
    save(tmp_path / "elsewhere/chaos/c.sac", trace())
    whole = (inside / "a.sac").read_bytes()
    (inside / "cut.sac").write_bytes(whole[:1000])
    (inside / "empty.sac").write_bytes(b"")
    (tmp_path / "negative/notes.txt").write_text("not a trace")
    (tmp_path / "README.txt").write_text("outside, of no suffix that traces have")
    table, rejected = read(tree, tmp_path)
    assert len(table["id"]) == 2
    found = {name.rsplit("/", 1)[1]: reason.split(":")[0] for name, reason in rejected.items()}
    assert found == {
        "near.sac": "no distance",
        "when.sac": "no origin time",
        "short.sac": "shorter than 1000 s",
        "dead.sac": "constant",
        "hole.sac": "not finite",
        "c.sac": "in no folder positive or negative",
        "cut.sac": "unreadable as SAC",
        "empty.sac": "unreadable",
        "notes.txt": "unreadable",
    }


def test_the_reason_why_a_file_is_unreadable_is_one_line_that_names_the_format(tmp_path):
    raw_tree(tmp_path)
    whole = (tmp_path / "negative/b.SAC").read_bytes()
    (tmp_path / "negative/cut.sac").write_bytes(whole[:1000])
    (tmp_path / "negative/empty.sac").write_bytes(b"")
    (tmp_path / "negative/text.sac").write_text("hello")
    _, rejected = read(tree, tmp_path)
    assert rejected["negative/empty.sac"] == "unreadable: empty file (0 bytes)"
    assert rejected["negative/cut.sac"].startswith("unreadable as SAC: Actual and theoretical file size")
    assert rejected["negative/text.sac"].startswith("unreadable as SAC: ")
    assert not any("\n" in reason for reason in rejected.values())


def test_a_folder_of_which_nothing_can_be_used_still_says_why(tmp_path):
    for label in ("positive", "negative"):
        save(tmp_path / label / "e/x.sac", trace(noise(900)))
    table, rejected = read(tree, tmp_path)
    assert len(table["id"]) == 0 and set(rejected.values()) == {"shorter than 1000 s: 900.00 s"}


@pytest.mark.parametrize("missing", ["positive", "negative"])
def test_a_tree_without_one_of_the_classes_is_an_error(tmp_path, missing):
    raw_tree(tmp_path)
    shutil.rmtree(tmp_path / missing)
    with pytest.raises(InputError, match=f"files: expected traces in a folder '{missing}'.*, got none among 1 files"):
        read(tree, tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="got no such folder"):
        read(tree, tmp_path / "none")


def test_pickled_and_hidden_files_are_never_opened(tmp_path):
    raw_tree(tmp_path)
    trap = tmp_path / "opened"
    code = f"cposix\nsystem\n(S'touch {trap}'\ntR.".encode()
    for name in ("negative/x.pickle", "negative/x", "negative/.x.sac"):
        (tmp_path / name).write_bytes(code)
    _, rejected = read(tree, tmp_path)
    assert sorted(rejected) == ["negative/x", "negative/x.pickle"] and not trap.exists()


def test_names_with_brackets_are_files_and_no_patterns(tmp_path):
    raw_tree(tmp_path)
    save(tmp_path / "negative" / "d.sac", trace(noise(seed=5))).rename(tmp_path / "negative" / "d[1]*.sac")
    assert "negative/d[1]*.sac" in read(tree, tmp_path)[0]["id"].tolist()


def test_other_formats_and_names_without_a_suffix_are_read(tmp_path):
    raw_tree(tmp_path)
    save(tmp_path / "negative/e.mseed", trace(noise(seed=6)), kind="MSEED")
    save(tmp_path / "negative/TW.NACB..BHN", trace(noise(seed=7), channel="BHN"), kind="MSEED")
    save(tmp_path / "negative/f.dat", trace(noise(seed=8), channel="BHE"))
    table, rejected = read(tree, tmp_path)
    assert not rejected and sorted(table["component"].tolist()) == ["BHE", "BHN", "BHZ", "BHZ", "HHE"]
    of_mseed = table["id"] == "negative/e.mseed"
    assert np.array_equal(table["inputs"][of_mseed][0], samples(noise(seed=6)[8000:], 20, SETTINGS))


def test_every_channel_of_a_file_is_a_sample(tmp_path):
    raw_tree(tmp_path)
    save(tmp_path / "negative/g.mseed", *(trace(noise(seed=k), channel=f"BH{k}") for k in range(3)), kind="MSEED")
    table, _ = read(tree, tmp_path)
    names = [name for name in table["id"].tolist() if "g.mseed" in name]
    assert names == [f"negative/g.mseed:TW.NACB..BH{k}" for k in range(3)]


def pieces(*parts, seconds=1500):
    """Parts of one trace: (first, last) second each."""
    data = noise(seconds)
    return [trace(data[round(a * RATE) : round(b * RATE)], START + a) for a, b in parts]


def test_gaps_and_overlaps_outside_the_window_do_no_harm(tmp_path):
    raw_tree(tmp_path)
    save(tmp_path / "negative/h.mseed", *pieces((0, 390), (395, 1405), (1410, 1500)), kind="MSEED")
    table, rejected = read(tree, tmp_path)
    assert not rejected
    row = table["id"].tolist().index("negative/h.mseed")
    assert table["start"][row] == START.timestamp + 400
    assert np.array_equal(table["inputs"][row], samples(noise()[8000:], 20, SETTINGS))


def test_pieces_that_follow_each_other_or_repeat_are_one(tmp_path):
    raw_tree(tmp_path)
    save(tmp_path / "negative/i.mseed", *pieces((0, 700), (700, 1100), (1050, 1500)), kind="MSEED")
    table, rejected = read(tree, tmp_path)
    assert not rejected
    assert np.array_equal(table["inputs"][table["id"] == "negative/i.mseed"][0], samples(noise()[8000:], 20, SETTINGS))


def test_gaps_and_overlaps_inside_the_window_are_reasons(tmp_path):
    raw_tree(tmp_path)
    other = trace(noise(seed=9)[: 20 * 600], START + 800)
    save(tmp_path / "negative/gap.mseed", *pieces((0, 700), (712.5, 1500)), kind="MSEED")
    save(tmp_path / "negative/late.mseed", *pieces((0, 100), (410, 1500)), kind="MSEED")
    save(tmp_path / "negative/two.mseed", *pieces((0, 900)), other, kind="MSEED")
    fast = trace(noise(100, rate_hz=40), START + 1500, rate_hz=40)
    save(tmp_path / "negative/rates.mseed", *pieces((0, 1500)), fast, kind="MSEED")
    _, rejected = read(tree, tmp_path)
    assert rejected == {
        "negative/gap.mseed": "gap: 12.50 s of the window are missing",
        "negative/late.mseed": "gap: 10.00 s of the window are missing",
        "negative/two.mseed": "overlap: inside the window, 400.0 s after its start",
        "negative/rates.mseed": "several rates: 20, 40 Hz",
    }


def test_large_sets_come_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "_BLOCK", 2)
    for k in range(4):
        save(tmp_path / f"negative/{k}.sac", trace(noise(seed=k)))
    save(tmp_path / "positive/e/positive/a.sac", trace(noise(seed=9), **EVENT))
    blocks = list(tree.read(tmp_path, SETTINGS))
    assert [len(block.inputs) for block in blocks] == [2, 2, 1]


@pytest.mark.skipif(not (SHARED / "data" / "sac_sample").is_dir(), reason="the SAC sample is not here")
def test_a_real_seismogram_of_50_hz(tmp_path):
    (tmp_path / "positive/Sumatra/positive").mkdir(parents=True)
    shutil.copy(SHARED / "data/sac_sample/sample.SAC", tmp_path / "positive/Sumatra/positive")
    save(tmp_path / "negative/b.sac", trace())
    table, rejected = read(tree, tmp_path, band_hz=[2, 5], norm="per_trace")
    assert not rejected
    row = {name: values[1] for name, values in table.items()}
    assert (row["group"], row["station"], row["component"], row["label"]) == ("Sumatra", "XF.H0780", "", 1)
    assert (row["rate_hz"], row["flat_s"], row["clipped_s"]) == (50, 0, 0)
    assert row["distance_km"] == pytest.approx(3083.06, abs=0.01)
    assert row["after_origin_s"] == pytest.approx(770.77, abs=0.02)
    assert UTCDateTime(row["start"]) - UTCDateTime("2004-12-26T00:58:52") == pytest.approx(770.77, abs=0.02)
    assert row["inputs"].std() == pytest.approx(1, abs=1e-5)


HEAD = "path,label,event,station,component,start_utc,dist_km,origin_utc,kind\n"


def table_of(folder, text):
    (folder / "manifest.csv").write_text(text)
    return folder


def test_a_manifest_tells_what_headers_do_not(tmp_path):
    save(tmp_path / "data/a.mseed", trace(), kind="MSEED")
    save(tmp_path / "b.sac", trace(noise(seed=1), **EVENT, kevnm="header", kuser0="bursts"))
    text = HEAD + "data/a.mseed,1,Sumatra,TW.OTHER,Z,2004-12-26T02:00:00,1200,2004-12-26T01:58:20Z,\nb.sac,0,,,,,,,\n"
    table, rejected = read(manifest, table_of(tmp_path, text))
    assert not rejected
    assert table["id"].tolist() == ["data/a.mseed", "b.sac"] and table["label"].tolist() == [1, 0]
    assert table["group"].tolist() == ["Sumatra", "header"] and table["kind"].tolist() == ["tremor", "bursts"]
    assert table["station"].tolist() == ["TW.OTHER", "TW.NACB"] and table["component"].tolist() == ["Z", "BHZ"]
    assert table["start"].tolist() == [START.timestamp + 3800, START.timestamp + 200]
    assert table["distance_km"].tolist() == [1200, 1200] and table["after_origin_s"].tolist() == [300, 300]
    assert np.array_equal(table["inputs"][0], samples(noise()[4000:], 20, SETTINGS))


def test_two_columns_are_enough(tmp_path):
    save(tmp_path / "a.sac", trace(**EVENT))
    save(tmp_path / "b.mseed", trace(noise(seed=1)), kind="MSEED")
    (tmp_path / "c.sac").write_bytes(b"broken")
    table, rejected = read(manifest, table_of(tmp_path, "label,path\n1,a.sac\n0,b.mseed\n0,c.sac\n"))
    assert table["group"].tolist() == ["2004-12-26"] * 2 and list(rejected) == ["c.sac"]


def test_the_component_chooses_one_of_several_channels(tmp_path):
    save(tmp_path / "m.mseed", *(trace(noise(seed=k), channel=f"BH{c}") for k, c in enumerate("ENZ")), kind="MSEED")
    text = "path,label,component\nm.mseed,0,Z\nm.mseed,0,BHN\nm.mseed,0,T\n"
    table, rejected = read(manifest, table_of(tmp_path, text))
    assert table["id"].tolist() == ["m.mseed:Z", "m.mseed:BHN"]
    for row, seed in enumerate((2, 1)):
        assert np.array_equal(table["inputs"][row], samples(noise(seed=seed)[8000:], 20, SETTINGS))
    assert rejected == {"m.mseed:T": "no single channel T: the file holds BHE, BHN, BHZ"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,labels\na.sac,1\n", "columns: expected 'label', got path, labels"),
        ("path,label\na.sac,1\na.sac,2\n", r"line 3, column label: expected 0 \(no\) or 1 \(tremor\), got '2'"),
        ("path,label\na.sac,\n", "line 2, column label: expected .*, got ''"),
        ("path,label\na.sac,1\nb.sac,0\n", "line 3, column path: expected a file in the folder, got 'b.sac'"),
        ("path,label\n,1\n", "line 2, column path: expected a file in the folder, got ''"),
        ("path,label\na.sac,1\na.sac,0\n", "line 3, column path: expected each file once, got 'a.sac', also in line 2"),
        ("path,label,dist_km\na.sac,1,far\n", "line 2, column dist_km: expected a number, got 'far'"),
        ("path,label,start_utc\na.sac,1,noon\n", "line 2, column start_utc: expected a time such as .*, got 'noon'"),
        ("path,label\n", "rows: expected at least one, got none"),
    ],
)
def test_a_wrong_manifest_is_an_error_with_line_and_column(tmp_path, text, message):
    save(tmp_path / "a.sac", trace(**EVENT))
    with pytest.raises(InputError, match=rf"manifest.csv: {message}"):
        read(manifest, table_of(tmp_path, text))


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"files: expected manifest.csv"):
        read(manifest, tmp_path)


def windows(n=3, width=20_000):
    return np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)


def store(path, **arrays):
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values.astype("S") if values.dtype.kind == "U" else values


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.npz"])
def test_published_containers_are_read(tmp_path, name, monkeypatch):
    monkeypatch.setattr(containers, "_BLOCK", 2)
    x = windows()
    store(tmp_path / name, X=x, y=np.array([[1], [0], [1]]))
    table, rejected = read(containers, tmp_path)
    assert not rejected
    assert table["id"].tolist() == table["group"].tolist() == [f"{name}/{k}" for k in range(3)]
    assert table["label"].tolist() == [1, 0, 1] and table["rate_hz"].tolist() == [20] * 3
    assert table["kind"].tolist() == ["tremor", "", "tremor"]
    assert np.isnan(table["start"]).all() and np.isnan(table["distance_km"]).all()
    assert np.allclose(table["inputs"], x - x.mean(1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
def test_names_in_a_container_are_kept_and_100_hz_is_told_by_the_width(tmp_path, name):
    x = windows(2, 100_000)
    names = {"event": np.array(["A", "B"]), "station": np.array(["TW.N", "TW.M"]), "component": np.array(["Z", "E"])}
    store(tmp_path / name, X=x, y=np.array([0.0, 1.0]), **names)
    table, _ = read(containers, tmp_path)
    assert [table[key].tolist() for key in ("group", "station", "component")] == [v.tolist() for v in names.values()]
    assert table["rate_hz"].tolist() == [100, 100]
    assert np.array_equal(table["inputs"][1], samples(x[1], 100, SETTINGS))


def test_all_containers_of_a_folder_are_read(tmp_path):
    store(tmp_path / "b.npz", X=windows(1), y=np.array([0]))
    store(tmp_path / "a.h5", X=windows(1) + 1, y=np.array([1]))
    (tmp_path / ".truth.npz").write_bytes(b"hidden")
    assert read(containers, tmp_path)[0]["id"].tolist() == ["a.h5/0", "b.npz/0"]


def test_a_padded_window_is_left_out_with_the_reason(tmp_path):
    x = windows()
    x[1, 15_000:] = 0
    store(tmp_path / "a.h5", X=x, y=np.array([1, 1, 0]))
    table, rejected = read(containers, tmp_path)
    assert table["id"].tolist() == ["a.h5/0", "a.h5/2"]
    assert rejected == {"a.h5/1": "flat or clipped: 250.0 s of 1000 s"}


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([1, 0])}, r"shape of 'y': expected \(3,\) or \(3, 1\), .*, got \(2,\)"),
        ({"X": windows(3, 10_000)}, r"shape of 'X': expected \(n, 20000\) or \(n, 100000\), got \(3, 10000\)"),
        ({"X": windows()[:, :, None]}, r"shape of 'X': expected .*, got \(3, 20000, 1\)"),
        ({"y": np.array([1, 0, 2])}, r"y, row 2: expected 0 \(no\) or 1 \(tremor\), got 2"),
        ({"y": np.array([1, np.nan, 0])}, r"y, row 1: expected .*, got nan"),
        ({"y": np.array(["a", "b", "c"])}, r"type of 'y': expected numbers"),
        ({"X": np.where(np.arange(20_000) == 7, np.nan, windows())}, r"X, row 0: expected finite numbers, got NaN"),
        ({"X": windows().astype(complex)}, r"(type|layout) of 'X': expected"),
        ({"event": np.array(["A"])}, r"shape of 'event': expected \(3,\), one for each row of X, got \(1,\)"),
        ({"X": None}, r"key 'X': expected"),
        ({"y": None}, r"key 'y': expected"),
    ],
)
def test_a_wrong_container_is_an_error(tmp_path, suffix, change, message):
    arrays = {"X": windows(), "y": np.array([1, 0, 1])} | change
    store(tmp_path / f"a{suffix}", **{name: values for name, values in arrays.items() if values is not None})
    with pytest.raises(InputError, match=rf"a{suffix}: {message}"):
        read(containers, tmp_path)


def test_broken_containers_and_pickled_objects_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"files: expected \*.h5 or"):
        read(containers, tmp_path)
    store(tmp_path / "a.npz", X=windows(), y=np.array([1, 0, 1]))
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (b"", b"no archive", whole[:5000], whole[: len(whole) - 300]):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"a.npz: content"):
            read(containers, tmp_path)
    damaged = bytearray(whole)
    damaged[100_000:100_400] = bytes(400)
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a.npz: content"):
        read(containers, tmp_path)
    np.savez(tmp_path / "a.npz", X=windows(), y=np.array([1, 0, 1]), event=np.array(["a", 1, None], object))
    with pytest.raises(InputError, match=r"a.npz: content: .* without pickled objects"):
        read(containers, tmp_path)
    np.savez(tmp_path / "a.npz", X=np.asfortranarray(windows()), y=np.array([1, 0, 1]))
    with pytest.raises(InputError, match=r"layout of 'X': expected numbers, row after row"):
        read(containers, tmp_path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00")
        archive.writestr("y.npy", b"")
    with pytest.raises(InputError, match=r"a.npz: content"):
        read(containers, tmp_path)
