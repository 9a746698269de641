"""Prediction on a user's own files: picks in, one answer a pick out."""

import csv
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read_events
from obspy.core.event import Arrival, Catalog, Event, Origin, Pick, WaveformStreamID

from geoml.errors import InputError
from geoml.tasks.polarity import outputs, picks, reversals
from geoml.tasks.polarity.predict import predict

START = UTCDateTime("2020-01-02T03:04:00")
P = START + 20  # every trace below: 40 s, P in the middle
SETTINGS = {
    "rate_hz": 100.0,
    "highpass_hz": 1.0,
    "highpass_order": 2,
    "wrong_rate": "resample",
    "labels": None,
    "reversals": None,
}
SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[2] / ".." / "shared")).resolve()
KUMAMOTO = SHARED / "data" / "kumamoto"
HINET = "event_id,data_id,sta,ptime,stime,pol"


def make_trace(station="ABC", sign=1, channel="HHZ", network="XX", location="", start=START, rate_hz=100.0, seed=0):
    """Noise, then a sharp onset of the given sign at P; amplitudes are counts."""
    t = np.arange(round(40 * rate_hz)) / rate_hz - (P - start)
    onset = np.where(t >= 0, 1000 * np.sin(2 * np.pi * 4 * t) * np.exp(-2 * np.abs(t)), 0)
    data = np.random.default_rng(seed).normal(0, 1, len(t)) + sign * onset
    codes = {"network": network, "station": station, "location": location, "channel": channel}
    return Trace(data.astype(np.float32), {**codes, "starttime": start, "sampling_rate": rate_hz})


def first_swing(inputs):
    """Stand-in model: 0.9 for the sign of the 0.05 s after P; N where that does not stand out."""
    assert inputs.dtype == np.float32 and inputs.shape[1:] == (600,)
    swing = inputs[:, 301:306].mean(axis=1)
    clear = np.abs(swing) > 4 * inputs[:, 100:290].std(axis=1)
    code = np.where(clear, np.where(swing > 0, 0, 1), 2)
    return np.where(np.arange(3) == code[:, None], 0.9, 0.05)


def run(inputs, picks_path, out, model=first_swing, threshold=0.6, **more):
    inputs = inputs if isinstance(inputs, list) else [inputs]
    return predict(
        inputs, picks_path, out, probabilities=model, settings=SETTINGS, threshold=threshold, model_name="toy", **more
    )


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def picks_csv(path, *rows, header="event,network,station,time,polarity", encoding="utf-8"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


@pytest.fixture
def waveforms(tmp_path):
    """UPP (SAC, up), DWN (SAC, down), two more stations in one miniSEED file, of which one has three components."""
    folder = tmp_path / "waveforms"
    (folder / "deep").mkdir(parents=True)
    make_trace("UPP").write(str(folder / "UPP.sac"), format="SAC")
    make_trace("DWN", -1).write(str(folder / "deep" / "DWN.sac"), format="SAC")
    three = [make_trace("THR", sign, channel) for sign, channel in ((1, "HHE"), (1, "HHN"), (-1, "HHZ"))]
    fifty = make_trace("LOW", 1, "bhz", rate_hz=50.0)
    Stream([*three, fifty]).write(str(folder / "deep" / "more.mseed"), format="MSEED")
    return folder


def test_every_pick_gives_one_row_in_order(waveforms, tmp_path):
    table = picks_csv(
        tmp_path / "picks.csv",
        f"e1,XX,DWN,{P},D",
        f"e1,XX,thr,{P},up",
        f"e2,,UPP,{P},",
        f"e1,XX,GONE,{P},K",
        f"e1,YY,UPP,{P},U",
        f"e2,XX,UPP,{P + 3600},U",
        f"e2,XX,LOW,{P},U",
    )
    summary = run(waveforms, table, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "polarities.csv")
    assert [r["station"] for r in rows] == ["DWN", "thr", "UPP", "GONE", "UPP", "UPP", "LOW"]
    assert [r["polarity"] for r in rows] == ["D", "D", "U", "N", "N", "N", "U"]
    assert [r["label"] for r in rows] == ["D", "U", "", "N", "U", "U", "U"]
    assert (rows[2]["network"], rows[2]["channel"]) == ("XX", "HHZ"), "filled in from the trace"
    assert rows[0]["p_d"] == rows[0]["confidence"] == "0.9" and float(rows[0]["snr_db"]) > 20
    assert rows[0]["pick_time"] == "2020-01-02T03:04:20Z" and rows[0]["model"] == "toy"
    assert [bool(r["p_u"]) for r in rows] == [True, True, True, False, False, False, True]
    assert rows[3]["reason"] == "no waveform of this station" == rows[4]["reason"]
    assert rows[5]["reason"] == "no trace of this station holds the pick"
    assert summary.answered == {"U": 2, "D": 2, "N": 3}
    assert summary.score == {
        "ud": 3, "ud_hits": 2, "d": 1, "d_hits": 1, "ud_answered_n": 0, "n": 0, "n_answered_n": 0, "not_judged": 3,
    }  # fmt: skip
    assert "2 of 3 U/D right" in str(summary) and "polarities.csv" in str(summary)


def test_same_files_same_bytes_and_csv_alone(waveforms, tmp_path):
    table = picks_csv(tmp_path / "picks.csv", f"e1,XX,DWN,{P},", f"e1,XX,UPP,{P},")
    run(waveforms, table, tmp_path / "a")
    run([waveforms / "UPP.sac", waveforms / "deep", waveforms], table, tmp_path / "b")
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["polarities.csv", "polarities.quakeml.xml", "polarities.skhash.csv"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    summary = run(waveforms, table, tmp_path / "c" / "one.csv")
    assert summary.written == [tmp_path / "c" / "one.csv"] == list((tmp_path / "c").iterdir())
    assert (tmp_path / "c" / "one.csv").read_bytes() == (tmp_path / "a" / "polarities.csv").read_bytes()


def test_small_batches_change_nothing(waveforms, tmp_path, monkeypatch):
    table = picks_csv(tmp_path / "picks.csv", *(f"e1,XX,{s},{P},U" for s in ("UPP", "DWN", "THR", "LOW", "UPP")))
    run(waveforms, table, tmp_path / "a.csv")
    monkeypatch.setattr("geoml.tasks.polarity.predict._BATCH", 2)
    run(waveforms, table, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert [r["polarity"] for r in rows_of(tmp_path / "b.csv")] == ["U", "D", "D", "U", "U"]


def test_bad_waveforms_are_rows_with_a_reason(waveforms, tmp_path):
    (waveforms / "EMP.sac").write_bytes(b"")
    (waveforms / "XX.BRK.HHZ.sac").write_bytes(b"not a seismogram")
    for station, value in (("NAN", np.nan), ("FLT", 7.0)):
        trace = make_trace(station)
        trace.data[:] = value
        trace.write(str(waveforms / f"{station}.sac"), format="SAC")
    make_trace("LATE", start=P - 0.1).write(str(waveforms / "LATE.sac"), format="SAC")
    make_trace("HOR", channel="HHE").write(str(waveforms / "HOR.sac"), format="SAC")
    stations = ("EMP", "BRK", "NAN", "FLT", "LATE", "HOR", "UPP")
    table = picks_csv(tmp_path / "picks.csv", *(f"e1,XX,{s},{P},U" for s in stations))
    summary = run(waveforms, table, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [r["polarity"] for r in rows] == ["N"] * 6 + ["U"]
    assert all(not r["p_u"] + r["p_d"] + r["p_n"] + r["confidence"] for r in rows[:6])
    assert all(r["reason"] for r in rows[:6]) and not rows[6]["reason"]
    assert "EMP.sac: empty file (0 bytes)" in rows[0]["reason"] and "XX.BRK.HHZ.sac" in rows[1]["reason"]
    assert rows[5]["reason"] == "no vertical trace of this station holds the pick"
    assert "2 files could not be read" in str(summary) and sum(summary.reasons.values()) == 6


def test_reversed_station_turns_round(waveforms, tmp_path):
    table = picks_csv(tmp_path / "picks.csv", f"e1,XX,UPP,{P},", f"e1,XX,DWN,{P},")
    reversed_csv = tmp_path / "reversals.csv"
    reversed_csv.write_text(",".join(reversals.COLUMNS) + "\nXX,UPP,,HH,2019-01-01,\nXX,DWN,,,2021-01-01,\n")
    run(waveforms, table, tmp_path / "out.csv", reversals=reversed_csv)
    assert [r["polarity"] for r in rows_of(tmp_path / "out.csv")] == ["D", "D"], "DWN is reversed a year later"


def test_threshold_and_n(waveforms, tmp_path):
    table = picks_csv(tmp_path / "picks.csv", f"e1,XX,UPP,{P},U", f"e1,XX,DWN,{P},D")
    run(waveforms, table, tmp_path / "out", threshold=0.95)
    rows = rows_of(tmp_path / "out" / "polarities.csv")
    assert [(r["polarity"], r["reason"]) for r in rows] == [("N", "confidence below 0.95")] * 2
    assert [r["p_u"] for r in rows] == ["0.9", "0.05"], "the probabilities stay"
    assert rows_of(tmp_path / "out" / "polarities.skhash.csv") == []
    summary = run(waveforms, table, tmp_path / "n.csv", lambda x: np.tile([0.3, 0.2, 0.5], (len(x), 1)), 0.0)
    assert {(r["polarity"], r["reason"]) for r in rows_of(tmp_path / "n.csv")} == {("N", "")}
    assert (summary.score["ud_hits"], summary.score["d_hits"], summary.score["ud_answered_n"]) == (1, 0, 2)
    run(waveforms, table, tmp_path / "nan.csv", lambda x: np.full((len(x), 3), np.nan))
    assert [r["reason"] for r in rows_of(tmp_path / "nan.csv")] == ["the model gave no number"] * 2


def test_choice_among_several_traces(tmp_path):
    traces = [("HHZ", "10", -1), ("BHZ", "10", -1), ("BHZ", "00", 1), ("EHZ", "00", 0)]
    for i, (channel, location, sign) in enumerate(traces):
        trace = make_trace(channel=channel, location=location, sign=sign)
        trace.data[:] = trace.data if sign else 0
        trace.write(str(tmp_path / f"{9 - i}.mseed"), format="MSEED")
    header = "event,station,location,channel,time"
    rows = [f"e,ABC,,,{P}", f"e,ABC,,hhz,{P}", f"e,ABC,10,BHZ,{P}", f"e,ABC,,EHZ,{P}"]
    table = picks_csv(tmp_path / "picks.csv", *rows, header=header)
    summary = run(tmp_path, table, tmp_path / "out.csv")
    answers = [(r["location"], r["channel"], r["polarity"]) for r in rows_of(tmp_path / "out.csv")]
    assert answers[:3] == [("00", "BHZ", "U"), ("10", "hhz", "D"), ("10", "BHZ", "D")]
    assert answers[3][2] == "U", "a dead trace is not preferred to a live one"
    assert "4 picks had several vertical traces" in str(summary)


def test_file_column_decides(tmp_path):
    for name, sign in (("a", 1), ("b", -1)):
        (tmp_path / name).mkdir()
        make_trace(sign=sign).write(str(tmp_path / name / "ABC.sac"), format="SAC")
    files = ["b/ABC.sac", f"{tmp_path}/a/ABC.sac", "../b/ABC.sac", "c/ABC.sac"]
    table = picks_csv(tmp_path / "picks.csv", *(f"e,ABC,{P},{f}" for f in files), header="event,station,time,file")
    run(tmp_path, table, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [r["polarity"] for r in rows] == ["D", "U", "D", "N"]
    assert rows[3]["reason"] == "no trace in the file or folder of the pick"


def test_hinet_table_takes_the_folder_of_the_pick(tmp_path):
    for name, sign in (("D1", 1), ("D2", -1), ("D11", 1)):
        (tmp_path / name).mkdir()
        make_trace("N.ABCH", sign, "U", network="").write(str(tmp_path / name / "N.ABCH.U.SAC"), format="SAC")
    (tmp_path / "D3").mkdir()
    (tmp_path / "D3" / "N.ABCH.U.SAC").write_bytes(b"")
    rows = [f"e{i},D{i},N.ABCH,{P},,{label}" for i, label in ((2, "D"), (1, "K"), (3, ""))]
    table = picks_csv(tmp_path / "phase.csv", *rows, f"e1,D1,N.ABCH,,{P + 5},", header=HINET)
    summary = run(tmp_path, table, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [(r["event"], r["polarity"], r["label"]) for r in rows] == [
        ("e2", "D", "D"),
        ("e1", "U", "N"),
        ("e3", "N", ""),
    ]
    assert "N.ABCH.U.SAC: empty file" in rows[2]["reason"] and not rows[0]["reason"] + rows[1]["reason"]
    assert "1 rows without a P time were left out" in str(summary) and "several" not in str(summary)


def test_picks_of_sac_headers(tmp_path):
    traces = (("UPP", 1, "Z", 20), ("DWN", -1, "Z", 20), ("DWN", 1, "E", 20), ("NOP", 1, "Z", 0))
    for station, sign, channel, pick in traces:
        trace = make_trace(station, sign, channel)
        trace.stats.sac = {"kevnm": "quake"} | ({"a": pick} if pick else {})
        trace.write(str(tmp_path / f"{station}.{channel}.sac"), format="SAC")
    summary = run(tmp_path, None, tmp_path / "out" / "o.csv")
    rows = rows_of(tmp_path / "out" / "o.csv")
    assert [(r["event"], r["station"], r["polarity"]) for r in rows] == [("quake", "DWN", "D"), ("quake", "UPP", "U")]
    assert {r["pick_time"] for r in rows} == {"2020-01-02T03:04:20Z"}
    assert "field a of the SAC header" in str(summary)
    with pytest.raises(InputError, match=r"SAC header field a.*--picks"):
        run(tmp_path / "NOP.Z.sac", None, tmp_path / "p.csv")


def test_csv_picks(tmp_path):
    header = "Event, network,station,location,channel,time,polarity,note"
    rows = ["e1,N,ABC,--,HHZ,2020-01-02 03:04:05.5,up,x", "", "e2,,DEF,00,,2020-01-02T12:04:05.123456+09:00,,"]
    table = picks.read(picks_csv(tmp_path / "p.csv", *rows, header=header, encoding="utf-8-sig"))
    assert len(table) == 2 and table.station.tolist() == ["ABC", "DEF"] and table.event.tolist() == ["e1", "e2"]
    assert table.location.tolist() == ["", "00"] and table.label.tolist() == [0, -1] and table.label.dtype == np.int8
    assert table.time[0] == UTCDateTime("2020-01-02T03:04:05.5").timestamp
    assert [picks.isoformat(t) for t in table.time] == ["2020-01-02T03:04:05.500000Z", "2020-01-02T03:04:05.123456Z"]


@pytest.mark.parametrize(
    "lines, message",
    [
        (["event;station;time", "e;A;2020-01-01T00:00:00"], "header: expected columns separated by commas, got semic"),
        (["event,station", "e,A"], "expected columns event, station, time .* got event, station"),
        ([], "got an empty file"),
        (["event,station,time"], "at least one P pick"),
        (["event,station,time", "e,A,yesterday"], r"column time, line 2: .* got 'yesterday'"),
        (["event,station,time", "e,A,2020-01-01T00:00:00", "e,A,2020-01-01"], "column time, line 3: .*'2020-01-01'"),
        (["event,station,time", "e,A"], "column time, line 2: .* got ''"),
        (["event,station,time", "e,,2020-01-01T00:00:00"], "column station, line 2: .*an empty cell"),
        (["event,station,time,polarity", "e,A,2020-01-01T00:00:00,1"], "column polarity, line 2: .*U, D, N.* got '1'"),
        ([HINET, "e,D1,A,2020-01-01T00:00:00,,Q"], "column pol, line 2: .* got 'Q'"),
        ([HINET, "e,D1,A,later,,U"], "column ptime, line 2: .* got 'later'"),
        ([HINET, "e,,A,2020-01-01T00:00:00,,U"], "column data_id, line 2"),
    ],
)
def test_bad_csv_picks(tmp_path, lines, message):
    path = tmp_path / "p.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=message) as error:
        picks.read(path)
    assert str(path) in str(error.value)


def test_other_bad_input(waveforms, tmp_path):
    table = picks_csv(tmp_path / "picks.csv", f"e1,XX,UPP,{P},")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.csv").write_bytes("event,station,time\né".encode("latin-1"))
    (tmp_path / "broken.xml").write_text("<quakeml>")
    Catalog([Event()]).write(str(tmp_path / "nopick.xml"), format="QUAKEML")
    for inputs, picks_path, out, message in (
        (tmp_path / "gone", table, "o", "no such file or folder"),
        (tmp_path / "empty", table, "o", "at least one waveform file"),
        (waveforms, tmp_path / "gone.csv", "o", "no such file"),
        (waveforms, tmp_path / "latin.csv", "o", "UTF-8"),
        (waveforms, tmp_path / "broken.xml", "o", "QuakeML"),
        (waveforms, tmp_path / "nopick.xml", "o", "P picks with a station"),
        (waveforms, table, "folder.csv", "a file name"),
        (waveforms, table, "broken.xml", "a folder or a name ending in .csv"),
    ):
        with pytest.raises(InputError, match=message):
            run(inputs, picks_path, tmp_path / out)
    assert not (tmp_path / "o").exists()


def quakeml_pick(station, phase, **more):
    return Pick(time=P, waveform_id=WaveformStreamID("XX", station), phase_hint=phase, **more)


def test_quakeml_polarities_go_back_on_the_same_picks(waveforms, tmp_path):
    given = [quakeml_pick("UPP", "Pg", polarity="negative"), quakeml_pick("UPP", "S"), quakeml_pick("DWN", None)]
    given += [quakeml_pick("GONE", "P", polarity="positive")]
    event = Event(resource_id="smi:local/event/2020abc", picks=given)
    event.origins.append(Origin(time=START, latitude=1, longitude=2))
    event.origins[0].arrivals.append(Arrival(pick_id=given[2].resource_id, phase="P"))
    Catalog([event]).write(str(tmp_path / "in.xml"), format="QUAKEML")

    table = picks.read(tmp_path / "in.xml")
    assert table.station.tolist() == ["UPP", "DWN", "GONE"] and table.label.tolist() == [1, -1, 0]
    assert set(table.event) == {"2020abc"} and np.allclose(table.time, P.timestamp, rtol=0, atol=1e-6)
    assert "1 picks that are not P" in table.notes[0]

    summary = run(waveforms, tmp_path / "in.xml", tmp_path / "out")
    assert summary.score["ud"] == 1 and summary.score["ud_hits"] == 0 and summary.score["not_judged"] == 1
    back = read_events(str(tmp_path / "out" / "polarities.quakeml.xml"))
    assert [p.resource_id.id for p in back[0].picks] == [p.resource_id.id for p in given]
    assert [p.polarity for p in back[0].picks] == ["positive", None, "negative", "positive"]
    assert len(back[0].origins) == 1
    comment = back[0].picks[0].comments[0].text
    assert comment.endswith("model toy: p_u 0.9, p_d 0.05, p_n 0.05; before: negative")
    assert not back[0].picks[3].comments, "a pick that was not judged keeps what it had"
    run(waveforms, tmp_path / "in.xml", tmp_path / "again")
    one, two = (tmp_path / name / "polarities.quakeml.xml" for name in ("out", "again"))
    assert one.read_bytes() == two.read_bytes()


def test_new_quakeml_and_skhash(waveforms, tmp_path):
    header = "event,network,station,channel,time"
    stations = (("a b/1", "UPP"), ("2", "DWN"), ("2", "GONE"))
    table = picks_csv(tmp_path / "p.csv", *(f"{e},XX,{s},,{P + 0.01}" for e, s in stations), header=header)
    run(waveforms, table, tmp_path / "out", lambda x: first_swing(np.roll(x, 1, axis=1)))
    catalog = read_events(str(tmp_path / "out" / "polarities.quakeml.xml"))
    assert [[p.polarity for p in event.picks] for event in catalog] == [["positive"], ["negative", None]]
    assert catalog[0].picks[0].time == P + 0.01 and catalog[0].picks[0].waveform_id.channel_code == "HHZ"
    again = picks.read(tmp_path / "out" / "polarities.quakeml.xml")
    assert again.event.tolist() == ["a_b_1", "2", "2"] and again.label.tolist() == [0, 1, -1]
    assert rows_of(tmp_path / "out" / "polarities.skhash.csv") == [
        {"event_id": e, "network": "XX", "station": s, "location": "--", "channel": "HHZ", "p_polarity": p}
        for e, s, p in (("a b/1", "UPP", "0.9"), ("2", "DWN", "-0.9"))
    ]


def test_score_counts():
    def row(label, polarity, p_u="", p_d=""):
        return {"label": label, "polarity": polarity, "p_u": p_u, "p_d": p_d}

    rows = [
        row("U", "U", ".9", ".1"), row("U", "N", ".2", ".1"), row("D", "U", ".6", ".1"), row("D", "D", "0", "1"),
        row("D", "N", "1e-06", "1e-06"), row("N", "N", ".1", ".1"), row("N", "U", ".9", "0"), row("U", "N"),
        row("", "U", "1", "0"),
    ]  # fmt: skip
    assert outputs.score(rows) == {
        "ud": 5, "ud_hits": 3, "d": 3, "d_hits": 1, "ud_answered_n": 2, "n": 2, "n_answered_n": 1, "not_judged": 1,
    }  # fmt: skip
    assert outputs.score([row("", "U", "1", "0")]) == {}


def first_break(inputs):
    """Stand-in model: the card's first-break rule (section 9) on prepared samples."""
    noise = inputs[:, 100:280].std(axis=1, keepdims=True)
    part = inputs[:, 294:362]
    middle, size = part[:, 1:-1], np.abs(part)
    extremum = (size[:, 1:-1] >= size[:, :-2]) & (size[:, 1:-1] > size[:, 2:]) & (size[:, 1:-1] > 4 * noise)
    sign = np.take_along_axis(middle, extremum.argmax(axis=1)[:, None], axis=1)[:, 0]
    code = np.where(extremum.any(axis=1), np.where(sign > 0, 0, 1), 2)
    return np.where(np.arange(3) == code[:, None], 0.9, 0.05)


@pytest.mark.skipif(not KUMAMOTO.is_dir(), reason=f"no Kumamoto example at {KUMAMOTO}")
def test_kumamoto(tmp_path):
    """121 phase rows, 100 waveforms, 60 U/D labels of which 15 are D; the rule agrees with 58 (card, section 9)."""
    summary = run(KUMAMOTO, KUMAMOTO / "Kumamoto_phase.csv", tmp_path / "out", first_break)
    rows = rows_of(tmp_path / "out" / "polarities.csv")
    with open(KUMAMOTO / "Kumamoto_phase.csv", newline="") as file:
        phases = list(csv.DictReader(file))
    assert [(r["event"], r["station"]) for r in rows] == [(p["event_id"], p["sta"]) for p in phases]
    assert [r["label"] for r in rows] == [p["pol"].replace("K", "N") for p in phases]
    judged = [r for r in rows if r["p_u"]]
    assert (len(rows), len(judged)) == (121, 100)
    assert all(r["reason"].startswith("no ") and r["polarity"] == "N" for r in rows if not r["p_u"])
    score = summary.score
    assert (score["ud"], score["d"], score["n"], score["not_judged"]) == (60, 15, 40, 21)
    assert score["ud_hits"] >= 58


def test_a_file_that_obspy_would_unpickle_is_not_opened(waveforms, tmp_path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harm",)

    content = pickle.dumps(("obspy.core.stream", Harm()), protocol=0)
    pickle.loads(content)
    (tmp_path / "harm").unlink()  # so it does harm
    (waveforms / "XX.PKL.HHZ.sac").write_bytes(content)
    table = picks_csv(tmp_path / "picks.csv", f"e1,XX,PKL,{P},U", f"e1,XX,UPP,{P},U")
    run(waveforms, table, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [row["polarity"] for row in rows] == ["N", "U"] and "not safe to open" in rows[0]["reason"]
    assert not (tmp_path / "harm").exists()
