"""All candidates of a task's searches in one table, and how far its searches agree."""

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoml.search import SCORE

if TYPE_CHECKING:
    from pandas import DataFrame

_TOP = 10


def together(rankings: list[Path]) -> "DataFrame":
    """Rows of all rankings; a hyper-parameter that one search does not have is empty there."""
    import pandas as pd

    return pd.concat([pd.read_csv(path, dtype={"job_id": str, "reason": str}) for path in rankings], ignore_index=True)


def pairs(table: "DataFrame") -> "DataFrame":
    """Every two searches on the same data: what each spent, its best score, and how many of their top ten they share.

    Once as they are, and once at equal budget: of the search that trained more epochs only as many candidates count, in
    the order in which they were drawn, as the other one's epochs would have paid for. That is done for searches of one
    rung; what a halving would have done with less cannot be read off its results.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for dataset, of_dataset in table.groupby("dataset", sort=False):
        searches = dict(iter(of_dataset.groupby("search", sort=False)))
        for first, second in combinations(searches, 2):
            a, b = searches[first], searches[second]
            rows.append(_row(dataset, "as trained", first, a, second, b))
            less, more = sorted((first, second), key=lambda name: searches[name]["epochs"].sum())
            if "rung0_" + SCORE in searches[more].dropna(axis=1, how="all"):
                continue
            cut = _worth(searches[more], searches[less]["epochs"].sum())
            rows.append(_row(dataset, "equal epochs", less, searches[less], more, cut))
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["dataset", "budget", "search", "other"])


def _worth(search: "DataFrame", epochs: float) -> "DataFrame":
    """The candidates of a search that were drawn first, for so many epochs; as ranked."""
    spent = search.sort_values("index")["epochs"].cumsum()
    return search[spent.reindex(search.index) <= epochs]


def _row(dataset: Any, budget: str, first: str, a: "DataFrame", second: str, b: "DataFrame") -> dict[str, Any]:
    top = [set(_best(search)["job_id"][:_TOP]) for search in (a, b)]
    row: dict[str, Any] = {"dataset": dataset, "budget": budget, "search": first, "other": second}
    for prefix, search in (("", a), ("other_", b)):
        best = _best(search)
        row |= {
            f"{prefix}candidates": len(search),
            f"{prefix}failed": int((search["status"] != "done").sum()),
            f"{prefix}epochs": int(search["epochs"].sum()),
            f"{prefix}seconds": float(search["seconds"].sum()),
            f"{prefix}best_{SCORE}": float(best[SCORE].iloc[0]) if len(best) else None,
        }
    return row | {
        "candidates_in_both": len(set(a["job_id"]) & set(b["job_id"])),
        "top": _TOP,
        "top_shared": len(top[0] & top[1]),
        "data_source": a["data_source"].iloc[0],
    }


def _best(search: "DataFrame") -> "DataFrame":
    """Candidates that were trained, as ranked."""
    return search[search["status"] == "done"]
