"""The five readers: each format as it is on disk, made small, and each way in which it can be wrong."""

import bz2
import csv
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.polarity import audit, pieces
from geoml.tasks.polarity.datasets import hinet, ins, pnw, scsn, seisbench

SETTINGS = {
    "rate_hz": 100.0,
    "highpass_hz": None,
    "highpass_order": 2,
    "wrong_rate": "resample",
    "labels": None,
    "reversals": None,
}
COLUMNS = {
    **{"id": "U", "group": "U", "station": "U", "channel": "U", "onset": "U", "official_split": "U"},
    **{"label": np.int8, "time": np.float64, "first_break": np.int8},
    **{"magnitude": np.float32, "distance_km": np.float32, "snr_db": np.float32},
}
SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared"))


def trace(sign, length, p, rate=100, seed=0):
    """(length,) float32: weak noise, from P on a 5 Hz train that starts with ``sign``."""
    t = np.maximum(np.arange(length) - p, 0) / rate
    train = 100 * np.sin(2 * np.pi * 5 * t) * np.exp(-t)
    return (np.random.default_rng(seed).normal(size=length) + sign * train).astype(np.float32)


def read(module, folder, **settings):
    """All columns, with ``inputs``, joined over the blocks, and the rejected rows as a dictionary."""
    blocks = list(module.read(folder, SETTINGS | settings))
    for block in blocks:
        assert block.inputs.dtype == np.float32 and block.inputs.shape[1:] == (600,)
        assert set(block.columns) == set(COLUMNS)
        for name, kind in COLUMNS.items():
            dtype = block.columns[name].dtype
            assert dtype.kind == "U" if kind == "U" else dtype == kind
            assert len(block.columns[name]) == len(block.inputs)
    table = {name: np.concatenate([block.columns[name] for block in blocks]) for name in COLUMNS}
    table["inputs"] = np.concatenate([block.inputs for block in blocks])
    return table, dict(row for block in blocks for row in block.rejected)


def agree(table):
    """Whether the first break has the sign of every U and D."""
    known = table["label"] < 2
    return (table["first_break"][known] == 1 - 2 * table["label"][known]).all() and known.sum() > 0


def write_csv(path, rows, **changes):
    """Rows, a list of dictionaries, as CSV."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", **changes) as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# scsn


def scsn_file(folder, name="fm_train", n=6, **changes):
    labels = np.arange(n) % 3
    content = {
        "X": np.stack([trace(1 - 2 * (label % 2), 600, 300, seed=i) for i, label in enumerate(labels)]),
        "Y": np.full(n, 3.0, np.float32) if name.startswith("pick") else labels,
        "evids": 37000000 + np.arange(n),
        "sncls": np.array([b"CI.ABC.HHZ", b"AZ.XYZ.EHZ"] * n)[:n],
    }
    content |= {key: np.arange(n, dtype=np.float32) for key in ("mag", "dist", "snr")}
    if name.startswith("pick"):
        content["fm"] = labels
    path = folder / f"scsn_p_2000_2017_6sec_0.5r_{name}.hdf5"
    with h5py.File(path, "w") as file:
        for key, value in (content | changes).items():
            if value is not None:
                file[key] = value
    return path


def test_scsn_fm_files(tmp_path):
    scsn_file(tmp_path)
    scsn_file(tmp_path, "fm_test", 3)
    scsn_file(tmp_path, "pick_train", 3)
    table, rejected = read(scsn, tmp_path)
    assert table["label"].tolist() == [0, 1, 2] + [0, 1, 2] * 2 and agree(table) and not rejected
    assert table["id"][[0, 8]].tolist() == ["fm_test.hdf5:0", "fm_train.hdf5:5"]
    assert table["official_split"].tolist() == ["test"] * 3 + ["train"] * 6
    assert table["group"][3] == "37000000"
    assert (table["station"][1], table["channel"][1]) == ("AZ.XYZ", "EHZ")
    assert table["distance_km"][4] == 1 and np.isnan(table["time"]).all()


def test_scsn_pick_files_take_labels_from_fm_and_p_from_y(tmp_path, caplog):
    scsn_file(tmp_path, "pick_train")
    table, _ = read(scsn, tmp_path)
    assert table["label"].tolist() == [0, 1, 2, 0, 1, 2] and not caplog.text
    x = np.stack([trace(1, 600, p, seed=p) for p in (300, 260, 300)])
    scsn_file(tmp_path, "pick_train", 3, X=x, Y=np.array([3.0, 2.6, 8.0]), fm=np.array([0, 0, 1]))
    table, rejected = read(scsn, tmp_path)
    assert "P is not at 3.0 s" in caplog.text
    assert np.abs(table["inputs"][:, :300]).max() < 0.1 < np.abs(table["inputs"][:, 303]).min()
    assert rejected == {"pick_train.hdf5:2": "P outside the trace"}


def test_scsn_streams_blocks_of_whole_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "BLOCK", 4)
    scsn_file(tmp_path)
    blocks = list(scsn.read(tmp_path, SETTINGS))
    assert [len(block.inputs) for block in blocks] == [4, 2]
    assert blocks[1].columns["id"].tolist() == ["fm_train.hdf5:4", "fm_train.hdf5:5"]


def test_scsn_counts_dead_rows(tmp_path):
    x = np.stack([trace(1, 600, 300), np.zeros(600), np.full(600, np.nan)]).astype(np.float32)
    scsn_file(tmp_path, n=3, X=x, Y=np.zeros(3, int))
    table, rejected = read(scsn, tmp_path)
    assert len(table["id"]) == 1
    assert rejected == {"fm_train.hdf5:1": "flat", "fm_train.hdf5:2": "not finite"}


def test_the_label_code_can_be_changed_and_the_audit_sees_an_inverted_one(tmp_path):
    scsn_file(tmp_path, n=60)
    table, _ = read(scsn, tmp_path, labels={"0": "D", "1": "U"})
    assert table["label"][:3].tolist() == [1, 0, 2]
    assert audit.audit(table["label"], table["first_break"])["verdict"] == "inverted"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": None}, "key 'X': expected an HDF5 dataset, got only Y, dist, evids, mag, sncls, snr"),
        ({"sncls": None}, "key 'sncls'"),
        ({"X": np.zeros((6, 3, 600), np.float32)}, r"shape of 'X': expected 2 dimensions, got \(6, 3, 600\)"),
        ({"X": np.zeros((6, 400), np.float32)}, r"expected \(n, 600\), got \(6, 400\)"),
        ({"X": np.zeros((6, 600), int)}, "type of 'X': expected floats, got int64"),
        ({"Y": np.full(6, 3.0)}, "type of 'Y': expected integers, as there is no 'fm', got float64.*picking"),
        ({"Y": np.array([0, 1, 2, 3, 0, 0])}, "Y: expected one of '0' .U., .* got '3'.*labels:"),
        ({"mag": np.zeros(5)}, "length of 'mag': expected 6, as 'X', got 5"),
    ],
)
def test_bad_scsn_files(tmp_path, changes, message):
    path = scsn_file(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as error:
        read(scsn, tmp_path)
    assert str(path) in str(error.value)


def test_truncated_and_foreign_hdf5_files(tmp_path):
    path = scsn_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"expected a complete HDF5 file, got \d+ bytes.*Download"):
        read(scsn, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="got 0 bytes"):
        read(scsn, tmp_path)


# ins


def ins_rows(n=6):
    polarity = ["positive", "negative", "undecidable"]
    return [
        {
            "source_id": 100 + i // 2,
            "station_network_code": "IV",
            "station_code": f"ST{i}",
            "station_location_code": "",
            "station_channels": "HH",
            "source_magnitude": 2.5,
            "path_ep_distance_km": 30 + i,
            "trace_start_time": "2016-08-24T01:36:00.000000Z",
            "trace_dt_s": 0.01,
            "trace_P_arrival_sample": 2000 + 10 * i,
            "trace_polarity": polarity[i % 3],
            "trace_name": f"{100 + i // 2}.IV.ST{i}..HH",
        }
        for i in range(n)
    ]


def three(row, z, length=12000):
    """(3, length) float32 with the vertical at ``z`` and upside down horizontals."""
    sign = {"positive": 1, "negative": -1}.get(row.get("trace_polarity", row.get("trace_P_polarity")), 1)
    p = int(float(row.get("trace_P_arrival_sample") or 2000))
    out = np.stack([trace(-5 * sign, length, p, seed=c) for c in range(3)])
    out[z] = trace(sign, length, p, seed=9)
    return out


def ins_files(folder, rows, subfolders=True):
    write_csv(folder / ("metadata/" if subfolders else "") / "metadata_Instance_events_10k.csv", rows)
    path = folder / ("data/" if subfolders else "") / "Instance_events_counts_10k.hdf5"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        for row in rows:
            file[f"data/{row['trace_name']}"] = three(row, 2)
    return path


@pytest.mark.parametrize("subfolders", [True, False])
def test_ins_official_files(tmp_path, subfolders):
    ins_files(tmp_path, ins_rows(), subfolders)
    table, rejected = read(ins, tmp_path)
    assert table["label"].tolist() == [0, 1, 2] * 2 and agree(table) and not rejected
    assert table["group"].tolist() == ["100", "100", "101", "101", "102", "102"]
    assert (table["station"][0], table["channel"][0]) == ("IV.ST0", "HHZ")
    assert table["time"][1] == pytest.approx(1472002560 + 20.1, abs=1e-4)
    assert table["distance_km"].tolist() == [30, 31, 32, 33, 34, 35] and (table["official_split"] == "").all()
    assert np.abs(table["inputs"][:, :300]).max() < 0.1


def test_ins_packed_metadata_and_rows_that_cannot_be_used(tmp_path):
    rows = ins_rows(7)
    path = ins_files(tmp_path, rows)
    rows[1]["trace_P_arrival_sample"] = 20
    rows[2]["trace_P_arrival_sample"] = 13000
    rows[3]["trace_name"] = "not there"
    rows[4]["trace_P_arrival_sample"] = ""
    rows[5]["trace_name"] = ""
    rows[6]["source_id"] = ""
    write_csv(tmp_path / "metadata" / "metadata_Instance_events_10k.csv", rows)
    plain = tmp_path / "metadata" / "metadata_Instance_events_10k.csv"
    plain.with_suffix(".csv.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    plain.unlink()
    table, rejected = read(ins, tmp_path)
    assert path.exists() and table["id"].tolist() == ["100.IV.ST0..HH"]
    assert sorted(reason.split(":")[0] for reason in rejected.values()) == [
        "P outside the trace",
        "P too near the edge",
        "no P pick",
        "no event id",
        "no trace name",
        "no waveform",
    ]
    assert rejected["metadata_Instance_events_10k.csv.bz2 row 7"] == "no trace name"


@pytest.mark.parametrize(("order", "z"), [("ZNE", 0), (None, 2)])
def test_ins_repacked_blocks_obey_their_component_order_and_trace_name(tmp_path, order, z):
    rows = [row | {"trace_name_original": "elsewhere"} for row in ins_rows()]
    with h5py.File(tmp_path / "waveforms.hdf5", "w") as file:
        places = [4, 2, 0, 1, 3, 5]
        block = np.zeros((6, 3, 12000), np.float32)
        for row, place in zip(rows, places, strict=True):
            row["trace_name"] = f"bucket0${place},:3,:12000"
            block[place] = three(row, z)
        file.create_dataset("data/bucket0", data=block, chunks=(2, 3, 4000), compression="gzip")
        if order:
            file["data_format/component_order"] = order
    write_csv(tmp_path / "metadata.csv", rows)
    table, _ = read(ins, tmp_path)
    assert table["id"].tolist() == [f"bucket0${i},:3,:12000" for i in range(6)]
    assert table["label"].tolist() == [2, 0, 1, 1, 0, 2] and agree(table)


def test_ins_without_unpacked_waveforms_says_how(tmp_path):
    ins_files(tmp_path, ins_rows()).rename(tmp_path / "data" / "Instance_events_counts.hdf5.bz2")
    with pytest.raises(InputError, match=r"events_counts.*got only data, metadata.*bunzip2"):
        read(ins, tmp_path)


def test_two_versions_of_the_metadata_are_ambiguous(tmp_path):
    ins_files(tmp_path, ins_rows())
    write_csv(tmp_path / "metadata" / "metadata_Instance_events_v2.csv", ins_rows())
    with pytest.raises(InputError, match=r"expected one file.*Keep one"):
        read(ins, tmp_path)


# pnw


def pnw_files(folder, polarities=("positive", "negative", "undecidable", "", "positive"), order="ENZ", name="comcat"):
    rows = []
    for i, polarity in enumerate(polarities):
        rows.append(
            {
                "event_id": f"uw{i}",
                "source_origin_time": "2022-11-29T18:32:00.320000Z",
                "source_latitude_deg": 48.0,
                "source_longitude_deg": -123.0,
                "preferred_source_magnitude": 1.66,
                "station_network_code": "CN",
                "station_channel_code": "HH",
                "station_code": "VGZ",
                "station_location_code": "--",
                "station_latitude_deg": 49.0,
                "station_longitude_deg": -123.0,
                "trace_name": f"bucket{1 + i % 2}${i // 2},:3,:15001",
                "trace_sampling_rate_hz": 100,
                "trace_start_time": "2022-11-29T18:31:10.320000Z",
                "trace_P_arrival_sample": f"{5300 + 7 * i}.000",
                "trace_P_polarity": polarity,
                "trace_P_onset": ["impulsive", "emergent", ""][i % 3],
                "trace_snr_db": "10.1|nan|9.8",
            }
        )
    write_csv(folder / f"{name}_metadata.csv", rows)
    with h5py.File(folder / f"{name}_waveforms.hdf5", "w") as file:
        for b in (1, 2):
            file[f"data/bucket{b}"] = np.stack([three(row, 2, 15001) for row in rows[b - 1 :: 2]])
        if order:
            file["data_format/component_order"] = order
    return rows


@pytest.mark.parametrize("name", ["comcat", "miniPNW"])
def test_pnw_files(tmp_path, name):
    rows = pnw_files(tmp_path, name=name)
    table, rejected = read(pnw, tmp_path)
    assert rejected == {"bucket2$1,:3,:15001": "no label"}
    assert table["id"].tolist() == [rows[i]["trace_name"] for i in (0, 2, 4, 1)]
    assert table["label"].tolist() == [0, 2, 0, 1] and agree(table)
    assert table["group"].tolist() == ["uw0", "uw2", "uw4", "uw1"]
    assert (table["station"][0], table["channel"][0]) == ("CN.VGZ", "HHZ")
    assert table["onset"].tolist() == ["impulsive", "", "emergent", "emergent"]
    assert table["distance_km"] == pytest.approx(np.full(4, 111.2), abs=0.1)
    assert table["time"][0] == pytest.approx(1669746670.32 + 53.0, abs=1e-4)


def test_pnw_reversals_turn_the_trace(tmp_path):
    pnw_files(tmp_path)
    header = "network,station,location,channel,start_date,end_date\n"
    (tmp_path / "r.csv").write_text(header + "CN,VGZ,,,2022-01-01,2023-01-01\n")
    plain, turned = read(pnw, tmp_path)[0], read(pnw, tmp_path, reversals=str(tmp_path / "r.csv"))[0]
    assert np.array_equal(plain["inputs"], -turned["inputs"])
    (tmp_path / "r.csv").write_text(header + "CN,VGZ,00,,,\nCN,VGZ,,,,2022-01-01\n")
    assert np.array_equal(plain["inputs"], read(pnw, tmp_path, reversals=str(tmp_path / "r.csv"))[0]["inputs"])


@pytest.mark.parametrize("order", ["EN1", "Z", "ZZE", "12"])
def test_a_component_order_that_does_not_fit(tmp_path, order):
    pnw_files(tmp_path, order=order)
    with pytest.raises(InputError, match=r"component.*waveforms|waveforms.*component"):
        read(pnw, tmp_path)


def test_labels_outside_the_code(tmp_path):
    pnw_files(tmp_path, ("positive", "sideways"))
    with pytest.raises(InputError, match=r"comcat_metadata.csv: trace_P_polarity: .*got 'sideways'.*labels:"):
        read(pnw, tmp_path)
    assert read(pnw, tmp_path, labels={"Sideways": "D"})[0]["label"].tolist() == [0, 1]


def test_an_empty_polarity_counts_as_n_only_on_request(tmp_path):
    pnw_files(tmp_path)
    assert (read(pnw, tmp_path, labels={"": "N"})[0]["label"] == 2).sum() == 2


def test_bad_csv_files(tmp_path):
    pnw_files(tmp_path)
    path = tmp_path / "comcat_metadata.csv"
    text = path.read_text()
    path.write_text(text, encoding="utf-8-sig")
    assert len(read(pnw, tmp_path)[0]["id"]) == 4
    path.write_text(text.replace(",", ";"))
    with pytest.raises(InputError, match=r"comcat_metadata.csv: separator: expected commas, got semicolons"):
        read(pnw, tmp_path)
    path.write_text(text.replace("trace_P_arrival_sample", "p_sample"))
    with pytest.raises(InputError, match=r"expected column .*trace_P_arrival_sample.*got event_id.*p_sample"):
        read(pnw, tmp_path)
    path.write_text(text, encoding="utf-16")
    with pytest.raises(InputError, match="CSV file in UTF-8"):
        read(pnw, tmp_path)
    path.write_text(text + '"never closed,b\n')
    with pytest.raises(InputError, match="complete CSV table"):
        read(pnw, tmp_path)
    path.write_text("")
    with pytest.raises(InputError, match="got an empty file"):
        read(pnw, tmp_path)


@pytest.mark.parametrize("module", [scsn, ins, pnw, hinet, seisbench])
def test_missing_files_name_the_pattern_and_what_is_there(tmp_path, module):
    with pytest.raises(InputError, match="no such folder"):
        read(module, tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"files: expected .*\*.*, got only notes.txt"):
        read(module, tmp_path)
    assert module.CITATION and isinstance(module.DOWNLOADS, list)


# seisbench


def seisbench_files(folder, chunk="", rate=100, n=4, extra=None, **data_format):
    rows = []
    with h5py.File(folder / f"waveforms{chunk}.hdf5", "w") as file:
        for i in range(n):
            row = {
                "trace_name": f"tr{i}" if i % 2 else f"block${i // 2},:3,:{60 * rate}",
                "source_id": f"ev{i}",
                "station_code": "AAA",
                "trace_p_arrival_sample": 30 * rate,
                "trace_p_polarity": ["up", "down", "unknown", "negative"][i % 4],
                "split": ["train", "dev", "test", ""][i % 4],
            }
            rows.append(row | (extra or {}))
        signs = {"up": 1, "down": -1, "negative": -1, "unknown": 1}
        block = np.zeros((n, 3, 70 * rate), np.float32)  # longer than the traces in it
        for i, row in enumerate(rows):
            wave = trace(signs[row["trace_p_polarity"]], 60 * rate, 30 * rate, rate)
            three_components = np.stack([wave, -wave, -wave])
            if i % 2:
                file[f"data/tr{i}"] = three_components
            else:
                block[i // 2, :, : 60 * rate] = three_components
        file["data/block"] = block
        for key, value in (
            {"component_order": "ZNE", "dimension_order": "CW", "sampling_rate": rate} | data_format
        ).items():
            if value is not None:
                file[f"data_format/{key}"] = value
    write_csv(folder / f"metadata{chunk}.csv", rows)


@pytest.mark.parametrize("rate", [50, 100, 200])
def test_seisbench_plain_names_blocks_and_rates(tmp_path, rate):
    seisbench_files(tmp_path, rate=rate)
    table, rejected = read(seisbench, tmp_path)
    assert not rejected
    known = table["label"] < 2
    assert (np.sign(table["inputs"][known, 304]) == 1 - 2 * table["label"][known]).all()
    assert dict(zip(table["group"], table["label"], strict=True)) == {"ev0": 0, "ev1": 1, "ev2": 2, "ev3": 1}
    splits = dict(zip(table["group"], table["official_split"], strict=True))
    assert splits == {"ev0": "train", "ev1": "train", "ev2": "test", "ev3": ""}
    assert (table["station"] == "AAA").all() and np.isnan(table["distance_km"]).all()
    assert np.abs(table["inputs"][:, :298]).max() < 0.1 < np.abs(table["inputs"][:, 303]).min()


def test_seisbench_other_rate_can_be_refused(tmp_path):
    seisbench_files(tmp_path, rate=50)
    with pytest.raises(InputError, match=r"expected 100 Hz, got 50 Hz\. Set wrong_rate: resample"):
        read(seisbench, tmp_path, wrong_rate="refuse")


@pytest.mark.parametrize("named", [True, False])
def test_seisbench_chunks(tmp_path, named):
    seisbench_files(tmp_path, "_2001")
    seisbench_files(tmp_path, "_2002")
    if named:
        (tmp_path / "chunks").write_text("_2001\n_2002\n")
    table, _ = read(seisbench, tmp_path)
    assert len(set(table["id"].tolist())) == 8
    (tmp_path / "waveforms_2002.hdf5").unlink()
    with pytest.raises(InputError, match=r"waveforms_2002\.hdf5"):
        read(seisbench, tmp_path)


def test_seisbench_order_and_rate_in_the_metadata(tmp_path):
    told = {"trace_component_order": "ZNE", "trace_sampling_rate_hz": 100}
    seisbench_files(tmp_path, extra=told, component_order=None, sampling_rate=None)
    assert agree(read(seisbench, tmp_path)[0])


@pytest.mark.parametrize(
    ("data_format", "message"),
    [
        ({"component_order": None}, "component order: expected letters with one Z.*trace_component_order"),
        ({"sampling_rate": None}, "sampling rate: expected a rate.*trace_sampling_rate_hz"),
        ({"dimension_order": "WC"}, "dimension_order: expected CW or NCW, got WC"),
    ],
)
def test_seisbench_must_tell_order_and_rate(tmp_path, data_format, message):
    seisbench_files(tmp_path, **data_format)
    with pytest.raises(InputError, match=message):
        read(seisbench, tmp_path)


def test_seisbench_without_data_group(tmp_path):
    seisbench_files(tmp_path)
    with h5py.File(tmp_path / "waveforms.hdf5", "a") as file:
        file.move("data", "traces")
    with pytest.raises(InputError, match="key 'data': expected a group of traces, got only data_format, traces"):
        read(seisbench, tmp_path)


def test_seisbench_wrong_rank(tmp_path):
    seisbench_files(tmp_path)
    with h5py.File(tmp_path / "waveforms.hdf5", "a") as file:
        del file["data/tr1"]
        file["data/tr1"] = np.zeros(6000)
    with pytest.raises(InputError, match=r"shape of 'data/tr1': expected 2 dimensions, got \(6000,\)"):
        read(seisbench, tmp_path)


def test_rates_may_differ_from_row_to_row(tmp_path):
    seisbench_files(tmp_path, extra={"trace_sampling_rate_hz": 100})
    path = tmp_path / "metadata.csv"
    path.write_text(path.read_text().replace("down,dev,100", "down,dev,0"))
    _, rejected = read(seisbench, tmp_path)
    assert rejected == {}  # 0 is no rate: that of data_format holds


# hinet


def hinet_files(folder, polarities=("U", "D", "K", "U")):
    from obspy import Trace, UTCDateTime

    start = UTCDateTime("2016-04-15T07:46:34")
    picks = []
    (folder / "waveform" / "D1").mkdir(parents=True, exist_ok=True)
    for i, polarity in enumerate(polarities):
        p = 2000 + 5 * i
        picks.append(
            {
                "event_id": "J1",
                "data_id": "D1",
                "sta": f"N.ST{i}",
                "ptime": str(start + p / 100),
                "stime": "",
                "pol": polarity,
            }
        )
        wave = Trace(trace({"D": -1}.get(polarity, 1), 4000, p), {"sampling_rate": 100, "starttime": start})
        wave.stats.update({"station": f"N.ST{i}", "channel": "U"})
        wave.write(str(folder / "waveform" / "D1" / f"N.ST{i}.U.SAC"), format="SAC")
    write_csv(folder / "X_phase.csv", picks)
    event = {"event_id": "J1", "data_id": "D1", "jst": str(start), "lat": 32.0, "lon": 130.0, "dep": 10, "mag": 4.4}
    write_csv(folder / "X_catalog.csv", [event])
    stations = [{"net": "", "sta": f"N.ST{i}", "chan": "U", "lat": 33.0, "lon": 130.0, "elv": 1} for i in range(9)]
    write_csv(folder / "my_station.csv", stations)
    return picks, folder / "waveform" / "D1"


def test_hinet_tree(tmp_path):
    hinet_files(tmp_path)
    table, rejected = read(hinet, tmp_path)
    assert table["label"].tolist() == [0, 1, 2, 0] and agree(table) and not rejected
    assert (table["id"][0], table["group"][0], table["station"][0], table["channel"][0]) == (
        "D1/N.ST0",
        "D1",
        "N.ST0",
        "U",
    )
    assert table["time"][0] == pytest.approx(1460706394 + 20, abs=1e-3)  # the clock as written
    assert table["distance_km"] == pytest.approx(np.full(4, 111.2), abs=0.1)
    assert table["magnitude"][0] == pytest.approx(4.4)
    assert np.abs(table["inputs"][:, :300]).max() < 0.1 < np.abs(table["inputs"][:, 303]).min()


def test_hinet_rows_that_cannot_be_used(tmp_path):
    from obspy import read as read_sac

    picks, folder = hinet_files(tmp_path, "UUUUUUUU")
    (folder / "N.ST1.U.SAC").write_bytes(b"")
    (folder / "N.ST2.U.SAC").write_bytes((folder / "N.ST2.U.SAC").read_bytes()[:900])
    (folder / "N.ST3.U.SAC").unlink()
    picks[4]["ptime"] = "2016-04-15T07:40:00Z"
    picks[5]["pol"] = ""
    sideways = read_sac(str(folder / "N.ST6.U.SAC"))
    sideways[0].stats.channel = "N"
    sideways.write(str(folder / "N.ST6.U.SAC"), format="SAC")
    picks[7]["ptime"] = ""
    write_csv(tmp_path / "X_phase.csv", [*picks, picks[0]])
    blocks = list(hinet.read(tmp_path, SETTINGS))
    rejected = [(name.removeprefix("D1/N.ST"), reason.split(":")[0]) for name, reason in blocks[0].rejected]
    assert blocks[0].columns["id"].tolist() == ["D1/N.ST0"]
    assert rejected == [
        ("1", "unreadable SAC file"),
        ("2", "unreadable SAC file"),
        ("3", "no waveform"),
        ("4", "P outside the trace"),
        ("5", "no label"),
        ("6", "wrong component"),
        ("7", "no P pick"),
        ("0", "second pick of the trace"),
    ]
    assert "0 bytes" in blocks[0].rejected[0][1]


def test_bad_hinet_folders(tmp_path):
    hinet_files(tmp_path, "UX")
    with pytest.raises(InputError, match=r"X_phase.csv: pol: expected .*'k' \(N\), got 'X'"):
        read(hinet, tmp_path)
    hinet_files(tmp_path, "U")
    (tmp_path / "X_catalog.csv").unlink()
    with pytest.raises(InputError, match=r"\*_catalog.csv, got only X_phase.csv, my_station.csv, waveform"):
        read(hinet, tmp_path)


def test_hinet_other_rate_can_be_refused(tmp_path):
    from obspy import read as read_sac

    _, folder = hinet_files(tmp_path, "U")
    fast = read_sac(str(folder / "N.ST0.U.SAC"))
    fast[0].stats.sampling_rate = 200
    fast.write(str(folder / "N.ST0.U.SAC"), format="SAC")
    with pytest.raises(InputError, match=r"N.ST0.U.SAC: sampling rate: expected 100 Hz, got 200 Hz"):
        read(hinet, tmp_path, wrong_rate="refuse")


def test_another_common_rate_is_an_error(tmp_path):
    scsn_file(tmp_path)
    with pytest.raises(InputError, match="rate_hz: expected 100"):
        read(scsn, tmp_path, rate_hz=50.0)


@pytest.mark.skipif(not (SHARED / "data" / "kumamoto").is_dir(), reason="the Kumamoto example is not here")
def test_kumamoto():
    """Counts of the example, and the card's count of first breaks (section 9): at least 58 of 60."""
    table, rejected = read(hinet, SHARED / "data" / "kumamoto")
    assert np.bincount(table["label"]).tolist() == [45, 15, 40]
    assert len(rejected) == 21 and set(rejected.values()) == {"no waveform"}
    assert len(set(table["group"].tolist())) == 2
    known = table["label"] < 2
    wrong = known & (table["first_break"] != 1 - 2 * table["label"])
    assert wrong.sum() <= 2
    assert audit.audit(table["label"], table["first_break"])["verdict"] == "ok"
    assert np.median(table["snr_db"][table["label"] == 0]) == pytest.approx(60, abs=2)
