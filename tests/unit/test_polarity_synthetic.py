import csv
import hashlib

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.polarity.synthetic import generate
from geoml.tasks.polarity.synthetic_flavours import FLAVOURS
from geoml.tasks.polarity.synthetic_records import _radiation, apportion

h5py = pytest.importorskip("h5py")
ROWS = 120
SIGN = np.array([1, -1])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One small data set of each flavour."""
    root = tmp_path_factory.mktemp("synthetic")
    for flavour in FLAVOURS:
        generate(root / flavour, ROWS, 3, flavour)
    return {flavour: root / flavour for flavour in FLAVOURS}


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def truth(folder):
    with np.load(folder / "truth.npz") as file:
        return dict(file)


def traces(folder, flavour):
    """id -> (vertical trace, pick, label) of every record that has a trace, read as a stranger would."""
    from obspy import UTCDateTime, read

    found = {}
    if flavour == "scsn":
        for split in ("train", "test"):
            with h5py.File(folder / f"scsn_p_2000_2017_6sec_0.5r_fm_{split}.hdf5") as file:
                x, y = file["X"][:], file["Y"][:]
            found |= {f"fm_{split}.hdf5:{i}": (x[i], 300, y[i]) for i in range(len(x))}
    if flavour == "ins":
        words = ["positive", "negative", "undecidable"]
        with h5py.File(folder / "Instance_events_counts.hdf5") as file:
            for row in table(folder / "metadata_Instance_events.csv"):
                if row["trace_name"] in file["data"]:
                    wave = file["data"][row["trace_name"]][2]
                    found[row["trace_name"]] = (
                        wave,
                        int(row["trace_P_arrival_sample"]),
                        words.index(row["trace_polarity"]),
                    )
    if flavour == "pnw":
        words = ["positive", "negative", "undecidable", ""]
        with h5py.File(folder / "comcat_waveforms.hdf5") as file:
            for row in table(folder / "comcat_metadata.csv"):
                if row["trace_name"]:
                    bucket, place = row["trace_name"].split("$")
                    wave = file["data"][bucket][int(place.split(",")[0]), 2]
                    pick = float(row["trace_P_arrival_sample"])
                    found[row["trace_name"]] = wave, int(pick), words.index(row["trace_P_polarity"])
    if flavour == "hinet":
        for row in table(folder / "Hinet_phase.csv"):
            path = folder / "waveform" / row["data_id"] / f"{row['sta']}.U.SAC"
            if path.exists():
                trace = read(path)[0]
                pick = round((UTCDateTime(row["ptime"]) - trace.stats.starttime) * 100)
                found[f"{row['data_id']}/{row['sta']}"] = trace.data, pick, "UDK".index(row["pol"])
    return found


@pytest.fixture(scope="module")
def records(folders):
    return {flavour: traces(folder, flavour) for flavour, folder in folders.items()}


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_equal_seeds_give_equal_files(tmp_path, flavour):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate(tmp_path / name, 10, seed, flavour)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_good_records_meet_the_quota_exactly(folders, records, flavour):
    ids = truth(folders[flavour])["id"]
    labels = [records[flavour][name][2] for name in ids]
    assert len(set(ids.tolist())) == ROWS
    assert np.bincount(labels, minlength=3).tolist() == apportion(FLAVOURS[flavour].quota, ROWS).tolist()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_label_and_pick_follow_the_truth(folders, records, flavour):
    known = truth(folders[flavour])
    _, picks, labels = (np.array(v) for v in zip(*[(0, *records[flavour][i][1:]) for i in known["id"]], strict=True))
    read = labels < 2
    assert np.mean(SIGN[labels[read]] == known["sign"][read]) > 0.9
    assert 0.02 < np.mean(picks != known["p_sample"]) < 1  # picks have errors ...
    assert np.median(np.abs(picks - known["p_sample"])) <= 5  # ... of hundredths of a second


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_ground_begins_to_move_at_the_true_p_in_the_true_direction(folders, records, flavour):
    from scipy.signal import butter, lfilter

    known = truth(folders[flavour])
    clear = np.argsort(known["y"])[-ROWS // 4 :]
    good, onsets = 0, []
    for row in clear:
        wave, p = records[flavour][known["id"][row]][0].astype(float), int(known["p_sample"][row])
        wave = lfilter(*butter(2, 1, "highpass", fs=100), wave[p - 250 : p + 200] - wave[p - 250 : p].mean())
        level = 5 * wave[100:245].std()
        first = np.argmax(np.abs(wave[240:]) > level) - 10
        onsets.append(first)
        good += np.sign(wave[250 + first]) == known["sign"][row]
    assert good >= 0.85 * len(clear)
    assert -2 <= np.median(onsets) <= 15


def test_flavours_differ(folders):
    median = {flavour: np.median(truth(folder)["snr_db"]) for flavour, folder in folders.items()}
    assert median["pnw"] < median["scsn"] < median["hinet"]
    assert median["ins"] + 10 < median["hinet"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_order_does_not_tell_the_label(folders, records, flavour):
    labels = np.array([records[flavour][name][2] for name in truth(folders[flavour])["id"]])
    halves = [np.bincount(half, minlength=3) / len(half) for half in np.array_split(labels, 2)]
    assert np.abs(halves[0] - halves[1]).max() < 0.3


def test_scsn_files(folders):
    name = "scsn_p_2000_2017_6sec_0.5r_{}_{}.hdf5"
    events, rows = [], []
    for split in ("train", "test"):
        with h5py.File(folders["scsn"] / name.format("fm", split)) as fm:
            n = len(fm["X"])
            assert (fm["X"].shape, fm["X"].dtype) == ((n, 600), np.float32)
            assert fm["Y"].dtype == np.int64 and set(fm["Y"][:]) <= {0, 1, 2} and "fm" not in fm
            assert {fm[key].shape for key in ("evids", "mag", "dist", "snr", "sncls")} == {(n,)}
            assert fm["sncls"].dtype.kind == "S" and fm["sncls"][0].count(b".") == 2
            peaks = np.abs(fm["X"][:]).max(axis=1)
            assert set(np.round(peaks, 6)) <= {0, 1}
            with h5py.File(folders["scsn"] / name.format("pick", split)) as pick:
                assert (pick["Y"][:] == 3.0).all()
                assert (pick["fm"][:] == fm["Y"][:]).all() and (pick["evids"][:] == fm["evids"][:]).all()
            events.append(set(fm["evids"][:].tolist()))
            rows.append((n, int((peaks == 0).sum())))
    assert not events[0] & events[1]
    assert sum(n for n, _ in rows) == ROWS + 3 and sum(flat for _, flat in rows) == 2  # the third is clipped
    assert rows[0][0] > 3 * rows[1][0] > 0


def test_ins_files(folders):
    rows = table(folders["ins"] / "metadata_Instance_events.csv")
    assert len(rows) == ROWS + 7
    with h5py.File(folders["ins"] / "Instance_events_counts.hdf5") as file:
        names = set(file["data"])
        wave = file["data"][rows[0]["trace_name"]]
        assert (wave.shape, wave.dtype) == ((3, 12000), np.float32)
        assert (wave[:] == np.rint(wave[:])).all()
        flat = sum(np.ptp(file["data"][name][2]) == 0 for name in names)
    samples = [int(row["trace_P_arrival_sample"]) for row in rows]
    assert flat == 2 and sum(row["trace_name"] not in names for row in rows) == 2
    assert sum(sample >= 12000 for sample in samples) == 2
    assert {row["station_channels"] for row in rows} <= {"HH", "EH", "HN"}


def test_pnw_files(folders):
    rows = table(folders["pnw"] / "comcat_metadata.csv")
    assert len(rows) == ROWS + 7 + 6
    with h5py.File(folders["pnw"] / "comcat_waveforms.hdf5") as file:
        assert file["data_format/component_order"][()] == b"ENZ"
        assert sorted(file["data"]) == sorted(f"bucket{b}" for b in range(1, 11))
        assert {file["data"][name].shape[1:] for name in file["data"]} == {(3, 15001)}
        assert sum(len(file["data"][name]) for name in file["data"]) == sum(bool(row["trace_name"]) for row in rows)
    assert sum(row["trace_P_polarity"] == "" for row in rows) == 6
    assert {row["trace_P_onset"] for row in rows} == {"impulsive", "emergent", ""}
    assert all(row["trace_snr_db"].count("|") == 2 for row in rows)
    assert any("nan" in row["trace_snr_db"] for row in rows)
    assert all(row["trace_P_arrival_sample"].endswith(".0") for row in rows)


def test_hinet_files(folders):
    from obspy import UTCDateTime, read

    phases, events = (table(folders["hinet"] / f"Hinet_{name}.csv") for name in ("phase", "catalog"))
    stations = {row["sta"]: row for row in table(folders["hinet"] / "hinet_station.csv")}
    paths = sorted((folders["hinet"] / "waveform").rglob("*.SAC"))
    assert len(phases) - len(paths) == round(ROWS * 0.15 / 0.85)
    assert len({row["data_id"] for row in events}) == len(events) == len({row["data_id"] for row in phases})
    trace = read(paths[0])[0]
    assert (trace.stats.sampling_rate, trace.data.dtype) == (100, np.float32)
    assert 6000 <= trace.stats.npts <= 8000
    sta = paths[0].name.removesuffix(".U.SAC")
    assert (trace.stats.station, trace.stats.sac.kstnm, trace.stats.channel) == (sta, sta, "U")
    assert trace.stats.sac.stla == pytest.approx(float(stations[sta]["lat"]))
    assert trace.stats.sac.e == pytest.approx(trace.stats.sac.b + (trace.stats.npts - 1) / 100, abs=1e-4)
    origin = next(UTCDateTime(row["jst"]) for row in events if row["data_id"] == paths[0].parent.name)
    assert -40 < trace.stats.starttime - origin < 0


def test_radiation_of_a_vertical_strike_slip_fault():
    zero, right = np.zeros(4), np.full(4, 90.0)
    four = _radiation(zero, right, zero, np.array([45.0, 135, 225, 315]), right)
    assert four == pytest.approx([1, -1, 1, -1])


def test_apportion_keeps_the_total():
    assert apportion((0.181, 0.096, 0.723), 10).tolist() == [2, 1, 7]
    assert all(apportion(FLAVOURS["scsn"].quota, n).sum() == n for n in range(50))


def test_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(InputError, match="flavour"):
        generate(tmp_path / "a", 10, 0, "diting")
    with pytest.raises(InputError, match="rows"):
        generate(tmp_path / "a", 0, 0, "ins")
    (tmp_path / "real.csv").touch()
    with pytest.raises(InputError, match="empty folder"):
        generate(tmp_path, 10, 0, "ins")
