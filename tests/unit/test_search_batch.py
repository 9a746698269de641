"""Training a search's candidates: a killed batch ends as if nothing had happened, a failed candidate stops no other."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from geoml import config, registry, search, search_batch, search_rank, sources
from geoml.errors import InputError
from geoml.prepare import prepare
from geoml.search_batch import Plateau, train_batch
from geoml.train import compiled

SPACE = {"n0": [4, 8], "n2": [4, 8], "w": [10, 20], "r": [2, 4], "k": [2, 3], "p": [2, 3]}
TIMES = {"seconds", "train_s", "validate_s", "latency_ms", "samples_per_s"}


def resolved(**changes: Any) -> dict[str, Any]:
    """The task's settings with one small search."""
    small = {"dataset": "tiny", "candidates": 3, "rungs": [2], "share": 1, "patience": 0, "space": SPACE}
    task = {
        "fit": {"batch_size": 16, "learning_rate": 1e-3},
        "datasets": {"tiny": {"source": "synthetic", "rows": 80, "reader": "patches", "generate": {"line": None}}},
        "variants": {"best": {"model": "searched", "best_of": "small"}},
        "searches": {"small": small | {"args": {"padding": "valid"}} | changes},
    }
    return config.resolve({"tasks": {"patchnet": task}})["tasks"]["patchnet"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, keras_on_cpu: Any) -> Path:
    """Folder of a prepared set of 80 patches."""
    folder, entry = tmp_path_factory.mktemp("patchnet"), resolved()["datasets"]["tiny"]
    sources.generate("patchnet", entry, folder / "source/generated.json")
    prepare("patchnet", "tiny", entry, folder / "source", folder / "tiny")
    return folder / "tiny"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """A batch takes the signal for itself."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


class Search:
    """A search in a folder, as the workflow runs it."""

    def __init__(self, folder: Path, data: Path, **changes: Any) -> None:
        self.folder, self.data, self.settings = folder, data, resolved(**changes)["searches"]["small"]
        self.work, self.candidates = folder / "work", folder / "candidates.jsonl"
        search.draw("patchnet", self.settings, self.candidates)

    @property
    def names(self) -> list[str]:
        return [row["job_id"] for row in search.read_lines(self.candidates)]

    def files(self, rung: int) -> list[Path]:
        of_rung = range(search.batches(self.settings, rung)) if rung >= 0 else ()
        return [self.folder / f"rung{rung}/batch{batch}.jsonl" for batch in of_rung]

    def batch(self, rung: int = 0, batch: int = 0) -> list[dict[str, Any]]:
        """Train one batch; its results."""
        out = self.folder / f"rung{rung}/batch{batch}.jsonl"
        train_batch("patchnet", self.settings, self.data, rung, batch, self.candidates, self.files(rung - 1), out,
                    self.work)  # fmt: skip
        return list(search.read_lines(out))

    def run(self) -> list[list[dict[str, Any]]]:
        """Train everything; results by rung."""
        return [
            [row for batch in range(search.batches(self.settings, rung)) for row in self.batch(rung, batch)]
            for rung in range(len(self.settings["rungs"]))
        ]

    @property
    def states(self) -> set[str]:
        return {path.stem for path in self.work.glob("*.npz")}


def measured(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results without what depends on the clock."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


class Number:
    """A variable of a fake network."""

    def __init__(self) -> None:
        self.value = 0.0

    def assign(self, value: Any) -> None:
        self.value = float(value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.value)


class Fake:
    """A network whose training is one sum over all that it has seen, so that a lost or repeated step shows."""

    output_names = ("bsr",)
    inputs = (SimpleNamespace(dtype="float32"),)

    def __init__(self, document: dict[str, Any], seed: int) -> None:
        self.name, self.macs = search.job_id(document, seed), document["blocks"][0]["w"] if document["blocks"] else 0
        self.variables, self.optimizer = [Number()], SimpleNamespace(variables=[Number()])

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        return x


class Fakes:
    """What stands for real networks where only the bookkeeping is tested; ``before`` is called at every step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: Counter[str] = Counter()
        self.before: Callable[[Fake], Any] = lambda network: None
        monkeypatch.setattr(search_batch, "compiled", self.compiled)
        monkeypatch.setattr(search_batch, "one_step", self.one_step)
        monkeypatch.setattr(search_batch, "validate", self.validate)

    def compiled(self, task: str, variant: dict[str, Any], meta: dict[str, Any], seed: int) -> tuple[Fake, Any]:
        return Fake(variant["args"]["candidate"], seed), registry.load_task(task)

    def one_step(self, network: Fake, batch: Any) -> dict[str, float]:
        loss = self.before(network)
        self.steps[network.name] += 1
        state, count = network.variables[0], network.optimizer.variables[0]
        count.assign(count.value + 1)
        state.assign(np.cos(state.value + count.value + float(batch[0].mean())))
        return {"loss": state.value if loss is None else loss}

    def validate(self, network: Fake, part: Any, validation: Any, fit: Any) -> tuple[dict[str, float], dict]:
        score = int(network.name, 16) / 16**12
        return {"val_loss": 2 + network.variables[0].value, "val_accuracy": score}, {}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    return Fakes(monkeypatch)


class Killed(BaseException):
    """Nothing in the code under test knows it: files are left as by a killed process."""


def at(number: int, error: BaseException) -> Callable[[Fake], None]:
    """Raise at a step, counted over all candidates from 1."""
    left = iter([*[None] * (number - 1), error])

    def before(network: Fake) -> None:
        if (found := next(left, None)) is not None:
            raise found

    return before


# -- early stopping


def stops_as_in_the_card(epochs: list[list[float]], nb: int) -> tuple[int, int] | None:
    """Section 5 of the card, word by word; where it stops."""
    best, a, b = 1e6, 0, 0
    r = int(3 * nb / 10)
    for epoch, losses in enumerate(epochs):
        for place in range(len(losses)):
            m = sum(losses[: place + 1]) / (place + 1)
            lo = min(losses[: place + 1])
            rel = abs(best - m) / best
            if m < best:
                best = m
                a = 0
            elif lo < best:
                best = lo
                a = 0
            elif (m - best) / best > 5 * 0.005:
                a += 1
            b = 0 if rel >= 0.005 else b + 1
            if a > r or b > r:
                return epoch, place
    return None


@pytest.mark.parametrize("kind", ["noisy", "flat", "worse"])
def test_early_stopping_is_that_of_the_card(kind: str):
    stopped = 0
    for seed in range(200):
        draw = random.Random(seed)
        nb = draw.randint(10, 90)
        amount = {"noisy": 0.3, "flat": 0.004, "worse": 0.05}[kind]
        slope = {"noisy": -0.02, "flat": 0.0, "worse": 0.03}[kind]
        epochs = [
            [1 + slope * epoch + draw.uniform(-amount, amount) for _ in range(nb // 10)] for epoch in range(12)
        ]  # fmt: skip
        plateau, found = Plateau(), None
        for epoch, losses in enumerate(epochs):
            for place in range(len(losses)):
                if found is None and plateau.stops(losses[: place + 1], 3 * nb // 10, 0.005):
                    found = epoch, place
        assert found == stops_as_in_the_card(epochs, nb)
        stopped += found is not None
    assert stopped > 20


def test_a_candidate_without_progress_is_stopped_and_its_epochs_are_counted(tmp_path, data, fakes, monkeypatch):
    monkeypatch.setattr(search_batch, "validate", lambda *_: ({"val_loss": 0.5, "val_accuracy": 0.5}, {}))
    (row,) = Search(tmp_path, data, candidates=1, rungs=[9], patience=2, validate_every=2).batch()
    assert row["stopped_by"] == "plateau" and 1 < row["epochs"] < 9
    # 4 steps an epoch, so 2 validations; the first one moves, and 2 epochs' worth of 4 more are allowed not to.
    assert [record[:2] for record in row["records"]] == [[1, 2], [1, 4], [2, 2], [2, 4], [3, 2], [3, 4]]


# -- killed and resumed


def test_a_process_that_is_really_killed_in_its_second_epoch_goes_on_to_the_same_table(tmp_path: Path, data: Path):
    killed, whole = (Search(tmp_path / name, data, candidates=1) for name in ("killed", "whole"))
    code = f"""
import json, os, signal, sys
from pathlib import Path
from geoml import search_batch
settings, steps, step = json.loads(sys.argv[1]), iter(range(1, 99)), search_batch.one_step
def one_step(*arguments):
    if next(steps) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)
search_batch.one_step = one_step
folder = Path({str(killed.folder)!r})
search_batch.train_batch("patchnet", settings, Path({str(data)!r}), 0, 0, folder / "candidates.jsonl", [],
                         folder / "rung0/batch0.jsonl", folder / "work")
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, json.dumps(killed.settings)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert killed.states == {killed.names[0]}
    assert json.loads((killed.work / "rung0_batch0.json").read_text())["epochs"] == 1
    resumed, expected = killed.batch(), whole.batch()
    assert measured(resumed) == measured(expected)
    assert [(row["epochs"], row["status"]) for row in resumed] == [(2, "done")]
    assert [path.name for path in killed.work.iterdir()] == ["rung0_batch0.jsonl"]


@pytest.mark.parametrize("step", [1, 4, 5, 7, 8, 9, 14, 24])
def test_wherever_a_batch_is_killed_it_ends_with_the_same_table(step: int, tmp_path: Path, data: Path, fakes: Fakes):
    expected = Search(tmp_path / "whole", data).batch()
    interrupted = Search(tmp_path / "killed", data)
    fakes.before = at(step, Killed())
    fakes.steps.clear()
    with pytest.raises(Killed):
        interrupted.batch()
    assert measured(interrupted.batch()) == measured(expected)
    assert fakes.steps.total() == 24 + (step - 1) % 4  # only the epoch at work is done again


def test_a_line_that_was_cut_is_trained_again_and_a_whole_one_is_not(tmp_path: Path, data: Path, fakes: Fakes):
    expected = Search(tmp_path / "whole", data).batch()
    cut = Search(tmp_path / "cut", data)
    fakes.before = at(17, Killed())  # in the third candidate
    with pytest.raises(Killed):
        cut.batch()
    unfinished = cut.work / "rung0_batch0.jsonl"
    assert unfinished.read_text().count("\n") == 2
    unfinished.write_text(unfinished.read_text()[:-30])
    fakes.steps.clear()
    assert measured(cut.batch()) == measured(expected)
    assert cut.names[0] not in fakes.steps and cut.names[1] in fakes.steps


def test_the_same_batch_twice_at_once_leaves_one_whole_file(tmp_path: Path, data: Path, fakes: Fakes):
    expected = Search(tmp_path / "once", data).batch()
    twice = Search(tmp_path / "twice", data)
    steps = iter(range(1, 1000))

    def other_process(network: Fake) -> None:
        if next(steps) == 7:
            assert measured(twice.batch()) == measured(expected)

    fakes.before = other_process
    with pytest.raises(InputError, match="another one came to the end"):
        twice.batch()
    assert measured(list(search.read_lines(twice.files(0)[0]))) == measured(expected)


# -- what other data or settings left


@pytest.mark.parametrize(
    "changes",
    [
        {"fit": {"learning_rate": 0.1}},
        {"share": 0.5},
        {"args": {"padding": "valid", "dropout": 0.1}},
        {"validate_every": 1},
        {"patience": 5},
        {"rungs": [1]},
        {"rungs": [3]},
        {},
    ],
    ids=lambda changes: next(iter(changes), "data"),
)
def test_what_was_begun_with_other_settings_or_data_is_not_taken_over(
    changes: dict[str, Any], tmp_path: Path, data: Path, fakes: Fakes
):
    left = Search(tmp_path / "left", data)
    fakes.before = at(15, Killed())  # in the second candidate
    with pytest.raises(Killed):
        left.batch()
    if not changes:
        data = shutil.copytree(data, tmp_path / "again")
        content = json.loads((data / "dataset.json").read_text()) | {"fingerprint": "0" * 32}
        (data / "dataset.json").write_text(json.dumps(content))
    fakes.steps.clear()
    expected = Search(tmp_path / "fresh", data, **changes).batch()
    steps = fakes.steps.total()
    assert measured(Search(tmp_path / "left", data, **changes).batch()) == measured(expected)
    taken_over = 4 if "rungs" in changes else 0  # the epoch of the second candidate, which is the same
    assert fakes.steps.total() == 2 * steps - taken_over


def test_a_first_rung_that_is_done_again_does_not_start_from_the_states_of_the_second(
    tmp_path: Path, data: Path, fakes: Fakes
):
    halving = Search(tmp_path, data, rungs=[1, 3], reduce=2)
    expected = halving.batch(0)
    fakes.before = at(5, Killed())  # in the third epoch
    with pytest.raises(Killed):
        halving.batch(1)
    assert halving.states
    assert measured(halving.batch(0)) == measured(expected)


# -- candidates that fail


def test_a_loss_that_is_no_number_is_recorded_and_the_others_are_trained(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path, data)
    steps = iter(range(1, 100))
    fakes.before = lambda network: float("nan") if network.name == run.names[1] and next(steps) == 6 else None
    rows = run.batch()
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert rows[1]["reason"] == "the loss is nan at epoch 2, batch 2"
    assert rows[1]["epochs"] == 1 and "val_accuracy" not in rows[1]
    assert not run.states


def test_weights_that_overflow_are_found_in_a_real_training(tmp_path: Path, data: Path):
    (row,) = Search(tmp_path, data, candidates=1, rungs=[1], fit={"learning_rate": 1e38}).batch()
    assert row["status"] == "failed" and "loss is" in row["reason"]


@pytest.mark.parametrize("name", ["MemoryError", "ResourceExhaustedError"])
def test_running_out_of_memory_is_recorded(name: str, tmp_path: Path, data: Path, fakes: Fakes):
    fakes.before = at(7, type(name, (Exception,), {})("no room for a tensor\nand more"))
    rows = Search(tmp_path, data).batch()
    assert [row["status"] for row in rows] == ["failed", "done", "done"]
    assert rows[0]["reason"] == "out of memory: no room for a tensor"


def test_a_candidate_that_kills_its_process_three_times_in_an_epoch_is_given_up(
    tmp_path: Path, data: Path, fakes: Fakes
):
    run = Search(tmp_path, data)

    def too_large(network: Fake) -> None:
        if network.name == run.names[1] and network.optimizer.variables[0].value == 5:  # in the second epoch
            raise Killed

    fakes.before = too_large
    for _ in range(3):
        with pytest.raises(Killed):
            run.batch()
    rows = run.batch()
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert rows[1]["reason"].startswith("the process was killed 3 times in epoch 2")


def test_kills_in_different_epochs_or_with_other_settings_do_not_add_up(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path / "epochs", data, candidates=1, rungs=[5])
    for _ in range(4):
        fakes.before = at(6, Killed())  # every process ends one epoch
        with pytest.raises(Killed):
            run.batch()
    assert run.batch()[0]["status"] == "done"
    run = Search(tmp_path / "settings", data, candidates=1)
    for rate in (0.1, 0.2, 0.3, 0.4):
        run.settings["fit"]["learning_rate"] = rate
        fakes.before = at(2, Killed())
        with pytest.raises(Killed):
            run.batch()
    assert run.batch()[0]["status"] == "done"


def test_a_candidate_that_cannot_be_built_is_recorded(tmp_path: Path, data: Path, fakes: Fakes, monkeypatch):
    run = Search(tmp_path, data)
    rows = list(search.read_lines(run.candidates))
    rows[0]["document"] = rows[0]["document"] | {"blocks": rows[0]["document"]["blocks"][:2]}
    search.write_lines(run.candidates, rows)

    def build(task: str, variant: dict[str, Any], *arguments: Any) -> Any:
        whole = len(variant["args"]["candidate"]["blocks"]) == 3
        return (fakes.compiled if whole else compiled)(task, variant, *arguments)

    monkeypatch.setattr(search_batch, "compiled", build)
    rows = run.batch()
    assert [row["status"] for row in rows] == ["failed", "done", "done"]
    assert rows[0]["reason"].startswith("cannot be built: ") and "blocks" in rows[0]["reason"]
    assert rows[0]["epochs"] == 0


def test_being_asked_to_end_is_no_fault_of_the_candidate(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path, data)
    expected = Search(tmp_path / "whole", data).batch()
    for _ in range(5):
        steps = iter(range(1, 100))
        fakes.before = lambda network, steps=steps: os.kill(os.getpid(), signal.SIGTERM) if next(steps) == 2 else None
        with pytest.raises(SystemExit) as ended:
            run.batch()
        assert ended.value.code == 143
    fakes.before = lambda network: None
    assert measured(run.batch()) == measured(expected)


@pytest.mark.parametrize("full", ["state", "everything", "result"])
def test_a_full_disk_ends_the_batch_and_blames_no_candidate(
    full: str, tmp_path: Path, data: Path, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
):
    expected = Search(tmp_path / "whole", data).batch()
    run = Search(tmp_path / "full", data)
    replace = os.replace

    def no_room(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def half_a_line(file: int) -> None:
        os.ftruncate(file, os.fstat(file).st_size - 50)
        no_room()

    def replaces(source: Path, target: Path) -> None:
        if target.suffix == ".npz" or (full == "everything" and next(written) > 1):
            no_room()
        replace(source, target)

    for _ in range(4):
        written = iter(range(1, 100))  # the first is who is at work
        with monkeypatch.context() as disk:
            disk.setattr(os, *(("fsync", half_a_line) if full == "result" else ("replace", replaces)))
            with pytest.raises(InputError, match=r"disk space: expected room"):
                run.batch()
        assert not (run.folder / "rung0/batch0.jsonl").exists()
    assert measured(run.batch()) == measured(expected)


def test_an_error_nobody_foresaw_stops_the_batch_but_not_for_ever(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path, data, candidates=1)

    def broken(network: Fake) -> None:
        raise RuntimeError("a bug")

    fakes.before = broken
    for _ in range(3):
        with pytest.raises(RuntimeError, match="a bug"):
            run.batch()
    assert run.batch()[0]["status"] == "failed"


# -- halving


def test_each_rung_goes_on_with_the_best_third_and_trains_no_epoch_twice(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path, data, candidates=27, batch=9, rungs=[1, 2, 4])
    rungs = run.run()
    assert [len(rows) for rows in rungs] == [27, 9, 3]
    assert [len(run.files(rung)) for rung in range(3)] == [3, 1, 1]
    order = sorted(run.names, reverse=True)  # the fake score of a candidate is its name
    assert [[row["job_id"] for row in rows] for rows in rungs] == [run.names, order[:9], order[:3]]
    assert [{row["epochs"] for row in rows} for rows in rungs] == [{1}, {2}, {4}]
    kept = {row["job_id"] for start in (0, 9, 18) for row in sorted(rungs[0][start : start + 9],
            key=lambda row: -row["val_accuracy"])[:5]}  # fmt: skip
    for name in set(order[:9]) & kept - set(order[:3]):
        assert fakes.steps[name] == 4 * 2
    assert any(fakes.steps[name] == 4 * 4 for name in order[:3])
    assert not run.states


def test_with_more_candidates_those_that_were_trained_stay(tmp_path: Path, data: Path, fakes: Fakes):
    """Snakemake removes the results of the first rung, since the list of candidates is a new one."""
    few = Search(tmp_path, data, candidates=6, batch=2, rungs=[2, 3])
    few.run()
    trained, old = fakes.steps.copy(), set(few.names)
    more = Search(tmp_path, data, candidates=8, batch=3, rungs=[2, 3])
    for path in tmp_path.glob("rung0/*"):
        path.unlink()
    assert [row["job_id"] for batch in range(3) for row in more.batch(0, batch)] == more.names
    assert {name for name in fakes.steps if fakes.steps[name] > trained[name]} == set(more.names) - old


def test_a_failure_in_the_file_of_another_batch_is_not_taken_over(tmp_path: Path, data: Path, fakes: Fakes):
    """Else a second try of the failures would change nothing where candidates were in other batches before."""
    run = Search(tmp_path, data, candidates=2)
    rows = run.batch()
    fakes.steps.clear()
    (run.work / "rung0_batch0.jsonl").unlink()
    failed = rows[0] | {"status": "failed", "reason": "a bad day"}
    search.write_lines(run.work / "rung0_batch7.jsonl", [failed, rows[1]])
    assert [row["status"] for row in run.batch()] == ["done", "done"]
    assert set(fakes.steps) == {run.names[0]}


def test_a_state_that_is_gone_is_trained_again_to_the_same_result(tmp_path: Path, data: Path, fakes: Fakes):
    kept, gone = (Search(tmp_path / name, data, rungs=[1, 3]) for name in ("kept", "gone"))
    expected = kept.run()[1]
    gone.batch(0)
    for path in gone.work.glob("*.npz"):
        path.unlink()
    fakes.steps.clear()
    assert measured(gone.batch(1)) == measured(expected)
    assert fakes.steps.total() == 4 * 3


def test_what_the_next_rung_does_not_want_is_removed_when_that_begins(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path, data, candidates=4, rungs=[1, 2], reduce=4)
    run.batch(0)
    assert len(run.states) > 1
    fakes.before = at(1, Killed())
    with pytest.raises(Killed):
        run.batch(1)
    assert run.states <= {max(run.names)}


def test_those_that_failed_are_not_promoted_and_a_rung_may_be_empty(tmp_path: Path, data: Path, fakes: Fakes):
    run = Search(tmp_path, data, candidates=4, batch=1, rungs=[1, 2], reduce=2)
    best = max(run.names)
    fakes.before = lambda network: float("inf") if network.name == best else None
    first, second = run.run()
    assert [row["status"] for row in first].count("failed") == 1
    assert [row["job_id"] for row in second] == sorted(set(run.names) - {best}, reverse=True)[:2]
    none = Search(tmp_path / "none", data, candidates=4, batch=1, rungs=[1, 2], reduce=2)
    fakes.before = lambda network: float("nan")
    assert none.run()[1] == []
    with pytest.raises(InputError, match=r"expected at least one that could be trained, got none: .*the loss is nan"):
        search_rank.rank("patchnet", "small", none.settings, [none.files(0), none.files(1)], tmp_path / "ranking.csv",
                    tmp_path / "best.json")  # fmt: skip


# -- what a candidate is measured on


def test_a_share_of_the_validation_samples_is_spread_over_all(tmp_path: Path, data: Path, fakes: Fakes, monkeypatch):
    part, seen = registry.load_task("patchnet"), []
    x = np.arange(10, dtype=np.float32).reshape(10, 1)
    monkeypatch.setattr(part, "validation", lambda store, outputs: (x, {"bsr": x}))

    def validate(network: Fake, part: Any, validation: Any, fit: Any) -> Any:
        seen.append((validation[0].ravel().tolist(), validation[1]["bsr"].ravel().tolist()))
        return {"val_loss": 1.0, "val_accuracy": 0.5}, {}

    monkeypatch.setattr(search_batch, "validate", validate)
    (row,) = Search(tmp_path, data, candidates=1, rungs=[1], share=0.5).batch()
    assert row["n_val"] == 5
    assert seen[0] == ([0, 2, 4, 6, 8], [0, 2, 4, 6, 8])


def test_the_score_is_that_of_the_epoch_with_the_lowest_mean_loss(
    tmp_path: Path, data: Path, fakes: Fakes, monkeypatch
):
    answers = iter([(0.9, 0.50), (0.1, 0.99), (0.4, 0.80), (0.4, 0.82), *[(5.0, 0.1)] * 9])

    def validate(*arguments: Any) -> Any:
        loss, score = next(answers)
        return {"val_loss": loss, "val_accuracy": score}, {}

    monkeypatch.setattr(search_batch, "validate", validate)
    (row,) = Search(tmp_path, data, candidates=1, rungs=[3], validate_every=2).batch()
    assert (row["val_loss"], row["val_accuracy"]) == (0.4, 0.81)
