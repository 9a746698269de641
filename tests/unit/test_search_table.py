"""The table of all searches, and the comparison of every two."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from geoml.search_table import pairs, together


def ranking(path: Path, name: str, scores: list[float | None], epochs: int = 2, **columns: Any) -> Path:
    """A ranking of candidates 0, 1, ...; where the score is None, the candidate failed."""
    rows = [
        {
            "dataset": "patches",
            "search": name,
            "job_id": f"{index:012d}",
            "status": "failed" if score is None else "done",
            "reason": "the loss is nan" if score is None else None,
            "val_accuracy": score,
            "epochs": epochs,
            "seconds": 1.5,
            "data_source": "synthetic",
            "index": index,
        }
        | columns
        for index, score in enumerate(scores)
    ]
    rows.sort(key=lambda row: (row["status"] != "done", -(row["val_accuracy"] or 0)))
    pd.DataFrame(rows).to_csv(path / f"{name}.csv", index=False)
    return path / f"{name}.csv"


def test_all_candidates_are_in_one_table_and_names_stay_text(tmp_path: Path):
    table = together([ranking(tmp_path, "a", [0.5, 0.9], n0=4), ranking(tmp_path, "b", [0.7, None], width=3)])
    assert table["search"].tolist() == ["a", "a", "b", "b"]
    assert table["job_id"].tolist() == ["000000000001", "000000000000", "000000000000", "000000000001"]
    assert table["n0"].isna().tolist() == [False, False, True, True]
    assert table["width"].isna().tolist() == [True, True, False, False]


def test_two_searches_are_compared_as_they_are_and_at_equal_epochs(tmp_path: Path):
    many = [index / 100 for index in range(30)]  # the last drawn are the best
    few = [index / 100 for index in range(15)]
    table = together([ranking(tmp_path, "random", many), ranking(tmp_path, "short", few)])
    trained, equal = pairs(table).to_dict("records")
    assert (trained["budget"], trained["search"], trained["other"]) == ("as trained", "random", "short")
    assert (trained["candidates"], trained["other_candidates"], trained["candidates_in_both"]) == (30, 15, 15)
    assert (trained["epochs"], trained["other_epochs"], trained["seconds"]) == (60, 30, 45)
    assert (trained["best_val_accuracy"], trained["other_best_val_accuracy"]) == (0.29, 0.14)
    assert (trained["top"], trained["top_shared"]) == (10, 0)
    # For 30 epochs the random search would have had its first 15 candidates: the other's.
    assert (equal["budget"], equal["search"], equal["other"]) == ("equal epochs", "short", "random")
    assert (equal["other_candidates"], equal["other_epochs"], equal["other_best_val_accuracy"]) == (15, 30, 0.14)
    assert equal["top_shared"] == 10


def test_the_shared_top_ten_counts_those_that_were_trained(tmp_path: Path):
    a = [0.9 - index / 100 for index in range(12)]
    b = [None, None, *a[2:]]
    (row, *_) = pairs(together([ranking(tmp_path, "a", a), ranking(tmp_path, "b", b)])).to_dict("records")
    assert row["top_shared"] == 8 and (row["failed"], row["other_failed"]) == (0, 2)


def test_a_halving_is_not_cut_short_but_a_random_search_is(tmp_path: Path):
    halving = ranking(tmp_path, "halving", [0.5] * 9, epochs=2, rung0_val_accuracy=0.4, rung1_val_accuracy=0.5)
    random = ranking(tmp_path, "random", [0.6] * 4, epochs=10)
    assert [row["budget"] for row in pairs(together([halving, random])).to_dict("records")] == [
        "as trained",
        "equal epochs",
    ]
    long = ranking(tmp_path, "halving", [0.5] * 9, epochs=20, rung0_val_accuracy=0.4, rung1_val_accuracy=0.5)
    assert pairs(together([long, random]))["budget"].tolist() == ["as trained"]


def test_searches_on_other_data_are_not_compared(tmp_path: Path):
    table = together([ranking(tmp_path, "a", [0.5]), ranking(tmp_path, "b", [0.5], dataset="lines")])
    assert pairs(table).empty and list(pairs(table)) == ["dataset", "budget", "search", "other"]


@pytest.mark.parametrize("scores", [[None, 0.5], [None, None, 0.5]])
def test_candidates_that_failed_do_not_stop_the_comparison(tmp_path: Path, scores: list[float | None]):
    table = together([ranking(tmp_path, "a", [0.5, 0.6], epochs=1), ranking(tmp_path, "b", scores, epochs=1)])
    assert pairs(table)["top_shared"].tolist()[0] <= 1
