"""From the results of a search's batches to its ranking and its best candidate."""

from collections import Counter
from pathlib import Path
from typing import Any

from geoml import registry
from geoml.errors import InputError
from geoml.files import read_json, write_json
from geoml.logs import log
from geoml.search import SCORE, ranked, read_lines

_SPENT = ("epochs", "seconds")


def rank(task: str, name: str, settings: dict[str, Any], batches: list[list[Path]], ranking: Path, best: Path) -> None:
    """Write the ranking of a search, a row a candidate, and its best candidate.

    A candidate that reached a later rung stands before all that did not, and failed ones stand last. The best one is
    that with the fewest multiplications of those of the last rung whose score is within ``tolerance`` of the highest.

    Args:
        task, name: Of the search.
        settings: Of the search.
        batches: Result files of each rung.
        ranking: CSV, as of :func:`geoml.tables.write`.
        best: JSON: the document, its name and score, and what it was compared with.

    Raises:
        InputError: every candidate failed.
    """
    from pandas import DataFrame

    from geoml.tables import write

    space = registry.load_task(task, "space")
    rows: dict[str, dict[str, Any]] = {}
    for rung, files in enumerate(batches):
        for result in (row for path in files for row in read_lines(path)):
            earlier = rows.get(result["job_id"], {})
            spent = {key: max(result[key], earlier.get(key, 0)) for key in _SPENT}  # one that was killed counts none
            rows[result["job_id"]] = earlier | result | spent | {f"rung{rung}_{SCORE}": result.get(SCORE), "rung": rung}
    order = sorted(ranked(rows.values()), key=lambda row: (row["status"] != "done", -row["rung"]))
    done = [row for row in order if row["status"] == "done"]
    if not done:
        reasons = Counter(row["reason"] for row in order).most_common(3)
        raise InputError(best.parent, "candidates", "at least one that could be trained", f"none: {reasons}")
    final = [row for row in done if row["rung"] == done[0]["rung"]]
    near = [row for row in final if round(final[0][SCORE] - row[SCORE], 6) <= settings["tolerance"]]
    winner = min(near, key=lambda row: (row["macs"], -row[SCORE]))
    of, on_front = {"dataset": settings["dataset"], "search": name}, pareto(final)
    lines = [of | _row(space, row, len(batches)) | {"pareto": int(row["job_id"] in on_front)} for row in order]
    write(DataFrame(lines), ranking)
    write_json(
        best,
        {key: winner[key] for key in ("job_id", "seed", "document", "parameters", "macs", SCORE, "n_val")}
        | {"args": settings["args"], "compared": len(order), "failed": len(order) - len(done)}
        | {key: sum(row[key] for row in order) for key in _SPENT},
    )  # fmt: skip
    log.info("best of %d, %d of them failed: %s, %s %.4f", len(order), len(order) - len(done), winner["job_id"], SCORE,
             winner[SCORE])  # fmt: skip


def pareto(rows: list[dict[str, Any]]) -> set[str]:
    """Names of the candidates that no other one equals or beats in score, parameters, operations and time at once."""
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
