"""What the clusters of embeddings are made of: tremor, or only events and stations."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoml.tables import Run

if TYPE_CHECKING:
    from pandas import DataFrame


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per run that embeds and clustering method, of its test traces.

    Agreement with label, event, station and component stands side by side: a cluster that means a network or a day is
    a failure (method card, section 5).
    """
    from pandas import DataFrame

    rows = [
        {"dataset": run.dataset, "model": run.variant, "seed": run.seed}
        | found
        | {"data_source": run.get("data_source"), "n_test": run.get("n_test")}
        for run in runs
        for found in run.get("details", "clusters") or []
    ]
    return DataFrame(rows, columns=None if rows else ["dataset", "model", "seed", "method"])
