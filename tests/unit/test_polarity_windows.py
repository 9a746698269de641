"""Cutting and conditioning of first-motion windows, their SNR and first break, the label audit and the reversals."""

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.polarity import audit, reversals, windows

SETTINGS = {
    "rate_hz": 100.0,
    "highpass_hz": None,
    "highpass_order": 2,
    "wrong_rate": "resample",
    "labels": None,
    "reversals": None,
}
FILTERED = SETTINGS | {"highpass_hz": 1.0}


def waves(n: int, sign: np.ndarray | float = 1.0, length: int = 2000, p: int = 1000, seed: int = 0) -> np.ndarray:
    """(n, length) float32: noise of standard deviation 1 and from P on a 5 Hz train of amplitude 100."""
    rng = np.random.default_rng(seed)
    t = np.arange(length - p) / 100
    train = 100 * np.sin(2 * np.pi * 5 * t) * np.exp(-t)
    out = rng.normal(size=(n, length))
    out[:, p:] += np.multiply.outer(np.broadcast_to(sign, n), train)
    return out.astype(np.float32)


def prepare(waveforms, settings=SETTINGS, p=1000, **ends):
    return windows.prepare(waveforms, p, settings, **ends)


def test_segments_put_p_at_the_same_index_and_pad_with_the_edge_value():
    traces = np.tile(np.arange(3000, dtype=np.float32), (3, 1))
    cut, first, last, reasons = windows.segments(traces, np.array([1500, 60, 2900]))
    assert cut.shape == (3, 2000) and cut.dtype == np.float32
    assert cut[:, windows.LEAD].tolist() == [1500, 60, 2900]
    assert (first.tolist(), last.tolist()) == ([0, 940, 0], [2000, 2000, 1100])
    assert (cut[1, :940] == 0).all() and (cut[2, 1100:] == 2999).all()
    assert (reasons == "").all()


@pytest.mark.parametrize(
    ("p", "reason"), [(-5, "P outside"), (0, "too near"), (49, "too near"), (2960, "too near"), (3000, "P outside")]
)
def test_a_p_outside_or_at_the_edge_is_a_reason_and_never_wraps(p, reason):
    traces = np.tile(np.arange(3000, dtype=np.float32), (2, 1))
    cut, _, _, reasons = windows.segments(traces, np.array([p, 1500]))
    assert reason in reasons[0] and reasons[1] == ""
    assert (np.diff(cut[0]) >= 0).all()
    assert reason in windows.segment(traces[0], 100, p, SETTINGS)


def test_filling_after_the_real_samples_is_not_read():
    traces = np.zeros((1, 3000), np.float32)
    traces[0, :1500] = np.arange(1500)
    cut, _, last, _ = windows.segments(traces, np.array([1400]), np.array([1500]))
    assert last[0] == 1100 and (cut[0, 1100:] == 1499).all()


@pytest.mark.parametrize("rate", [40.0, 50.0, 100.0, 125.0, 200.0, 250.0])
def test_resampling_keeps_the_pulse_at_p(rate):
    t = (np.arange(int(60 * rate)) - round(30.2 * rate)) / rate
    trace = 7 * np.exp(-((t / 0.1) ** 2)) + 3
    cut, first, last = windows.segment(trace, rate, round(30.2 * rate), SETTINGS)
    assert (first, last) == (0, 2000)
    assert np.argmax(cut) == windows.LEAD
    assert cut.max() == pytest.approx(10, abs=0.05)
    seconds = (np.arange(2000) - windows.LEAD) / 100
    np.testing.assert_allclose(cut, 7 * np.exp(-((seconds / 0.1) ** 2)) + 3, atol=0.05)


def test_resampling_removes_what_the_common_rate_cannot_hold():
    t = np.arange(0, 60, 1 / 250)
    cut, _, _ = windows.segment(np.sin(2 * np.pi * 90 * t), 250, 7500, SETTINGS)
    assert np.abs(cut).max() < 0.02


def test_another_rate_is_refused_on_request():
    assert "50 Hz" in windows.segment(np.zeros(5000), 50, 2500, SETTINGS | {"wrong_rate": "refuse"})
    assert windows.segment(np.zeros(5000), 100.00001, float("nan"), SETTINGS) == "no P pick"


@pytest.mark.parametrize("highpass", [{"highpass_hz": hz} for hz in (None, 0.5, 1.0)])
@pytest.mark.parametrize("padded", [False, True])
def test_negating_the_trace_negates_the_sample_exactly(highpass, padded):
    x = waves(20, seed=3) + np.linspace(0, 50, 20, dtype=np.float32)[:, None]
    ends = {"first": np.full(20, 850), "last": np.full(20, 1180)} if padded else {}
    plus, minus = (prepare(sign * x, SETTINGS | highpass, **ends) for sign in (1, -1))
    assert np.array_equal(plus[0], -minus[0])
    assert np.array_equal(plus[1]["first_break"], -minus[1]["first_break"])
    assert np.array_equal(plus[1]["snr_db"], minus[1]["snr_db"])
    assert (plus[1]["first_break"] == 1).all()


@pytest.mark.parametrize("settings", [SETTINGS, FILTERED])
def test_samples_are_float32_of_largest_magnitude_one_whatever_the_scale(settings):
    x = waves(5)
    small = prepare(x * np.float32(2**-40), settings)[0]
    inputs, columns, reasons = prepare(x, settings)
    assert inputs.shape == (5, 600) and inputs.dtype == np.float32
    assert np.abs(inputs).max(axis=1) == pytest.approx(np.ones(5))
    assert np.array_equal(small, inputs)
    assert columns["snr_db"].dtype == np.float32 and columns["first_break"].dtype == np.int8
    assert (reasons == "").all()


def test_an_offset_leaves_no_trace():
    x = np.round(waves(3)) * 8
    for settings in (SETTINGS, FILTERED):
        np.testing.assert_allclose(prepare(x + 1e6, settings)[0], prepare(x, settings)[0], atol=1e-6)


def test_the_filter_is_causal_and_removes_slow_motion():
    x = np.zeros((1, 2000), np.float32)
    x[0, 1000:1010] = 1
    assert (prepare(x, FILTERED)[0][0, :300] == 0).all()
    drift = 50 * np.sin(2 * np.pi * 0.05 * np.arange(2000) / 100).astype(np.float32)
    noise = prepare(waves(1) + drift, FILTERED)[0][0, :290]
    assert np.abs(noise).max() < 0.1


def test_rows_do_not_depend_on_their_neighbours():
    x = waves(1030)
    alone = prepare(x[-3:], FILTERED)[0]
    assert np.array_equal(prepare(x, FILTERED)[0][-3:], alone)


def test_unusable_rows_have_a_reason_and_do_not_harm_the_others():
    x = waves(7)
    x[1, 1100] = np.nan
    x[2, 500] = np.inf
    x[3] = 5
    x[4] = np.clip(x[4], -60, 20)
    x[5, 1400] = np.nan  # after the sample: harmless
    inputs, columns, reasons = prepare(x, FILTERED)
    assert reasons.tolist() == ["", "not finite", "not finite", "flat", "clipped", "", ""]
    assert (inputs[1:5] == 0).all() and np.isnan(columns["snr_db"][1:5]).all()
    assert np.array_equal(inputs[[0, 5, 6]], prepare(waves(7), FILTERED)[0][[0, 5, 6]])


def test_coarse_counts_and_padding_are_not_taken_for_clipping():
    t = np.arange(2000) / 100
    coarse = np.round(40 * np.sin(2 * np.pi * 0.3 * t))[None]  # long runs of equal extremes, one count from the next
    assert prepare(coarse)[2].tolist() == [""]
    x = waves(1)
    x[:, 1150:] = x[:, :1150].max() + 5  # edge padding at the largest value
    assert prepare(x)[2].tolist() == ["clipped"]
    assert prepare(x, last=np.array([1150]))[2].tolist() == [""]


def test_snr_is_that_of_one_second_after_p():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2000))
    x[:, 1000:1100] *= 10
    x[:, 980:1000] *= 50  # the last 0.2 s before P do not count
    x[:, 1100:] *= 0
    snr = prepare(x)[1]["snr_db"]
    assert np.median(snr) == pytest.approx(20, abs=1.5)
    assert np.isnan(prepare(np.where(np.arange(2000) < 1000, 0, x))[1]["snr_db"]).all()


def test_snr_does_not_depend_on_the_filter_of_the_sample_nor_on_padding():
    x = waves(4)
    assert np.array_equal(prepare(x)[1]["snr_db"], prepare(x, FILTERED)[1]["snr_db"])
    short = x.copy()
    short[:, :850] = short[:, 850:851]
    snr = prepare(short, first=np.full(4, 850))[1]["snr_db"]
    np.testing.assert_allclose(snr, prepare(x)[1]["snr_db"], atol=2)


def test_first_break_is_the_sign_of_the_first_strong_extremum():
    sign = np.array([1, -1, 1, -1, 0.001])
    assert prepare(waves(5, sign))[1]["first_break"][:4].tolist() == [1, -1, 1, -1]
    late = waves(1, p=1065)
    assert prepare(late)[1]["first_break"][0] == 0


@pytest.mark.parametrize(("at", "expected"), [(988, 1), (997, -1), (1050, 1)])
def test_first_break_looks_from_just_before_p(at, expected):
    x = waves(1)
    x[0, at : at + 2] -= 500
    assert prepare(x)[1]["first_break"][0] == expected


def test_p_must_leave_room():
    with pytest.raises(ValueError, match="P at 200"):
        windows.prepare(np.zeros((1, 600)), 200, SETTINGS)


def test_audit_counts_agreement_and_judges():
    labels = np.repeat([0, 1, 2], 50)
    breaks = np.repeat([1, -1, 1], 50)
    breaks[:5] = 0
    breaks[5:10] = -1
    table = audit.audit(labels, breaks)
    assert table["U"] == {"count": 50, "readable": 45, "agreement": pytest.approx(40 / 45)}
    assert table["N"] == {"count": 50, "readable": 50, "agreement": None}
    assert table["verdict"] == "ok"
    audit.check(table, "scsn")


def test_inverted_labels_stop(caplog):
    labels = np.repeat([0, 1], 50)
    table = audit.audit(labels, np.repeat([-1, 1], 50))
    assert table["verdict"] == "inverted"
    with pytest.raises(InputError, match=r"scsn: labels: .*U: 0% of 50 readable.*labels:"):
        audit.check(table, "scsn")
    one = audit.audit(labels, np.full(100, 1))
    assert one["verdict"] == "warn"
    audit.check(one, "scsn")
    assert "D: 0% of 50" in caplog.text


def test_too_few_readable_traces_cannot_stop():
    assert audit.audit(np.repeat([0, 1], 5), np.repeat([-1, 1], 5))["verdict"] == "warn"
    assert audit.audit(np.array([2, 2]), np.array([0, 1]))["verdict"] == "ok"


def write_reversals(path, *rows):
    path.write_text("\n".join(["network,station,location,channel,start_date,end_date", *rows]) + "\n")
    return reversals.load(path)


def test_reversals_fit_by_name_and_date(tmp_path):
    table = write_reversals(tmp_path / "r.csv", "CI,ABC,,HH,2010-01-01,2011-01-01", ",XYZ,,,,", "IV,LOC,10,,,")
    names = np.array([("CI", "ABC", "HHZ"), ("CI", "ABC", "EHZ"), ("UW", "XYZ", "BHZ"), ("IV", "LOC", "HHZ")]).T
    inside, before, end = (np.datetime64(day).astype("datetime64[s]").astype(float) for day in
                           ("2010-06-01", "2009-12-31", "2011-01-01"))  # fmt: skip
    for time, expected in ((inside, -1), (before, 1), (end, 1), (np.nan, 1)):
        assert reversals.signs(table, *names, np.full(4, time)).tolist() == [expected, 1, -1, 1]
    located = reversals.signs(table, *names, np.full(4, np.nan), np.array(["", "", "", "10"]))
    assert located.tolist() == [1, 1, -1, -1] and located.dtype == np.float32


@pytest.mark.parametrize(
    ("date", "same"),
    [
        ("2016", "2016-01-01"),
        ("2016-04", "2016-04-01"),
        ("20160415", "2016-04-15"),
        ("2016-04-15T09:00:00+09:00", "2016-04-15"),
        ("2016-04-15 00:00:00.000Z", "2016-04-15"),
        ("3000-01-01", "3000-01-01"),
    ],
)
def test_dates_of_reversals_are_utc(tmp_path, date, same):
    table = write_reversals(tmp_path / "r.csv", f" CI , ABC,--,HH,{date},")
    assert table["start_date"].tolist() == [np.datetime64(same).astype("datetime64[s]").astype(float)]
    assert (table["network"][0], table["station"][0], table["location"][0]) == ("CI", "ABC", "")
    assert np.isnan(table["end_date"]).all()


def test_overlapping_rows_reverse_once(tmp_path):
    table = write_reversals(tmp_path / "r.csv", ",ABC,,,,", "CI,ABC,,,,")
    assert reversals.signs(table, *np.array([["CI"], ["ABC"], ["HHZ"]]), np.array([0.0])).tolist() == [-1]


def test_bad_reversal_tables(tmp_path):
    with pytest.raises(InputError, match=r"start_date: expected a date.*'soon'"):
        write_reversals(tmp_path / "r.csv", "CI,ABC,,,soon,")
    (tmp_path / "short.csv").write_text("network,station\nCI,ABC\n")
    with pytest.raises(InputError, match="columns: expected 'location', got network, station"):
        reversals.load(tmp_path / "short.csv")
    with pytest.raises(InputError, match="no such file"):
        reversals.load(tmp_path / "none.csv")
