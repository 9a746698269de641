"""Where the searches of a task stand, and a second try for candidates that failed; nothing that runs is touched."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoml.files import read_json
from geoml.search import batches, rungs, write_lines

STALE_S = 3600.0  # without a finished epoch, after which a batch is taken for one that was killed


@dataclass
class Batch:
    """One job of a search, as its files show it.

    Attributes:
        results: Where its results are when it is done.
        unfinished: Where they are until then.
        marker: Says which candidate is at work.
        rows: Results so far.
    """

    results: Path
    unfinished: Path
    marker: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.results if self.results.exists() else self.unfinished
        if path.exists():
            whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")  # the batch may be writing the last line
            self.rows = [json.loads(row) for row in whole.splitlines()]

    @property
    def age_s(self) -> float | None:
        """Seconds since the candidate at work ended an epoch; None where none is at work."""
        return time.time() - self.marker.stat().st_mtime if self.marker.exists() else None

    @property
    def runs(self) -> bool:
        """Whether the batch has to be taken for one that is being trained."""
        return self.age_s is not None and self.age_s < STALE_S


def of_rung(task: str, name: str, settings: dict[str, Any], rung: int) -> list[Batch]:
    """The batches of a rung of a search."""
    inside = Path(task) / settings["dataset"] / name
    done, work = Path("results/search") / inside, Path("checkpoints/search") / inside
    return [
        Batch(
            done / f"rung{rung}" / f"batch{k}.jsonl",
            work / f"rung{rung}_batch{k}.jsonl",
            work / f"rung{rung}_batch{k}.json",
        )
        for k in range(batches(settings, rung))
    ]


def report(task: str, searches: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Lines for the user: how many candidates of each rung are done, failed and why, at work, or waiting."""
    for name, settings in searches.items():
        yield f"{task}/{settings['dataset']}/{name}"
        for rung, (size, epochs) in enumerate(zip(rungs(settings), settings["rungs"], strict=True)):
            found = of_rung(task, name, settings, rung)
            rows = [row for batch in found for row in batch.rows]
            failed = Counter(row["reason"] for row in rows if row["status"] == "failed")
            running = [batch for batch in found if batch.runs]
            counts = {"done": len(rows) - failed.total(), "failed": failed.total(), "running": len(running)}
            counts["waiting"] = max(0, size - sum(counts.values()))  # a rung is smaller where too many failed
            words = ", ".join(f"{count:,} {state}" for state, count in counts.items())
            yield f"  rung {rung + 1}, up to {epochs} epochs, {len(found)} jobs: {words}"
            yield from (f"    failed {count}: {reason}" for reason, count in failed.most_common())
            for batch in found:
                if batch.age_s is not None:
                    at = read_json(batch.marker)
                    state = "running" if batch.runs else "stopped, goes on when it is started again"
                    after = f"{at['job_id']} after {at['epochs']} epochs, {batch.age_s:,.0f} s ago"
                    yield f"    {batch.results.stem}: {state}: {after}"


def retry_failed(task: str, searches: dict[str, dict[str, Any]], *, really: bool) -> Iterator[str]:
    """Forget the failures of all batches that are not at work, so that the next run trains these candidates again.

    What follows from them goes, too: the ranking and the tables, or Snakemake would see nothing to do.

    Args:
        task: Name.
        searches: Settings by name.
        really: Else it is only said what would be done.
    """
    for name, settings in searches.items():
        for rung in range(len(settings["rungs"])):
            for batch in of_rung(task, name, settings, rung):
                kept = [row for row in batch.rows if row["status"] != "failed"]
                if len(kept) == len(batch.rows):
                    continue
                if batch.runs:
                    yield f"left alone, it runs: {batch.unfinished}"
                    continue
                failed = len(batch.rows) - len(kept)
                yield f"{failed} of {len(batch.rows)} candidates to be trained again: {batch.results}"
                if really:
                    write_lines(batch.unfinished, kept)
                    inside, tables = batch.results.parents[1], Path("results/tables")
                    follows = [inside / "ranking.csv", inside / "best.json"]
                    follows += [tables / f"{task}_{kind}.csv" for kind in ("search", "search_pairs")]
                    for path in (batch.marker, batch.results, *follows):
                        path.unlink(missing_ok=True)
