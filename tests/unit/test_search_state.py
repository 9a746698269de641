"""Where a search stands, and what a second try for failed candidates changes: nothing that runs."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from geoml import cli, search_state
from geoml.files import write_json
from geoml.search import read_lines, write_lines

SETTINGS: dict[str, Any] = {"dataset": "patches", "candidates": 6, "batch": 2, "rungs": [1, 2], "reduce": 3}
SEARCHES = {"halving": SETTINGS}
RESULTS, WORK = Path("results/search/patchnet/patches/halving"), Path("checkpoints/search/patchnet/patches/halving")


def rows(*statuses: str) -> list[dict[str, Any]]:
    return [
        {"job_id": f"{i}", "status": status, "reason": "the loss is nan" * (status == "failed")}
        for i, status in enumerate(statuses)
    ]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One batch done, one stopped long ago, one running."""
    monkeypatch.chdir(tmp_path)
    write_lines(RESULTS / "rung0/batch0.jsonl", rows("done", "failed"))
    write_lines(WORK / "rung0_batch1.jsonl", rows("failed"))
    write_lines(WORK / "rung0_batch2.jsonl", rows("failed"))
    for batch, age in ((1, 2 * search_state.STALE_S), (2, 5)):
        marker = WORK / f"rung0_batch{batch}.json"
        write_json(marker, {"job_id": f"b{batch}", "epochs": 3, "tries": 1, "process": 1})
        os.utime(marker, (time.time() - age,) * 2)
    return tmp_path


def test_the_report_counts_what_is_done_failed_running_and_waiting(files: Path):
    lines = list(search_state.report("patchnet", SEARCHES))
    assert lines[0] == "patchnet/patches/halving"
    assert lines[1] == "  rung 1, up to 1 epochs, 3 jobs: 1 done, 3 failed, 1 running, 1 waiting"
    assert lines[2] == "    failed 3: the loss is nan"
    assert lines[3].startswith("    batch1: stopped, goes on when it is started again: b1 after 3 epochs, 7,2")
    assert lines[4].startswith("    batch2: running: b2 after 3 epochs")
    assert lines[5] == "  rung 2, up to 2 epochs, 1 jobs: 0 done, 0 failed, 0 running, 2 waiting"


def test_a_second_try_is_only_announced_without_yes(files: Path):
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    lines = list(search_state.retry_failed("patchnet", SEARCHES, really=False))
    assert lines == [
        f"1 of 2 candidates to be trained again: {RESULTS}/rung0/batch0.jsonl",
        f"1 of 1 candidates to be trained again: {RESULTS}/rung0/batch1.jsonl",
        f"left alone, it runs: {WORK}/rung0_batch2.jsonl",
    ]
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


def test_a_second_try_keeps_what_was_trained_and_leaves_alone_what_runs(files: Path):
    follows = [RESULTS / "ranking.csv", RESULTS / "best.json", Path("results/tables/patchnet_search.csv")]
    for path in follows:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    list(search_state.retry_failed("patchnet", SEARCHES, really=True))
    assert not any(path.exists() for path in follows), "or Snakemake would see nothing to do"
    assert not (RESULTS / "rung0/batch0.jsonl").exists()
    assert [row["status"] for row in read_lines(WORK / "rung0_batch0.jsonl")] == ["done"]
    assert list(read_lines(WORK / "rung0_batch1.jsonl")) == []
    assert not (WORK / "rung0_batch1.json").exists()
    assert [row["status"] for row in read_lines(WORK / "rung0_batch2.jsonl")] == ["failed"]
    assert (WORK / "rung0_batch2.json").exists()


def test_the_command_says_where_the_searches_of_a_configuration_stand(files: Path, capsys: pytest.CaptureFixture[str]):
    Path("c.yaml").write_text(
        "tasks:\n  patchnet:\n    datasets: {patches: {source: synthetic, rows: 60}}\n"
        "    searches: {halving: {dataset: patches, candidates: 6, batch: 2, rungs: [1, 2]}}\n"
        "    variants: {v1: {model: v1_search, datasets: []}}\n"
    )
    assert cli.main(["search", "patchnet", "--config", "c.yaml"]) == 0
    assert "1 done, 3 failed, 1 running, 1 waiting" in capsys.readouterr().out
    assert cli.main(["search", "patchnet", "--config", "c.yaml", "--retry-failed"]) == 0
    assert capsys.readouterr().out.endswith("nothing was changed: give --yes, then run the workflow again\n")
    assert cli.main(["search", "patchnet", "--config", "c.yaml", "--retry-failed", "--yes"]) == 0
    assert not (RESULTS / "rung0/batch0.jsonl").exists()
