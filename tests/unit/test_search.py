"""Candidates of a search: drawn, named, chosen for the next rung, ranked."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import registry, search, search_rank
from geoml.errors import InputError
from geoml.tasks.patchnet import topology
from geoml.tasks.patchnet.space import DEFAULT

SMALL = DEFAULT | {"n0": [4, 8], "n2": [4, 8], "w": [10, 20], "r": [2, 4], "k": [2, 3], "p": [2, 3]}
SETTINGS = {"candidates": 5, "space": SMALL, "seed": 3, "limits": {}, "args": {}}


def drawn(path: Path, **changes: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Candidates with these settings, and how many were left out."""
    left_out = search.draw("patchnet", SETTINGS | changes, path / "candidates.jsonl")
    return list(search.read_lines(path / "candidates.jsonl")), left_out


def result(number: int, score: float | None = 0.9, **more: Any) -> dict[str, Any]:
    """A line of a batch."""
    content = {"job_id": f"{number:012d}", "index": number, "seed": 3, "args": {"padding": "valid"}}
    content |= {"document": topology.V1_VALID, "parameters": 1000, "macs": 5000, "data_source": "synthetic"}
    spent: dict[str, Any] = {"epochs": 2, "seconds": 1.5, "train_s": 1.0, "validate_s": 0.25, "records": []}
    if score is None:
        return content | spent | {"status": "failed", "reason": "the loss is nan"} | more
    spent["records"] = [[1, 4, 0.7, score - 0.1], [2, 4, 0.6, score]]
    done = {"status": "done", "reason": "", "val_accuracy": score, "val_loss": 0.6, "n_train": 64, "n_val": 50}
    return content | spent | done | {"stopped_by": "epochs", "latency_ms": 2.0, "samples_per_s": 300.0} | more


def ranked(folder: Path, *rungs: list[dict[str, Any]], tolerance: float = 0) -> tuple[list[dict[str, str]], dict]:
    """Rows of ``ranking.csv``, and ``best.json``."""
    files = [[folder / f"rung{rung}.jsonl"] for rung in range(len(rungs))]
    for (file,), rows in zip(files, rungs, strict=True):
        search.write_lines(file, rows)
    settings = {"dataset": "patches", "args": {"padding": "valid"}, "tolerance": tolerance}
    search_rank.rank("patchnet", "halving", settings, files, folder / "ranking.csv", folder / "best.json")
    with open(folder / "ranking.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), json.loads((folder / "best.json").read_text())


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["job_id"]) for row in rows]


# -- names and draws


def test_a_job_is_named_by_what_its_document_says_and_not_by_the_order_of_it():
    assert search.job_id({"n0": 4, "blocks": [{"w": 10, "kM": 1}]}, 3) == "d5427d8b184d"
    assert search.job_id({"blocks": [{"kM": 1, "w": 10}], "n0": 4}, 3) == "d5427d8b184d"
    others = [({"n0": 5, "blocks": [{"w": 10, "kM": 1}]}, 3), ({"n0": 4, "blocks": [{"w": 10, "kM": 1}]}, 4)]
    assert "d5427d8b184d" not in {search.job_id(*other) for other in others}


def test_a_candidate_follows_from_the_seed_and_its_number_alone(tmp_path: Path):
    few, many = drawn(tmp_path)[0], drawn(tmp_path, candidates=50)[0]
    assert many[:5] == few
    assert [row["index"] for row in many] == list(range(50))
    assert not {row["job_id"] for row in many} & {row["job_id"] for row in drawn(tmp_path, seed=4)[0]}
    space = registry.load_task("patchnet", "space")
    assert many[17]["document"] == space.draw(SMALL, 3, 17)
    assert many[17]["job_id"] == search.job_id(many[17]["document"], 3)
    assert {key: many[17][key] for key in ("parameters", "macs")} == space.size(many[17]["document"])


def test_the_same_network_drawn_twice_is_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    space = registry.load_task("patchnet", "space")
    original = space.draw
    monkeypatch.setattr(space, "draw", lambda of, seed, index: original(of, seed, index // 3))
    rows, left_out = drawn(tmp_path)
    assert [row["index"] for row in rows] == [0, 3, 6, 9, 12]
    assert left_out == {"drawn before": 8}


def test_candidates_above_a_limit_are_left_out_and_counted(tmp_path: Path):
    free, limits = drawn(tmp_path, candidates=40)[0], {"parameters": 3000.0, "macs": 1e6}
    rows, left_out = drawn(tmp_path, candidates=10, limits=limits)
    within = [row for row in free if row["parameters"] <= 3000 and row["macs"] <= 1e6]
    assert 0 < len(within) < 40
    assert rows[: len(within)] == within[:10]
    assert sum(left_out.values()) == rows[-1]["index"] + 1 - 10
    assert set(left_out) <= {"parameters above 3000", "macs above 1e+06"} and left_out


def test_limits_that_nothing_keeps_within_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "_DRAWS", 50)
    with pytest.raises(InputError, match=r"candidates\.jsonl: limits: expected 5 different candidates within .*"
                       r"got 0 in 51 draws\. Left out: \{'parameters above 10': 51\}"):  # fmt: skip
        drawn(tmp_path, limits={"parameters": 10})
    assert not (tmp_path / "candidates.jsonl").exists()


def test_rare_candidates_are_waited_for_as_long_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "_DRAWS", 10)
    space = registry.load_task("patchnet", "space")
    monkeypatch.setattr(space, "size", lambda document, **args: {"parameters": 1, "macs": next(macs)})
    macs = iter([9, 9, 9, 9, 9, 9, 9, 9, 9, 1] * 5)
    rows, left_out = drawn(tmp_path, limits={"macs": 5})
    assert [row["index"] for row in rows] == [9, 19, 29, 39, 49] and left_out == {"macs above 5": 45}


def test_networks_that_do_not_fit_without_padding_are_left_out(tmp_path: Path):
    large = SMALL | {"k": [2, 3, 4], "p": [2, 3, 4]}
    rows, left_out = drawn(tmp_path, space=large, args={"padding": "valid"}, candidates=3)
    assert len(rows) == 3 and left_out["cannot be built"] > 0
    assert all(row["args"] == {"padding": "valid"} for row in rows)
    assert "cannot be built" not in drawn(tmp_path, space=large)[1]


def test_ten_thousand_candidates_are_all_different(tmp_path: Path):
    rows, left_out = drawn(tmp_path, space=DEFAULT, candidates=10_000)
    assert len({row["job_id"] for row in rows}) == 10_000 and not left_out


def test_a_file_that_is_no_list_of_documents_is_named(tmp_path: Path):
    (tmp_path / "cut.jsonl").write_text('{"a": 1}\n{"a"')
    with pytest.raises(InputError, match=r"cut\.jsonl: line 2: expected JSON.*Delete the file"):
        list(search.read_lines(tmp_path / "cut.jsonl"))
    with pytest.raises(InputError, match=r"none\.jsonl: file: expected results of a search, got no such file"):
        list(search.read_lines(tmp_path / "none.jsonl"))


# -- rungs


@pytest.mark.parametrize(
    ("candidates", "rungs", "reduce", "batch", "sizes", "jobs"),
    [
        (27, [1, 2, 4], 3, 9, [27, 9, 3], [3, 1, 1]),
        (10_000, [60], 3, 100, [10_000], [100]),
        (10_001, [60], 3, 100, [10_001], [101]),
        (5, [1, 2, 3, 4], 2, 2, [5, 2, 1, 1], [3, 1, 1, 1]),
    ],
)
def test_every_rung_has_its_share_of_candidates_and_jobs(candidates, rungs, reduce, batch, sizes, jobs):
    settings = {"candidates": candidates, "rungs": rungs, "reduce": reduce, "batch": batch}
    assert search.rungs(settings) == sizes
    assert [search.batches(settings, rung) for rung in range(len(rungs))] == jobs


def test_the_best_of_all_batches_go_on_and_those_that_failed_do_not(tmp_path: Path):
    settings = {"candidates": 6, "rungs": [1, 2], "reduce": 2, "batch": 3}
    rows = [result(0, 0.5), result(1, None), result(2, 0.9), result(3, 0.9, macs=10), result(4, 0.7), result(5, 0.6)]
    search.write_lines(tmp_path / "candidates.jsonl", rows)
    files = [tmp_path / "batch0.jsonl", tmp_path / "batch1.jsonl"]
    for file, part in zip(files, (rows[:3], rows[3:]), strict=True):
        search.write_lines(file, part)
    assert numbers(search.chosen(settings, 0, tmp_path / "candidates.jsonl", [])) == [0, 1, 2, 3, 4, 5]
    assert numbers(search.chosen(settings, 1, tmp_path / "candidates.jsonl", files)) == [3, 2, 4]
    search.write_lines(files[1], [result(number, None) for number in (3, 4, 5)])
    assert numbers(search.chosen(settings, 1, tmp_path / "candidates.jsonl", files)) == [2, 0]


# -- the ranking


def test_the_ranking_is_by_score_then_by_operations_and_ends_with_those_that_failed(tmp_path: Path):
    rows = [result(0, 0.8), result(1, None), result(2, 0.9), result(3, 0.9, macs=10), result(4, 0.95)]
    table, best = ranked(tmp_path, rows)
    assert numbers(table) == [4, 3, 2, 0, 1]
    assert [row["status"] for row in table] == ["done"] * 4 + ["failed"]
    assert best["job_id"] == "000000000004"
    assert (best["compared"], best["failed"], best["epochs"], best["seconds"]) == (5, 1, 10, 7.5)
    assert (best["document"], best["args"], best["seed"]) == (topology.V1_VALID, {"padding": "valid"}, 3)


def test_the_ranking_has_every_hyper_parameter_what_was_spent_and_the_columns_of_the_original(tmp_path: Path):
    records = [[1, 4, 0.7, score] for score in (0.1, 0.5, 0.9, 0.6, 0.7, 0.8)]
    (row, failed), _ = ranked(tmp_path, [result(7, 0.9, records=records), result(8, None)])
    assert {key: row[key] for key in ("dataset", "search", "job_id", "status", "parameters", "macs", "epochs",
                                      "seconds", "val_accuracy", "latency_ms", "data_source", "padding")} == {
        "dataset": "patches", "search": "halving", "job_id": "000000000007", "status": "done", "parameters": "1000",
        "macs": "5000", "epochs": "2", "seconds": "1.5", "val_accuracy": "0.9", "latency_ms": "2",
        "data_source": "synthetic", "padding": "valid"}  # fmt: skip
    flat = topology.flat(topology.V1_VALID)
    assert len(flat) > 40 and {key: row[key] for key in flat} == {key: str(value) for key, value in flat.items()}
    assert float(row["mean top5"]) == 0.7 and float(row["mean top3"]) == pytest.approx(0.8)
    assert float(row["largest accuracy"]) == 0.9 and float(row["trainable para. (M)"]) == 0.001
    assert row["ramdom scales of perception layer"] == "No" and float(row["Speed"]) == 300
    assert 0.75 < float(row["val_accuracy_ci_low"]) < 0.9 < float(row["val_accuracy_ci_high"]) < 1
    assert (failed["reason"], failed["epochs"], failed["n0"]) == ("the loss is nan", "2", "137")
    assert {failed[key] for key in ("val_accuracy", "mean top5", "Speed", "val_accuracy_ci_low", "pareto")} == {"", "0"}
    assert not [key for key in row if key.startswith("rung")]


def test_a_candidate_of_a_later_rung_stands_before_all_that_did_not_get_there(tmp_path: Path):
    first = [result(0, 0.7), result(1, 0.9), result(2, 0.8), result(3, 0.85)]
    second = [result(1, 0.75, epochs=6, seconds=4.0), result(3, 0.78, epochs=6, seconds=4.0)]
    table, best = ranked(tmp_path, first, second)
    assert numbers(table) == [3, 1, 2, 0]
    assert [row["rung0_val_accuracy"] for row in table] == ["0.85", "0.9", "0.8", "0.7"]
    assert [row["rung1_val_accuracy"] for row in table] == ["0.78", "0.75", "", ""]
    assert [row["val_accuracy"] for row in table] == ["0.78", "0.75", "0.8", "0.7"]
    assert best["job_id"] == "000000000003"
    assert best["epochs"] == 6 + 6 + 2 + 2  # those of the second rung include those of the first


def test_where_a_whole_rung_fails_the_best_of_the_one_before_is_taken(tmp_path: Path):
    _, best = ranked(tmp_path, [result(0, 0.7), result(1, 0.9)], [result(1, None)])
    assert best["job_id"] == "000000000000"


@pytest.mark.parametrize(("tolerance", "winner"), [(0, 1), (0.01, 2), (0.1, 3), (1, 4)])
def test_within_the_tolerance_fewer_operations_win(tmp_path: Path, tolerance: float, winner: int):
    rows = [result(1, 0.8, macs=400), result(2, 0.79, macs=300), result(3, 0.7, macs=200), result(4, 0.5, macs=100)]
    assert ranked(tmp_path, rows, tolerance=tolerance)[1]["job_id"] == f"{winner:012d}"


def test_a_search_in_which_everything_failed_has_no_best(tmp_path: Path):
    rows = [result(number, None, reason="out of memory" if number else "cannot be built") for number in range(3)]
    with pytest.raises(InputError, match=r"candidates: expected at least one.*none: \[\('out of memory', 2\)"):
        ranked(tmp_path, rows)
    assert not (tmp_path / "best.json").exists()


def test_the_front_is_that_of_comparing_every_two():
    keys = ("parameters", "macs", "latency_ms")
    for seed in range(30):
        values = np.random.default_rng(seed).integers(0, 4 + seed, (40, 4))
        rows = [
            result(number, value[0] / 100) | dict(zip(keys, value[1:].tolist(), strict=True))
            for number, value in enumerate(values)
        ]
        costs = [(-row["val_accuracy"], *(row[key] for key in keys)) for row in rows]
        better = [
            any(other != cost and all(a <= b for a, b in zip(other, cost, strict=True)) for other in costs)
            for cost in costs
        ]
        front = search_rank.pareto(rows)
        # Of several that are alike in all four, one stands for all.
        assert {cost for cost, worse in zip(costs, better, strict=True) if not worse} == {
            cost for cost, row in zip(costs, rows, strict=True) if row["job_id"] in front
        }
        assert len(front) == len({costs[int(name)] for name in front})


def test_the_front_is_marked_in_the_ranking(tmp_path: Path):
    rows = [result(0, 0.9), result(1, 0.8, macs=10), result(2, 0.8, macs=20), result(3, None, macs=1)]
    table, _ = ranked(tmp_path, rows)
    assert Counter({int(row["job_id"]): int(row["pareto"]) for row in table}) == {0: 1, 1: 1, 2: 0, 3: 0}


def test_a_variant_takes_the_best_network_with_the_arguments_of_its_search(tmp_path: Path):
    _, best = ranked(tmp_path, [result(0, 0.9)])
    variant = {"model": "searched", "args": {"dropout": 0.2}, "best_of": "halving"}
    found = search_rank.with_best(variant, tmp_path / "best.json")
    assert found["args"] == {"padding": "valid", "dropout": 0.2, "candidate": best["document"]}
    assert variant["args"] == {"dropout": 0.2}
    assert search_rank.with_best(variant) is variant
