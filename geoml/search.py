"""Architecture search: candidates drawn from a space of a task, trained a little in batches, ranked to the best.

::

    results/search/{task}/{dataset}/{search}/candidates.jsonl         drawn and found small enough, a document a line
                                             rung0/batch0.jsonl ...   results, a candidate a line
                                             ranking.csv, best.json

A search of one rung trains every candidate up to so many epochs: random search. In one of several rungs (successive
halving, Jamieson & Talwalkar 2016) only the best share of a rung goes on to the next. A candidate is a JSON document;
its hash is its job's name. Nothing heavy is imported here, since every cluster job passes through; the training is
in :mod:`geoml.search_batch`, the ranking in :mod:`geoml.search_rank`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from geoml import registry
from geoml.errors import InputError
from geoml.files import atomic
from geoml.logs import log

SCORE = "val_accuracy"
_DRAWS = 20_000  # in a row without a new candidate, before a search gives up


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
        InputError: 20,000 draws in a row gave nothing new.
    """
    space = registry.load_task(task, "space")
    found: list[dict[str, Any]] = []
    known: set[str] = set()
    left_out: Counter[str] = Counter()
    for index in count():
        if len(found) == settings["candidates"]:
            break
        if index - (found[-1]["index"] if found else 0) > _DRAWS:
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
