"""Synthetic tremor: the physics of the card, who has which label, and files that say so."""

import csv
from collections import Counter
from functools import cache
from itertools import islice

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from geoml.errors import InputError
from geoml.tasks.tremor import synthetic
from geoml.tasks.tremor import synthetic_traces as draw
from geoml.tasks.tremor.datasets import tree

LOVE, RAYLEIGH = (draw.Wave(slowest, 1.0, 1.0, 0.04, 0.0) for slowest in (3.5, 3.0))
SNR = (1.2, 8.0)
WIDE = 2.0, 2.0  # one ratio for all


@cache
def pair(number, positive, snr=SNR, station=0):
    """An event at a station, with both of them."""
    event, place = draw.draw_event(7, number), draw.draw_station(7, station)
    return draw.draw_pair(7, (number, station), event, place, positive, snr), event, place


def negatives(kind, count=3):
    """The first pairs of a kind."""
    return list(islice((found for k in range(400) if (found := pair(k, False)[0]).kind == kind), count))


def in_window(p):
    return (p.t >= 0) & (p.t < 1000)


def test_surface_waves_arrive_when_the_card_says():
    for wave, first, last in ((LOVE, -68, 107), (RAYLEIGH, 19, 250)):
        arrivals = draw.arrival(3000, np.array([50.0, 15.0]), wave)
        assert np.rint(arrivals).tolist() == [first, last]


def test_long_periods_come_first():
    t = np.arange(-300, 1000, 0.5)
    s = draw.train(t, 3000, RAYLEIGH)
    assert np.abs(s[(t < -150) | (t > 450)]).max() < 0.02 * np.abs(s).max()
    low, high = (
        np.abs(sosfiltfilt(butter(2, f, "bandpass", fs=2, output="sos"), s)) for f in ((0.02, 0.03), (0.05, 0.066))
    )
    assert (t * low**2).sum() / (low**2).sum() + 20 < (t * high**2).sum() / (high**2).sum()


def test_ground_motion_is_1_at_most_and_has_its_components():
    p, event, _ = pair(1, True)
    s, (vertical, radial, transverse) = draw.surface_waves(p.t, p.distance_km, event)
    assert np.abs(s[in_window(p)]).max() == pytest.approx(1)
    assert s == pytest.approx(vertical + transverse, abs=1e-9)
    assert vertical.std() == pytest.approx(radial.std(), rel=0.02)
    assert abs(np.corrcoef(vertical, radial)[0, 1]) < 0.05


def test_stress_turns_from_ground_motion_to_its_hilbert_transform():
    t = np.arange(4000) / 20
    s = np.cos(2 * np.pi * 0.05 * t)
    assert draw.stress(s, 0) == pytest.approx(s)
    assert draw.stress(s, np.pi / 2) == pytest.approx(np.sin(2 * np.pi * 0.05 * t), abs=1e-9)


def test_tremor_is_loud_only_when_the_stress_is_over_its_threshold():
    for number in range(4):
        p, event, _ = pair(number, True)
        s, _ = draw.surface_waves(p.t, p.distance_km, event)
        z = draw.stress(s, p.lag)
        envelope, inside = p.loud[0][1] / p.snr, in_window(p)
        assert envelope[inside].max() == pytest.approx(1)
        near = np.convolve(z > p.threshold, np.ones(2 * round(event.smooth_s * 20) + 3), "same") > 0
        assert (envelope[~near] < 1e-12).all() and (envelope >= 0).all()
        assert (z[np.searchsorted(p.t, p.burst_s)] > p.threshold).all()
        assert len(p.burst_s) > 0 and (envelope[np.searchsorted(p.t, p.burst_s)] > 0).all()


def test_noise_has_its_spectrum_and_deviation():
    t = np.arange(400_000) / 20
    x = draw.noise(t, 1.0, np.random.default_rng(0)).astype(float)
    assert x.std() == pytest.approx(1, abs=1e-3)
    power = (np.abs(np.fft.rfft(x)) ** 2)[:200_000]
    f = np.fft.rfftfreq(len(x), 1 / 20)[:200_000]
    level = {hz: power[np.abs(f - hz) < 0.2].mean() for hz in (0.5, 3, 4, 6, 9.7)}
    assert level[3] / level[6] == pytest.approx(2, rel=0.2)
    assert max(level[0.5], level[9.7]) < 0.02 * level[4]
    steady = draw.carrier(len(t), 2, 8, np.random.default_rng(0)).reshape(-1, 4000).std(1)
    assert x.reshape(-1, 4000).std(1).std() > 4 * steady.std()  # the gain wanders


def test_the_band_is_that_of_the_filter_that_real_data_go_through():
    x = np.random.default_rng(0).normal(size=40_000)
    found = np.fft.irfft(np.fft.rfft(x) * draw.band_gain(len(x), 2, 5), len(x))
    expected = sosfiltfilt(butter(2, [2, 5], "bandpass", fs=20, output="sos"), x)
    assert np.abs(found - expected)[500:-500].max() < 1e-4


def test_a_higher_rate_passes_through_the_same_samples():
    x = draw.carrier(2000, 2, 8, np.random.default_rng(0))
    for rate, step in ((100, 5), (40, 2)):
        assert np.abs(draw.raised(x, rate, None)[::step] - x).max() < 1e-5
    assert len(draw.raised(x, 50, None)) == 5000


def test_kinds_have_their_shares():
    kinds = Counter(pair(k, False)[0].kind for k in range(200))
    for kind, share in draw.NEGATIVES.items():
        assert kinds[kind] / 200 == pytest.approx(share, abs=0.08), kind
    assert sum(draw.NEGATIVES.values()) == pytest.approx(1)
    assert pair(0, True)[0].kind == "tremor"


def test_negatives_are_what_their_kind_says():
    for p in negatives("noise") + negatives("surface"):
        assert not p.loud and not len(p.burst_s) and np.isnan(p.snr)
    assert all(np.abs(p.waves).max() > 3 for p in negatives("surface"))
    assert not any(p.waves.any() for p in negatives("noise"))
    for p in negatives("regular"):
        steps = np.diff(p.burst_s)
        assert np.ptp(steps) < 1e-9 and (4 <= steps[0] <= 9 or 65 <= steps[0] <= 140)
    for p in negatives("bursts", 6):
        assert 3 <= len(p.burst_s) <= 15 and p.loud[0][1].max() == pytest.approx(p.snr)
    early = [p.burst_s.max() < 500 for p in negatives("bursts", 30)]
    assert 0.4 < np.mean(early) < 0.8
    for p in negatives("coda"):
        envelope = p.loud[0][1]
        assert envelope[np.searchsorted(p.t, 0)] == pytest.approx(1.5 * p.snr, rel=2e-3)
        assert np.diff(envelope[p.t > 0]).max() < 0 and envelope[0] == 0
    for p in negatives("local"):
        envelope, at = p.loud[0][1], np.searchsorted(p.t, p.burst_s)
        assert 1 <= len(at) <= 3 and envelope[at[0] - 1] == 0 and envelope[at[0] + 40] > 0


def test_ratios_of_signal_to_noise_are_those_asked_for():
    ratios = np.array([pair(k, True)[0].snr for k in range(30)])
    assert 1.2 <= ratios.min() < 1.8 and 5 < ratios.max() <= 8
    assert pair(0, True, WIDE)[0].snr == pytest.approx(2)


def test_a_local_earthquake_is_added_to_some_tremor():
    assert 0.1 < np.mean([len(pair(k, True)[0].loud) == 2 for k in range(30)]) < 0.5


def test_half_of_the_stations_have_tremor_in_every_event():
    drawn = np.array([draw.draw_positives(3, event, 6) for event in range(40)])
    assert (drawn.sum(1) == 3).all()
    assert (np.abs(drawn.mean(0) - 0.5) < 0.3).all() and len(np.unique(drawn, axis=0)) > 10
    assert [draw.draw_positives(3, event, 5).sum() for event in (0, 1)] == [2, 3]


def test_stations_take_turns_in_rate_and_differ_in_noise_and_gain():
    stations = [draw.draw_station(0, k) for k in range(6)]
    assert [station.rate_hz for station in stations] == [20, 50, 100] * 2
    assert len({station.gain for station in stations}) == len({station.beta for station in stations}) == 6


def test_any_trace_can_be_made_alone_and_another_seed_gives_another():
    made = list(islice(synthetic.drawn(180, 3, "tremor", 0.02, SNR), 26))
    trace, data, _ = made[25]
    event, station, component = trace.numbers
    place = draw.draw_station(3, station)
    positive = bool(draw.draw_positives(3, event, 6)[station])
    alone = draw.draw_pair(3, (event, station), draw.draw_event(3, event), place, positive, SNR)
    assert np.array_equal(draw.make_trace(3, trace.numbers, place, alone, "tremor")[0], data)
    assert component == 1 and len({x.tobytes() for _, x, _ in made}) == 26
    other = next(synthetic.drawn(180, 4, "tremor", 0.02, SNR))[1]
    assert len(other) != len(made[0][1]) or not np.array_equal(other, made[0][1])


def test_a_set_of_720_has_40_events_6_stations_and_3_components(monkeypatch):
    monkeypatch.setattr(draw, "make_trace", lambda *_: (np.zeros(1, np.float32), 0.0))
    monkeypatch.setattr(draw, "draw_pair", lambda seed, numbers, event, station, positive, snr: positive)
    traces = [trace for trace, _, _ in synthetic.drawn(720, 0, "tremor", 0.1, SNR)]
    assert len(traces) == 720
    numbers = np.array([trace.numbers for trace in traces])
    assert (numbers.max(0) + 1).tolist() == [40, 6, 3]
    wrong = np.array([trace.label != trace.pair for trace in traces]).reshape(240, 3)
    assert (wrong.all(1) == wrong.any(1)).all()  # the components of a pair share its label
    assert 0.03 < wrong.mean() < 0.2
    assert len({trace.event for trace in traces}) == 40
    for rows, made in ((24, 24), (100, 102), (179, 180), (180, 180), (4000, 95 * 14 * 3)):
        assert sum(1 for _ in synthetic.drawn(rows, 0, "tremor", 0, SNR)) == made


def test_traces_reach_from_before_the_origin_to_after_the_window():
    for trace, data, _ in islice(synthetic.drawn(24, 0, "tremor", 0, SNR), 6):
        seconds = len(data) / trace.rate_hz
        assert 20 + trace.pair.distance_km / 4 + 1060 <= seconds < 20 + trace.pair.distance_km / 4 + 1120
        assert data.dtype == np.float32


def test_surface_waves_are_in_broadband_traces_only():
    p, _, place = next(found for k in range(400) if (found := pair(k, False))[0].kind == "surface")
    tremor, _ = draw.make_trace(7, (0, 0, 0), place, p, "tremor")
    wide, _ = draw.make_trace(7, (0, 0, 0), place, p, "broadband")
    slow = butter(2, 0.5, "lowpass", fs=20, output="sos")
    assert sosfiltfilt(slow, tremor)[100:-100].std() < 0.02 * tremor.std()
    assert np.corrcoef(sosfiltfilt(slow, wide), p.waves[0])[0, 1] > 0.99


def test_some_traces_are_dead_or_clipped_for_5_to_60_seconds():
    p, _, place = pair(1, False)
    made = [draw.make_trace(7, (0, 0, k), place, p, "tremor") for k in range(200)]
    damaged = np.array([seconds for _, seconds in made])
    assert 1 <= (damaged > 0).sum() <= 16
    assert damaged[damaged > 0].min() >= 5 and damaged.max() <= 60


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tremor") / "tree"
    synthetic.generate(folder, 24, 0, "tree", label_noise=0.2)
    return folder


def test_files_and_truth_agree(written):
    truth = dict(np.load(written / ".truth.npz"))
    files = sorted(path.relative_to(written).as_posix() for path in written.rglob("*.sac"))
    assert files == sorted(truth["id"].tolist()) and len(files) == 24
    assert [name.startswith("positive/") for name in truth["id"]] == (truth["label"] == 1).tolist()
    assert np.array_equal(truth["true_label"], truth["kind"] == "tremor")
    assert truth["true_label"].sum() == 12 and (truth["label"] != truth["true_label"]).any()
    assert np.isfinite(truth["lag"]).tolist() == (truth["kind"] == "tremor").tolist()
    assert truth["burst_s"].shape[0] == 24


def test_headers_say_what_the_reader_needs(written):
    from obspy import read

    truth = dict(np.load(written / ".truth.npz"))
    for i in range(0, 24, 5):
        trace = read(written / truth["id"][i])[0]
        header = trace.stats.sac
        names = header.kevnm, header.kuser0, trace.stats.station
        assert names == tuple(truth[name][i] for name in ("event", "kind", "station"))
        assert header.dist == pytest.approx(truth["distance_km"][i], rel=1e-6)
        assert (float(header.o), float(header.b), trace.stats.network) == (20, 0, "YY")
        origin = (trace.stats.starttime + 20).strftime("%Y%m%d_%H%M%S")
        assert origin == header.kevnm
        assert trace.stats.sampling_rate in (20, 50, 100)
        assert header.e == pytest.approx((len(trace) - 1) / trace.stats.sampling_rate, rel=1e-6)


def test_every_format_reads_as_the_same_windows(written, tmp_path):
    from geoml.tasks.tremor.datasets import containers, manifest

    settings = {"window_from": "origin", "band_hz": [2, 5], "norm": "per_trace"}
    found = {}
    for name, reader in (("tree", tree), ("manifest", manifest), ("containers", containers)):
        folder = written if name == "tree" else tmp_path / name
        if name != "tree":
            synthetic.generate(folder, 24, 0, name, label_noise=0.2)
        (block,) = reader.read(folder, settings)
        order = np.lexsort((block.columns["station"], block.columns["group"]))
        found[name] = block.inputs[order], {key: values[order] for key, values in block.columns.items()}
        truth = dict(np.load(folder / ".truth.npz"))
        assert set(block.columns["id"]) == set(truth["id"]) and not block.rejected
    one = found["tree"]
    for inputs, columns in (found["manifest"], found["containers"]):
        assert [*columns] == [*one[1]]
        for key in ("group", "station", "component", "label"):
            assert np.array_equal(columns[key], one[1][key])
        assert (np.abs(inputs - one[0]).max(1) < 1e-4).mean() > 0.9  # some start a sample earlier: headers are float32
    assert found["manifest"][1]["start"].tolist() == one[1]["start"].tolist()


def test_equal_seeds_give_equal_files(written, tmp_path):
    synthetic.generate(tmp_path, 24, 0, "tree", label_noise=0.2)
    for path in islice(sorted(written.rglob("*.sac")), 8):
        assert (tmp_path / path.relative_to(written)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reader": "trees"}, "reader: expected a reader of tremor, got 'trees'. Did you mean 'tree'"),
        ({"band": "wide"}, "band: expected a band, got 'wide'"),
        ({"rows": 23}, "rows: expected 24 or more, got 23"),
        ({"snr": (8, 1)}, r"snr: expected two ratios above 0, the smaller first, got \[8, 1\]"),
    ],
)
def test_wrong_settings_are_errors(tmp_path, change, message):
    settings = {"rows": 24, "reader": "tree"} | change
    with pytest.raises(InputError, match=message):
        synthetic.generate(tmp_path / "new", seed=0, **settings)
    assert not (tmp_path / "new").exists()


def test_a_continuous_recording_has_its_events_and_a_table_of_them(tmp_path):
    from obspy import UTCDateTime, read

    synthetic.continuous(tmp_path, 4, 20, 1, snr=(8, 8))
    files = sorted(tmp_path.glob("*.mseed"))
    assert [path.name.split(".")[2] for path in files] == ["HHR", "HHT", "HHZ"]
    (trace,) = read(files[0])
    assert (len(trace), trace.stats.sampling_rate, trace.data.dtype) == (4 * 72_000, 20, np.int32)
    with open(tmp_path / ".truth.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["1", "0"]
    begin, end = (UTCDateTime(rows[0][name]) for name in ("start_utc", "end_utc"))
    assert end - begin == 1000
    level = trace.data.reshape(-1, 100).astype(float).std(1)
    first = int(begin - trace.stats.starttime) // 5
    assert level[first : first + 200].max() > 3 * np.median(level)
