"""Train a batch of a search's candidates in one process: starting up is paid once, each result is durable at once.

The results of a batch stand line by line in ``checkpoints/search/.../rung{r}_batch{k}.jsonl``, the state of the
candidate at work in ``{job_id}.npz`` beside it, written after every epoch, and which one that is in
``rung{r}_batch{k}.json``, whose time is the heartbeat. A killed batch goes on after the last epoch that it finished;
what other data or settings left there is not taken over.
"""

import hashlib
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any

import numpy as np

from geoml import checkpoint
from geoml.errors import InputError
from geoml.files import read_json, write_json
from geoml.logs import log
from geoml.search import SCORE, chosen, line, read_lines, write_lines
from geoml.store import Store
from geoml.train import Batches, compiled, learning_rates, one_step, validate

_TRIES = 3  # of an epoch in which the process is killed: the candidate needs more memory than there is
_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError", "OutOfMemoryError", "XlaRuntimeError")


@dataclass
class Plateau:
    """Early stopping by the mean of an epoch's validation losses so far (Geng & Wang 2020, search scripts).

    Attributes:
        best: Lowest loss that counted.
        worse: Validations clearly above it, since then.
        still: Validations in a row that moved by less than ``change``.
    """

    best: float = 1e6
    worse: int = 0
    still: int = 0

    def stops(self, losses: list[float], allowed: int, change: float) -> bool:
        """Whether to stop, after the last of this epoch's losses, with so many validations allowed without progress."""
        mean, lowest = fmean(losses), min(losses)
        moved = abs(self.best - mean) / self.best
        if mean < self.best:
            self.best, self.worse = mean, 0
        elif lowest < self.best:
            self.best, self.worse = lowest, 0
        elif (mean - self.best) / self.best > 5 * change:
            self.worse += 1
        self.still = 0 if moved >= change else self.still + 1
        return self.worse > allowed or self.still > allowed


@dataclass
class Progress:
    """Where the training of a candidate stands; all of it is in the checkpoint.

    Attributes:
        records: Epoch, step, loss and score of each validation.
        plateau: Of the early stopping.
        epochs: Begun and ended.
        stopped: Whether the early stopping ended it.
        seconds: Wall time in this and earlier processes: ``seconds`` in all, ``train_s`` of the steps, the first of
            each process, which includes tracing, counted like another; ``validate_s`` likewise.
    """

    records: list[tuple[int, int, float, float]] = field(default_factory=list)
    plateau: Plateau = field(default_factory=Plateau)
    epochs: int = 0
    stopped: bool = False
    seconds: dict[str, float] = field(default_factory=lambda: {"seconds": 0.0, "train_s": 0.0, "validate_s": 0.0})


class Failed(Exception):
    """The candidate cannot be trained; the batch goes on."""


class Marker:
    """The file that says which candidate of a batch is at work, and how often its epoch was begun.

    Args:
        path: JSON file.
        key: Of the data and settings; how often it was begun with others does not count.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def begin(self, name: str) -> None:
        """Begin or go on with a candidate.

        Raises:
            Failed: the process was killed so often in the same epoch that the candidate is given up.
        """
        last = read_json(self.path) if self.path.exists() else {}
        if (last.get("job_id"), last.get("key")) != (name, self.key):
            last = {"epochs": 0, "tries": 0}
        self._write(name, last["epochs"], last["tries"] + 1)
        if last["tries"] >= _TRIES:
            where = f"{_TRIES} times in epoch {last['epochs'] + 1}"
            raise Failed(f"the process was killed {where}, or had an error that its log shows: out of memory?")

    def epoch(self, name: str, epochs: int) -> None:
        """So many epochs are done."""
        self._write(name, epochs, 1)

    def leave(self) -> None:
        """The process ends, and not by the candidate's fault; removed and not rewritten, since the disk may be full."""
        self.path.unlink(missing_ok=True)

    def _write(self, name: str, epochs: int, tries: int) -> None:
        of = {"job_id": name, "key": self.key, "epochs": epochs, "tries": tries}
        write_json(self.path, of | {"process": os.getpid()})


@dataclass
class Bench:
    """What all candidates of a batch share."""

    task: str
    settings: dict[str, Any]
    store: Store
    rung: int
    work: Path
    marker: Marker
    key: str
    _validation: tuple[np.ndarray, dict[str, np.ndarray]] | None = None

    def validation(self, part: Any, outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The share of the validation samples and targets, made once for all candidates."""
        if self._validation is None:
            x, y = part.validation(self.store, outputs)
            n = max(1, round(self.settings["share"] * len(x)))
            kept = np.arange(n) * len(x) // n  # evenly spread: the samples may be in the order of their classes
            self._validation = x[kept], {output: values[kept] for output, values in y.items()}
        return self._validation


def train_batch(
    task: str,
    settings: dict[str, Any],
    data: Path,
    rung: int,
    batch: int,
    candidates: Path,
    earlier: list[Path],
    out: Path,
    work: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Train the candidates of one batch up to the epochs of their rung.

    A candidate that cannot be built, whose loss is not finite, or that runs out of memory is recorded with its reason.

    Args:
        task: Name.
        settings: Of the search, resolved.
        data: Folder of the prepared set.
        rung, batch: From 0.
        candidates: File of all that were drawn.
        earlier: All batches of the rung before.
        out: Results, a line a candidate.
        work: Folder for what is unfinished.
        device, threads: See :func:`geoml.backend.use_device`.
    """
    from geoml.backend import use_device

    first = batch * settings["batch"]
    of_rung, store = chosen(settings, rung, candidates, earlier), Store(data)
    todo, key = of_rung[first : first + settings["batch"]], _key(settings, store)
    unfinished, marker = work / f"rung{rung}_batch{batch}.jsonl", Marker(work / f"rung{rung}_batch{batch}.json", key)
    until = {"key": key, "until_epoch": settings["rungs"][rung]}
    _drop_half_a_line(unfinished)
    results = {row["job_id"]: row for row in _kept(work, rung, unfinished) if until.items() <= row.items()}
    if batch == 0:
        _drop_states(work, {row["job_id"] for path in earlier for row in read_lines(path)}, of_rung)
    if any(candidate["job_id"] not in results for candidate in todo):
        use_device(device, threads)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of tracing again, which new networks need
    bench, claim = Bench(task, settings, store, rung, work, marker, key), checkpoint.Claim(unfinished)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what a time limit or a cancelled job sends
    try:
        for number, candidate in enumerate(todo, 1):
            if (name := candidate["job_id"]) in results:
                continue
            results[name] = row = candidate | until | _result(candidate, bench)
            claim.check()
            _append(unfinished, row)
            here = [results[one["job_id"]] for one in todo if one["job_id"] in results]
            _prune(here, work, last=rung == len(settings["rungs"]) - 1)
            how = row["reason"] or f"{SCORE} {row[SCORE]:.4f} in {row['epochs']} epochs"
            log.info("%d/%d %s: %s", number, len(todo), name, how)
    except (KeyboardInterrupt, SystemExit, InputError, OSError):
        marker.leave()
        raise
    claim.check()
    write_lines(out, [results[candidate["job_id"]] | candidate for candidate in todo])
    marker.path.unlink(missing_ok=True)
    claim.release()


def _result(candidate: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """Train one candidate; what a line says beside the candidate itself."""
    import keras

    keras.backend.clear_session(free_memory=False)  # or the graphs of all candidates stay
    progress = Progress()
    row: dict[str, Any] = {"status": "done", "reason": "", "data_source": bench.store.meta["data_source"]}
    try:
        bench.marker.begin(candidate["job_id"])
        row |= _trained(candidate, bench, progress)
    except Failed as failure:
        row |= {"status": "failed", "reason": str(failure)}
    except Exception as error:
        if type(error).__name__ not in _OUT_OF_MEMORY:
            raise
        row |= {"status": "failed", "reason": f"out of memory: {_first_line(error)}"}
    if row["status"] == "failed":
        checkpoint.remove(_state(candidate, bench))
    row |= {"epochs": progress.epochs, "records": progress.records}
    return row | {name: round(seconds, 3) for name, seconds in progress.seconds.items()}


def _trained(candidate: dict[str, Any], bench: Bench, progress: Progress) -> dict[str, Any]:
    """Train to the rung's epochs or the plateau, from the state there is; scores and speeds."""
    settings, store, name, started = bench.settings, bench.store, candidate["job_id"], perf_counter()
    fit = settings["fit"] | {"train_share": settings["share"], "epochs": settings["rungs"][bench.rung]}
    args = settings["args"] | {"candidate": candidate["document"]}
    variant = {"model": settings["model"], "args": args, "fit": fit, "augment": settings["augment"]}
    try:
        network, part = compiled(bench.task, variant, store.meta, candidate["seed"])
    except (InputError, ValueError) as error:
        raise Failed(f"cannot be built: {_first_line(error)}") from error
    path, key = _state(candidate, bench), f"{name} {bench.key}"
    saved, _ = checkpoint.resume(path, key, network)
    if saved and saved["epochs"] > fit["epochs"]:  # of a later rung, while this one is done again
        saved, (network, part) = None, compiled(bench.task, variant, store.meta, candidate["seed"])
    if saved:
        vars(progress).update(saved, plateau=Plateau(**saved["plateau"]))
        log.info("%s goes on after epoch %d", name, progress.epochs)
    before, times = progress.seconds, {"train_s": Times(), "validate_s": Times()}
    batches = Batches(store, part, network.output_names, variant, candidate["seed"])
    validation = bench.validation(part, network.output_names)
    n = len(validation[0])
    every = min(settings["validate_every"], len(batches))
    allowed = settings["patience"] * len(batches) // every
    whole = fit | {"epochs": settings["rungs"][-1]}  # what the learning rate's schedule is for
    while progress.epochs < fit["epochs"] and not progress.stopped:
        losses: list[float] = []
        rates = learning_rates(whole, progress.epochs + 1, len(batches))
        for step, data in enumerate(batches.epoch(progress.epochs + 1), 1):
            network.optimizer.learning_rate = rates[step - 1]
            with times["train_s"].one():
                loss = float(one_step(network, data)["loss"])
            if not math.isfinite(loss):
                raise Failed(f"the loss is {loss} at epoch {progress.epochs + 1}, batch {step}")
            if step % every:
                continue
            with times["validate_s"].one():
                scores, _ = validate(network, part, validation, fit)
            losses.append(scores["val_loss"])
            if not math.isfinite(losses[-1]):
                raise Failed(f"the validation loss is {losses[-1]} at epoch {progress.epochs + 1}, batch {step}")
            progress.records.append((progress.epochs + 1, step, round(losses[-1], 6), round(scores[SCORE], 6)))
            if settings["patience"] and progress.plateau.stops(losses, allowed, settings["min_change"]):
                progress.stopped = True
                break
        progress.epochs += 1
        spent = {"seconds": perf_counter() - started} | {name: of.total for name, of in times.items()}
        progress.seconds = {name: before[name] + spent[name] for name in before}
        checkpoint.keep(path, key, network, asdict(progress), [])
        bench.marker.epoch(name, progress.epochs)
    loss, score = _at_best(progress.records)
    row = {
        SCORE: score,
        "val_loss": loss,
        "n_train": len(batches.rows),
        "n_val": n,
        "stopped_by": "plateau" if progress.stopped else "epochs",
        "latency_ms": _latency_ms(network, validation[0]),
        "samples_per_s": round(n / _seconds_of(lambda: validate(network, part, validation, fit)), 1),
    }
    progress.seconds = progress.seconds | {"seconds": before["seconds"] + perf_counter() - started}
    return row


class Times:
    """Seconds of what is done again and again; the first time, which includes tracing, counts like another."""

    def __init__(self) -> None:
        self.all: list[float] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Time what is done inside."""
        start = perf_counter()
        yield
        self.all.append(perf_counter() - start)

    @property
    def total(self) -> float:
        """Seconds altogether."""
        later = self.all[1:]
        return sum(later) + median(later) if later else sum(self.all)


def _at_best(records: list[tuple[int, int, float, float]]) -> tuple[float, float]:
    """Mean loss and score of the validations of the epoch with the lowest mean loss: the best of all would be luck."""
    epochs: dict[int, list[tuple[float, float]]] = {}
    for epoch, _, loss, score in records:
        epochs.setdefault(epoch, []).append((loss, score))
    loss, score = min(tuple(map(fmean, zip(*of, strict=True))) for of in epochs.values())
    return round(loss, 6), round(score, 6)


def _latency_ms(network: Any, x: np.ndarray) -> float:
    """Median time of one sample alone, ms."""
    one = x[:1].astype(network.inputs[0].dtype)
    network.predict_on_batch(one)
    return round(1e3 * median(_seconds_of(lambda: network.predict_on_batch(one)) for _ in range(20)), 3)


def _seconds_of(work: Any) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _key(settings: dict[str, Any], store: Store) -> str:
    """Short name of all that a result follows from, beside its candidate and its rung."""
    names = ("model", "args", "fit", "augment", "share", "validate_every", "patience", "min_change")
    said = {name: settings[name] for name in names}
    if settings["fit"]["schedule"] != "constant":
        said["epochs"] = settings["rungs"][-1]
    text = json.dumps([store.meta["fingerprint"], said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _state(candidate: dict[str, Any], bench: Bench) -> Path:
    return bench.work / f"{candidate['job_id']}.npz"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _drop_half_a_line(path: Path) -> None:
    """Cut off what a batch that was killed was writing."""
    if path.exists():
        with open(path, "r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def _kept(work: Path, rung: int, own: Path) -> Iterator[dict[str, Any]]:
    """Results of a rung from this and earlier runs; from other batches' files, where a candidate may be, no failures.

    So a second try of the failures is a matter of the batch's own file.
    """
    for path in sorted(work.glob(f"rung{rung}_batch*.jsonl")):
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")  # another batch may be writing its last line
        rows = map(json.loads, whole.splitlines())
        yield from (row for row in rows if path == own or row["status"] == "done")


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line(row))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        hint = "Free some space and run again."
        raise InputError(path, "disk space", "room for a result", error.strerror, hint) from error


def _drop_states(work: Path, earlier: set[str], promoted: list[dict[str, Any]]) -> None:
    """Drop the states of those that the rung before kept in vain."""
    for name in earlier - {candidate["job_id"] for candidate in promoted}:
        checkpoint.remove(work / f"{name}.npz")


def _prune(rows: list[dict[str, Any]], work: Path, *, last: bool) -> None:
    """Drop the states that no later rung will want: all after the last rung, else those of the batch's lower half.

    What the next rung wants and does not find is trained again from its first epoch, to the same result.
    """
    done = sorted((row for row in rows if row["status"] == "done"), key=lambda row: -row[SCORE])
    for row in done if last else done[-(-len(done) // 2) :]:
        checkpoint.remove(work / f"{row['job_id']}.npz")
