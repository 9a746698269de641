"""Polarity and tremor with exported networks, where there is nothing but NumPy and onnxruntime."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import exported
import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime
from obspy.io.sac import SACTrace

from geoml.logs import progress
from geoml.models import Model
from geoml.tasks.polarity import predict as polarity
from geoml.tasks.tremor import clustering
from geoml.tasks.tremor import predict as tremor

ROOT = Path(__file__).parents[2]
START = UTCDateTime("2020-01-02T03:04:05.006")
PREPARE = {
    "polarity": {"highpass_hz": 1.0, "highpass_order": 2, "wrong_rate": "resample", "norm": "peak"},
    "tremor": {"window_from": "origin", "band_hz": [2, 5], "norm": "per_trace"},
}
META = {"data_source": "synthetic", "run": {"dataset": "own", "variant": "small", "seed": 0}}
CHILD = """
import json, sys
from pathlib import Path

packages, root, task, model, jobs = json.loads(sys.argv[1])
sys.path += [packages, root]
from importlib import import_module
from geoml import predict, runtimes
from geoml.errors import InputError

part = import_module(f"geoml.tasks.{task}.predict")
start, loaded, said = set(sys.modules), runtimes.load(model), []
for inputs, out, options in jobs:
    options = {name: Path(value) if isinstance(value, str) else value for name, value in options.items()}
    try:
        said.append(str(part.from_model(loaded, list(map(Path, inputs)), Path(out), **options)))
    except InputError as error:
        said.append(f"refused: {error}")
later = sorted(name for name in set(sys.modules) - start if name.startswith("geoml"))
at_start = sorted(name for name in start if name.startswith("geoml"))
print(json.dumps([said, at_start, later]))
"""
Job = tuple[list[Path], Path, dict[str, Any]]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import from with NumPy and onnxruntime."""
    return exported.lean_packages(tmp_path_factory.mktemp("packages"))


def alone(packages: Path, task: str, model: Path, *jobs: Job) -> list[str]:
    """What predictions say in a process that has nothing else to import."""
    told = [([str(path) for path in paths], str(out), more) for paths, out, more in jobs]
    given = json.dumps([str(packages), str(ROOT), task, str(model), told], default=str)
    done = subprocess.run([sys.executable, "-S", "-c", CHILD, given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, at_start, later = json.loads(done.stdout)
    assert later == [], "a bundle holds only what is imported at the top of its modules"
    training = {"augment", "clustering", "evaluation", "features", "figures", "predictions", "store", "task", "train"}
    assert not {name.rpartition(".")[2] for name in at_start} & training
    return said


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def alike(one: Path, two: Path) -> list[dict[str, str]]:
    """Rows of both tables: equal texts, numbers within 1e-4 (of their size, where that is above 1)."""
    rows, others = rows_of(one), rows_of(two)
    assert len(rows) == len(others) > 0
    for row, other in zip(rows, others, strict=True):
        for name, value in row.items():
            try:
                assert float(other[name]) == pytest.approx(float(value), rel=1e-4, abs=1.01e-4), name
            except ValueError:
                assert other[name] == value, name
    return rows


def sac(path: Path, data: np.ndarray, rate_hz: float, byteorder: str = "little", **more: Any) -> Path:
    header = {"network": "XX", "station": path.stem, "channel": "HHZ", "starttime": START, "sampling_rate": rate_hz}
    trace = SACTrace.from_obspy_trace(Trace(data.astype(np.float32), header))
    for name, value in more.items():
        setattr(trace, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    trace.write(str(path), byteorder=byteorder)
    return path


@pytest.fixture(scope="module")
def of_polarity(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    keras = keras_on_cpu
    keras.utils.set_random_seed(0)
    wave = keras.Input((400, 1))
    x = keras.layers.Conv1D(4, 21, strides=5, activation="tanh")(wave)
    x = keras.layers.Dense(3, activation="softmax", name="po")(keras.layers.Flatten()(x))
    meta = META | {"task": "polarity", "prepare": PREPARE["polarity"], "threshold": 0.4}
    model = Model(keras.Model(wave, {"po": x}), meta)
    return model, exported.to_onnx(model, tmp_path_factory.mktemp("polarity") / "model.onnx")


@pytest.fixture(scope="module", params=["probabilities", "embedding"])
def of_tremor(request: Any, keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    keras = keras_on_cpu
    keras.utils.set_random_seed(0)
    wave = keras.Input((20000, 1))
    x = keras.layers.Conv1D(4, 25, strides=20, activation="relu")(wave)
    x = keras.layers.GlobalMaxPooling1D()(x)
    meta = META | {"task": "tremor", "prepare": PREPARE["tremor"], "detection_threshold": 0.45, "temperature": 1.3}
    if request.param == "embedding":
        x = keras.layers.Dense(3, activation="tanh", name="embedding")(x)
        points = np.random.default_rng(0).normal(size=(40, 3))
        meta["classifier"] = clustering.classifier(points, (points[:, 0] > 0).astype(int), 0)
    else:
        x = keras.layers.Dense(2, activation="softmax", name="tremor")(x)
    model = Model(keras.Model(wave, x), meta)
    return model, exported.to_onnx(model, tmp_path_factory.mktemp("tremor") / "model.onnx")


def onset(rate_hz: float, seed: int) -> np.ndarray:
    """40 s of noise with an onset in the middle."""
    rng, t = np.random.default_rng(seed), np.arange(round(40 * rate_hz)) / rate_hz - 20
    swing = np.where(t >= 0, 300 * np.sin(2 * np.pi * 3 * t) * np.exp(-2 * np.abs(t)), 0)
    return rng.normal(1000, 5, len(t)) + rng.choice([-1, 1]) * swing


@pytest.fixture
def picked(tmp_path: Path) -> Path:
    """SAC files of many rates with a pick in their header."""
    for number, rate_hz in enumerate((100, 40, 50, 200, 100, 62.5, 125, 250)):
        order = "big" if number % 2 else "little"
        path = tmp_path / "in" / f"S{number}.sac"
        sac(path, onset(rate_hz, number), rate_hz, order, a=20.013, kevnm=f"event {number}")
    return tmp_path / "in"


@pytest.mark.filterwarnings("ignore:Sample spacing read")
def test_polarities_at_the_edge_are_those_of_the_network(
    picked: Path, of_polarity: tuple[Model, Path], packages: Path, tmp_path: Path
) -> None:
    model, exported = of_polarity
    (table := tmp_path / "reversed.csv").write_text(
        "network,station,location,channel,start_date,end_date\nXX,S1,--,HH,2019,2020-02-01T00:00:00Z\n,S2,,,2021-01,\n"
    )
    lines = [f"e{n},S{n},{START + 20.02},{'UD'[n % 2]}" for n in range(9)]
    (picks := tmp_path / "picks.csv").write_text("\n".join(["event,station,time,polarity", *lines]) + "\n")
    jobs: list[Any] = [({}, "headers"), ({"picks": picks, "reversals": table}, "table")]
    said = alone(packages, "polarity", exported, *[([picked], tmp_path / "edge" / name, more) for more, name in jobs])
    for (more, name), told in zip(jobs, said, strict=True):
        wanted = str(polarity.from_model(model, [picked], tmp_path / "all" / name, **more)).splitlines()
        assert {path.name for path in (tmp_path / "edge" / name).iterdir()} == {
            "polarities.csv", "polarities.skhash.csv",
        }  # fmt: skip
        rows = alike(tmp_path / "all" / name / "polarities.csv", tmp_path / "edge" / name / "polarities.csv")
        alike(tmp_path / "all" / name / "polarities.skhash.csv", tmp_path / "edge" / name / "polarities.skhash.csv")
        assert len({row["p_u"] for row in rows if row["p_u"]}) == 8, "no two answers are alike"
        kept = [line for line in wanted if not line.startswith("wrote")]
        assert told.splitlines()[: len(kept)] == kept and "no QuakeML: obspy is not installed" in told
    turned, plain = (rows_of(tmp_path / "edge" / name / "polarities.csv")[1] for name in ("table", "headers"))
    assert abs(float(turned["p_u"]) - float(plain["p_d"])) < 0.01 < abs(float(turned["p_u"]) - float(plain["p_u"]))


def test_bad_files_and_picks_at_the_edge_say_what_is_wrong(
    picked: Path, of_polarity: tuple[Model, Path], packages: Path, tmp_path: Path
) -> None:
    (picked / "XX.EMP.sac").write_bytes(b"")
    (picked / "XX.TXT.sac").write_bytes(b"not a seismogram" * 60)
    (picked / "XX.CUT.sac").write_bytes((picked / "S0.sac").read_bytes()[:-1000])
    Stream([Trace(onset(100, 0), {"station": "MSD", "channel": "HHZ", "starttime": START})]).write(
        str(picked / "XX.MSD.mseed"), format="MSEED"
    )
    sac(picked / "SHO.sac", onset(100, 0)[:2040], 100)
    lines = [f"e,{name},{START + 20}" for name in ("EMP", "TXT", "CUT", "MSD", "SHO", "S0")]
    (picks := tmp_path / "picks.csv").write_text("\n".join(["event,station,time", *lines]) + "\n")
    (catalog := tmp_path / "picks.xml").write_text("<q:quakeml/>")
    (empty := tmp_path / "empty").mkdir()
    sac(tmp_path / "no/S.sac", onset(100, 0), 100)
    said = alone(
        packages,
        "polarity",
        of_polarity[1],
        ([picked], tmp_path / "out.csv", {"picks": picks}),
        ([picked], tmp_path / "none.csv", {"picks": catalog}),
        ([empty], tmp_path / "none.csv", {}),
        ([tmp_path / "no"], tmp_path / "none.csv", {}),
    )
    reasons = {row["station"]: row["reason"] for row in rows_of(tmp_path / "out.csv")}
    assert "XX.EMP.sac: empty file (0 bytes)" in reasons["EMP"]
    assert "not a binary SAC file; formats other than SAC need obspy" in reasons["TXT"]
    assert "a SAC file of 15632 bytes, whose header wants 16632" in reasons["CUT"]
    assert "a miniSEED file needs obspy; install it, or convert the file to SAC" in reasons["MSD"]
    assert reasons["SHO"] == "P too near the edge: fewer than 50 samples on one side" and reasons["S0"] == ""
    assert "4 files could not be read as waveforms" in said[0] and "obspy is not installed" not in said[0]
    assert said[1].startswith(
        f"refused: {catalog}: --picks: expected the package obspy for QuakeML, got it is not inst"
    )
    assert "expected at least one waveform file, got none" in said[2]
    assert "expected a P pick in at least one vertical trace" in said[3]
    assert not (tmp_path / "none.csv").exists()


def test_a_rate_that_the_model_refuses_is_refused_at_the_edge(
    picked: Path, of_polarity: tuple[Model, Path], packages: Path, tmp_path: Path
) -> None:
    model, _ = of_polarity
    strict = Model(model.network, model.meta | {"prepare": PREPARE["polarity"] | {"wrong_rate": "refuse"}})
    alone(
        packages, "polarity", exported.to_onnx(strict, tmp_path / "strict.onnx"), ([picked], tmp_path / "out.csv", {})
    )
    reasons = [row["reason"] for row in rows_of(tmp_path / "out.csv")]
    assert reasons[1] == "wrong rate: 40 Hz" and sum(reason.startswith("wrong rate") for reason in reasons) == 6


def noise(seconds: float, rate_hz: float, seed: int) -> np.ndarray:
    """Noise, louder and louder, so that windows differ."""
    n = round(seconds * rate_hz)
    return np.random.default_rng(seed).normal(50, 100, n) * (1 + 3 * (np.arange(n) / n) ** (2 + seed))


def test_tremor_at_the_edge_is_that_of_the_network(
    of_tremor: tuple[Model, Path], packages: Path, tmp_path: Path
) -> None:
    model, exported = of_tremor
    for number, rate_hz in enumerate((20, 40, 50, 100, 16)):
        data = noise(2300, rate_hz, number)
        data[:: 7 * round(rate_hz)] += 2000 * number
        sac(tmp_path / "in" / f"S{number}.sac", data, rate_hz, "big" if number % 2 else "little")
    (told,) = alone(packages, "tremor", exported, ([tmp_path / "in"], tmp_path / "edge", {"overlap": 0.25}))
    wanted = str(tremor.from_model(model, [tmp_path / "in"], tmp_path / "all", overlap=0.25))
    assert {path.name for path in (tmp_path / "edge").iterdir()} == {"detections.csv", "windows.csv"}
    rows = alike(tmp_path / "all/windows.csv", tmp_path / "edge/windows.csv")
    alike(tmp_path / "all/detections.csv", tmp_path / "edge/detections.csv")
    assert len(rows) == 15 and len({row["score"] for row in rows}) > 8, "the windows' answers differ"
    kept = [line for line in wanted.splitlines() if not line.startswith("wrote")]
    assert [line for line in told.splitlines() if not line.startswith("wrote")] == [
        *kept[:2], *kept[2:-1], "  no figures: Matplotlib is not installed", kept[-1],
    ]  # fmt: skip


@pytest.mark.parametrize("of_tremor", ["probabilities"], indirect=True)
def test_bad_records_at_the_edge_say_what_is_wrong(
    of_tremor: tuple[Model, Path], packages: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    sac(folder / "GOOD.sac", noise(1100, 20, 0), 20)
    sac(folder / "SHORT.sac", noise(500, 20, 0), 20)
    sac(folder / "SLOW.sac", noise(1100, 8, 0), 8)
    uneven = bytearray((folder / "GOOD.sac").read_bytes())
    uneven[280 + 4 * 35 :][:4] = uneven[420:424] = bytes(4)
    (folder / "UNEVEN.sac").write_bytes(uneven)
    (folder / "EMPTY.sac").write_bytes(b"")
    (folder / "TEXT.sac").write_bytes(b"not a seismogram" * 60)
    Trace(noise(1100, 20, 0), {"station": "MSD", "sampling_rate": 20}).write(str(folder / "M.mseed"), format="MSEED")
    (bad := tmp_path / "bad").mkdir()
    (bad / "TEXT.sac").write_bytes(b"not a seismogram" * 60)
    said = alone(packages, "tremor", of_tremor[1], ([folder], tmp_path / "out", {}), ([bad], tmp_path / "none", {}))
    reasons = "\n".join(row["reason"] for row in rows_of(tmp_path / "out/windows.csv"))
    for reason in (
        "shorter than 1000 s: 500.00 s",
        "rate: 8 Hz is too low for 2-5 Hz",
        "UNEVEN.sac: XX.GOOD..HHZ: a spectrum, or unevenly sampled",
        "EMPTY.sac: empty file (0 bytes)",
        "TEXT.sac: not a binary SAC file; formats other than SAC need obspy",
        "M.mseed: a miniSEED file needs obspy; install it, or convert the file to SAC",
    ):
        assert reason in reasons
    assert said[1].startswith("refused: ") and "not a binary SAC file" in said[1] and not (tmp_path / "none").exists()


def test_progress_is_counted_where_tqdm_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(progress("ab", 2, "files")) == ["a", "b"] and capsys.readouterr().err == "", "silent in a log"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress("ab", 2, "files")) == ["a", "b"]
    assert "files: 1 of 2" in capsys.readouterr().err
