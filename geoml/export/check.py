"""Parity: what exported files answer on the whole test set, beside the network that they were made from."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geoml import bootstrap, evaluate, metrics, models, registry, runtimes
from geoml.errors import InputError
from geoml.export import child
from geoml.export.measure import measure
from geoml.export.quantize import network_inputs, open_data
from geoml.files import checksum, read_json
from geoml.logs import log
from geoml.predictions import Predictions

LIMIT_S = 3600.0  # of one file's answers
_TIMED = 64  # samples


def check(model: Path, files: Mapping[str, Path], data: Path, *, score: str, threads: int = 1) -> list[dict[str, Any]]:
    """Compare exported files with their network on the test set, and time all of them.

    Args:
        model: ``model.keras``.
        files: Exported files by format.
        data: Folder of the prepared set that the network was trained on.
        score: Name of a score of the task.
        threads: CPU threads.

    Returns:
        What :func:`parity` gives, each row with what :func:`geoml.export.measure.measure` found.

    Raises:
        InputError: the model or the data cannot be used.
    """
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        rows = parity(model, files, data, work, score=score, threads=threads)
        for row in rows:
            if row["status"] != "checked":
                continue
            path, found = Path(row["file"]), work / "measured.json"
            failed = measure(path, work / "inputs.npy", found, threads=threads)
            row |= {"status": f"not timed: {failed}"} if failed else read_json(found)
            log.info("%s timed", row["format"])
    return rows


def parity(
    model: Path, files: Mapping[str, Path], data: Path, work: Path, *, score: str, threads: int = 1
) -> list[dict[str, Any]]:
    """Compare the answers of exported files with those of their network; nothing in it depends on time.

    Args:
        model, files, data, score, threads: As of :func:`check`.
        work: Folder for the answers, and for ``inputs.npy``: what the network is asked of some test samples.

    Returns:
        A row a file, ``keras`` first: ``format``, ``file``, ``bytes``, ``n_test``, ``max_abs_diff`` of the task's
        outputs, ``agreement`` (share of equal decisions; None for values), the score, ``{score}_change`` against Keras
        with ``_ci_low`` and ``_ci_high`` over the natural groups, and ``status``: ``checked`` or why not.

    Raises:
        InputError: the model or the data cannot be used.
    """
    meta = models.read_meta(model)
    store, part = open_data(meta, data), registry.load_task(meta["task"])
    rows = store.rows("test")
    if not len(rows):
        raise InputError(data, "test", "at least one sample", "none")
    measured = metrics.find(meta["task"], score, part.CLASSES)

    def answers(path: Path) -> tuple[Predictions | None, str]:
        out = work / "answers.npy"
        failed = child.run("geoml.export.check", path, model, data, out, threads, limit_s=LIMIT_S)
        if failed:
            return None, failed
        return evaluate.predictions_of(np.load(out, allow_pickle=False), part, store, "test"), ""

    reference, failed = answers(model)
    if reference is None:
        raise InputError(model, "answers", "those of a network on its test set", failed)
    found = []
    for format, path in {"keras": model, **files}.items():
        row: dict[str, Any] = {"format": format, "file": str(path), "n_test": len(rows)}
        row["bytes"] = path.stat().st_size if path.is_file() else None
        its, failed = (reference, "") if format == "keras" else answers(path)
        row["status"] = f"not checked: {failed}" if failed else "checked"
        if its is not None:
            row |= _compared(its, reference, score, measured)
        found.append(row)
        log.info("%s: %s", format, row["status"])
    return found


def _compared(its: Predictions, reference: Predictions, score: str, measured: bootstrap.Score) -> dict[str, Any]:
    apart = np.abs(its.output.astype(np.float64) - reference.output)
    apart[np.isnan(its.output) & np.isnan(reference.output)] = 0  # as where a deviation was never calibrated
    change, low, high = bootstrap.paired([its], [reference], measured)
    own = bootstrap.intervals([its], {score: measured})[score]
    return {
        "max_abs_diff": float(apart.max()),
        "agreement": float((its.decided == reference.decided).mean()) if its.classes else None,
        score: float(measured(its)),
        f"{score}_ci_low": own[0],
        f"{score}_ci_high": own[1],
        f"{score}_change": float(change),
        f"{score}_change_ci_low": low,
        f"{score}_change_ci_high": high,
    }


def _answer(path: Path, trained: Path, data: Path, out: Path, threads: int) -> None:
    """Answers of one file on the test set, and for the network itself also what it is asked."""
    if path.suffix not in runtimes.SUFFIXES:
        from geoml.backend import use_device

        use_device("cpu", threads)
        model = models.load(path)
    else:
        model = runtimes.load(path, threads)
        run = models.read_meta(trained)["run"]
        if model.meta["run"] != run:
            raise InputError(path, "run", _named(run), _named(model.meta["run"]), "Export it again.")
        if (known := model.meta["model_sha256"]) != (got := checksum(trained)):
            raise InputError(path, "model_sha256", f"that of {trained} ({got[:8]})", known[:8], "Export it again.")
    store = open_data(model.meta, data)
    if path == trained:
        np.save(out.with_name("inputs.npy"), network_inputs(model, store, "test", _TIMED)[:_TIMED])
    answers = evaluate.predict(model, registry.load_task(model.meta["task"]), store, "test").output
    if np.isinf(answers).any() or np.isnan(answers).all():
        raise InputError(path, "answers", "numbers", "none, or infinite ones")
    np.save(out, answers)


def _named(run: dict[str, Any]) -> str:
    return "/".join(map(str, run.values()))


if __name__ == "__main__":
    path, trained, data, out = map(Path, sys.argv[1:5])
    _answer(path, trained, data, out, int(sys.argv[5]))
