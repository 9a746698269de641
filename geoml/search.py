"""Architecture search: candidates drawn from a space of a task, trained a little in batches, ranked to the best.

::

    results/search/{task}/{dataset}/{search}/candidates.jsonl         drawn and found small enough, a document a line
                                             rung0/batch0.jsonl ...   results, a candidate a line
                                             ranking.csv, best.json

A search of one rung trains every candidate up to so many epochs: random search. In one of several rungs (successive
halving, Jamieson & Talwalkar 2016) only the best share of a rung goes on to the next. A candidate is a JSON document;
its hash is its job's name. Nothing heavy is imported here, since every cluster job passes through; the training is
in :mod:`geoml.search_batch`.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from geoml import registry
from geoml.errors import InputError
from geoml.files import atomic, read_json, write_json
from geoml.logs import log

SCORE = "val_accuracy"
_DRAWS = 1000  # for each candidate that is wanted, before a search gives up


def job_id(document: dict[str, Any], seed: int) -> str:
    """Name of a candidate's training: 12 digits of the SHA-256 of document and seed, in whatever order."""
    text = json.dumps({"document": document, "seed": seed}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rungs(settings: dict[str, Any]) -> list[int]:
    """How many candidates each rung of a search trains, if none fails."""
    sizes = [settings["candidates"]]
    for _ in settings["rungs"][1:]:
        sizes.append(max(1, sizes[-1] // settings["reduce"]))
    return sizes


def batches(settings: dict[str, Any], rung: int) -> int:
    """How many jobs train the candidates of a rung."""
    return -(-rungs(settings)[rung] // settings["batch"])


def draw(task: str, settings: dict[str, Any], path: Path) -> dict[str, int]:
    """Draw candidates until there are enough that are new and within the limits, and write them.

    Candidate ``i`` follows from the search's seed and ``i`` alone, so that searches with the same seed and space share
    their candidates, whatever their number.

    Returns:
        How many were left out, by reason.

    Raises:
        InputError: after 1,000 draws for each candidate there are still too few.
    """
    space = registry.load_task(task, "space")
    found: list[dict[str, Any]] = []
    known: set[str] = set()
    left_out: Counter[str] = Counter()
    for index in count():
        if len(found) == settings["candidates"]:
            break
        if index == _DRAWS * settings["candidates"]:
            expected = f"{settings['candidates']} different candidates within {settings['limits'] or 'no limits'}"
            raise InputError(path, "limits", expected, f"{len(found)} in {index} draws", f"Left out: {dict(left_out)}.")
        document = space.draw(settings["space"], settings["seed"], index)
        try:
            size = space.size(document, **settings["args"])
        except InputError:
            left_out["cannot be built"] += 1
            continue
        above = [f"{key} above {limit:g}" for key, limit in settings["limits"].items() if size[key] > limit]
        if above or (name := job_id(document, settings["seed"])) in known:
            left_out[above[0] if above else "drawn before"] += 1
            continue
        known.add(name)
        of = {"job_id": name, "index": index, "seed": settings["seed"], "args": settings["args"]}
        found.append(of | {"document": document} | size)
    write_lines(path, found)
    log.info("%d candidates; left out: %s", len(found), dict(left_out) or "none")
    return dict(left_out)


def chosen(settings: dict[str, Any], rung: int, candidates: Path, earlier: list[Path]) -> list[dict[str, Any]]:
    """The candidates of a rung, in its order: all that were drawn, or the best of the rung before.

    Args:
        settings: Of the search.
        rung: From 0.
        candidates: File of what was drawn.
        earlier: All batches of the rung before.
    """
    drawn = list(read_lines(candidates))
    if rung == 0:
        return drawn
    known = {candidate["job_id"]: candidate for candidate in drawn}
    best = ranked(row for path in earlier for row in read_lines(path))
    return [known[row["job_id"]] for row in best if row["status"] == "done"][: rungs(settings)[rung]]


def ranked(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results from the best to the worst: by score, then by fewer multiplications; failed ones last."""
    return sorted(rows, key=lambda row: (row["status"] != "done", -row.get(SCORE, 0), row["macs"], row["job_id"]))


def rank(task: str, name: str, settings: dict[str, Any], batches: list[list[Path]], ranking: Path, best: Path) -> None:
    """Write the ranking of a search, a row a candidate, and its best candidate.

    A candidate that reached a later rung stands before all that did not. The best one is that with the fewest
    multiplications of those of the last rung whose score is within ``tolerance`` of the highest.

    Args:
        task, name: Of the search.
        settings: Of the search.
        batches: Result files of each rung.
        ranking: CSV; floats with six significant digits, an empty cell where nothing was measured.
        best: JSON: the document, its name and score, and what it was compared with.

    Raises:
        InputError: every candidate failed.
    """
    space = registry.load_task(task, "space")
    rows: dict[str, dict[str, Any]] = {}
    for rung, files in enumerate(batches):
        for result in (row for path in files for row in read_lines(path)):
            earlier = rows.get(result["job_id"], {})
            rows[result["job_id"]] = earlier | result | {f"rung{rung}_{SCORE}": result.get(SCORE), "rung": rung}
    order = sorted(ranked(rows.values()), key=lambda row: -row["rung"])
    done = [row for row in order if row["status"] == "done"]
    if not done:
        reasons = Counter(row["reason"] for row in order).most_common(3)
        raise InputError(best.parent, "candidates", "at least one that could be trained", f"none: {reasons}")
    final = [row for row in done if row["rung"] == done[0]["rung"]]
    near = [row for row in final if row[SCORE] >= final[0][SCORE] - settings["tolerance"]]
    winner = min(near, key=lambda row: (row["macs"], -row[SCORE]))
    of, on_front = {"dataset": settings["dataset"], "search": name}, pareto(done)
    lines = [of | _row(space, row, len(batches)) | {"pareto": int(row["job_id"] in on_front)} for row in order]
    with atomic(ranking) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]), lineterminator="\n", restval="")
        table.writeheader()
        table.writerows({key: _cell(value) for key, value in line.items()} for line in lines)
    write_json(
        best,
        {key: winner[key] for key in ("job_id", "seed", "document", "parameters", "macs", SCORE, "n_val")}
        | {"args": settings["args"], "compared": len(order), "failed": len(order) - len(done)}
        | {key: sum(row[key] for row in order) for key in ("epochs", "seconds")},
    )  # fmt: skip
    log.info("best of %d, %d of them failed: %s, %s %.4f", len(order), len(order) - len(done), winner["job_id"], SCORE,
             winner[SCORE])  # fmt: skip


def pareto(rows: list[dict[str, Any]]) -> set[str]:
    """Names of the candidates that no other is at least as good as in score, parameters, operations and time alone."""
    import numpy as np

    costs = np.array([[-row[SCORE], row["parameters"], row["macs"], row["latency_ms"]] for row in rows])
    front: list[int] = []
    for i in np.lexsort(costs.T[::-1]):  # the better ones first: none is thrown out again
        if not (costs[front] <= costs[i]).all(axis=1).any():
            front.append(i)
    return {rows[i]["job_id"] for i in front}


def with_best(variant: dict[str, Any], best: Path | None = None) -> dict[str, Any]:
    """A variant whose network is the best of a search (``best_of``), with the document as its ``args.candidate``."""
    if best is None:
        return variant
    found = read_json(best)
    return variant | {"args": found["args"] | variant["args"] | {"candidate": found["document"]}}


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a file with a JSON document a line."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    hint = "Delete the file to make it again."
                    raise InputError(path, f"line {number}", "JSON", error, hint) from None
    except FileNotFoundError:
        raise InputError(path, "file", "results of a search", "no such file") from None


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a JSON document a line, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text("".join(line(row) for row in rows), encoding="utf-8")


def line(row: dict[str, Any]) -> str:
    """A line of such a file."""
    return json.dumps(row, allow_nan=False, separators=(",", ":")) + "\n"


def _row(space: Any, row: dict[str, Any], n_rungs: int) -> dict[str, Any]:
    """A line of the ranking: what it is, how it did, and its hyper-parameters."""
    from geoml.bootstrap import wilson

    low, high = wilson(row[SCORE], row["n_val"]) if row["status"] == "done" else (None, None)
    keys = ("val_loss", "n_train", "n_val", "epochs", "stopped_by", "seconds", "train_s", "validate_s", "latency_ms",
            "samples_per_s")  # fmt: skip
    return (
        {key: row.get(key) for key in ("job_id", "status", "reason", SCORE)}
        | {f"{SCORE}_ci_low": low, f"{SCORE}_ci_high": high}
        | {key: row.get(key) for key in ("parameters", "macs", *keys, "data_source")}
        | {f"rung{rung}_{SCORE}": row.get(f"rung{rung}_{SCORE}") for rung in range(n_rungs) if n_rungs > 1}
        | space.columns(row)
        | {"seed": row["seed"], "index": row["index"]}
    )


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
