"""The jobs of a search: how many there are, and what a change of the configuration makes Snakemake do again."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Project, copy_tree

SEARCH = "results/search/patchnet/patches"
BATCHES = [f"Train batch {batch} of rung {rung} of the search halving" for rung, batch in ((0, 0), (0, 1), (1, 0))]
DRAW, RANK = "Draw the candidates of the search halving", "Rank the candidates of the search halving"

# Snakemake's part is tested here, so that the training may be as fast as it likes; it writes what the real one does.
QUICK = '''"""Instead of the training."""

from geoml.search import chosen, write_lines


def train_batch(task, settings, data, rung, batch, candidates, earlier, out, work, *, device, threads):
    first = batch * settings["batch"]
    found = chosen(settings, rung, candidates, earlier)[first : first + settings["batch"]]
    done = {"status": "done", "reason": "", "val_accuracy": 0.5, "n_val": 9, "epochs": 1, "seconds": 1.0}
    done |= {"latency_ms": 1.0, "records": [], "data_source": "synthetic"}
    write_lines(out, [candidate | done for candidate in found])
'''


def configuration(**changes: Any) -> dict[str, Any]:
    """One search of a rung or more, and a variant that takes its best."""
    small = {"n0": [4, 8], "n2": [4, 8], "w": [10, 20], "r": [2, 4], "k": [2, 3], "p": [2, 3]}
    search = {"dataset": "patches", "candidates": 6, "batch": 3, "rungs": [1, 2], "space": small} | changes
    task = {
        "datasets": {"patches": {"source": "synthetic", "rows": 60, "generate": {"line": None}}},
        "searches": {"halving": search},
        "variants": {"best_found": {"model": "searched", "best_of": "halving"}},
    }
    return {"tasks": {"patchnet": task}}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The workflow, where nothing was run."""
    folder = tmp_path_factory.mktemp("search") / "project"
    copy_tree(folder)
    return Project(folder, configuration())


@pytest.fixture(scope="module")
def finished(bare: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A search that was run to its table."""
    project = bare.copy(tmp_path_factory.mktemp("finished") / "project")
    (project.folder / "geoml/search_batch.py").write_text(QUICK)
    project.snakemake("--quiet", "--", "results/tables/patchnet_search.csv")
    return project


@pytest.fixture
def project(finished: Project) -> Project:
    """The configuration may be changed, nothing else: these are dry-runs."""
    return Project(finished.folder, yaml.safe_load(yaml.safe_dump(finished.config)))


def planned(project: Project) -> list[str]:
    return project.planned("--", "results/tables/patchnet_search.csv")


def counts(project: Project, *targets: str) -> dict[str, int]:
    """Number of jobs by rule."""
    output = project.snakemake("-n", "--quiet", "rules", "--", *targets).stdout
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


def with_search(project: Project, **changes: Any) -> Project:
    project.config["tasks"]["patchnet"]["searches"]["halving"] |= changes
    return project


@pytest.mark.parametrize(
    ("search", "jobs"),
    [
        ({"candidates": 10_000, "batch": 100, "rungs": [60]}, 100),
        ({"candidates": 10_000, "batch": 99, "rungs": [60]}, 102),
        ({"candidates": 2187, "batch": 100, "rungs": [2, 6, 18, 60]}, 22 + 8 + 3 + 1),
    ],
)
def test_a_search_has_a_job_a_batch_and_one_draw_and_one_ranking(search: dict[str, Any], jobs: int, bare: Project):
    found = counts(Project(bare.folder, configuration(**search)), f"{SEARCH}/halving/best.json")
    assert found == {
        "generate_dataset": 1,
        "prepare_dataset": 1,
        "draw_candidates": 1,
        "search_batch": jobs,
        "rank_search": 1,
        "total": jobs + 4,
    }


def test_the_tables_and_the_best_network_are_made_without_asking(bare: Project):
    found = counts(bare)
    assert found["search_table"] == found["train"] == found["rank_search"] == 1
    assert found["search_batch"] == 3


def test_a_finished_search_is_not_run_again(project: Project):
    for name in ("ranking.csv", "best.json", "rung1/batch0.jsonl"):
        assert (project.folder / SEARCH / "halving" / name).is_file()
    assert planned(project) == []


def test_another_tolerance_only_ranks_again(project: Project):
    found = planned(with_search(project, tolerance=0.1))
    assert found == sorted([RANK, "Table of all candidates of patchnet"])


@pytest.mark.parametrize(
    "change",
    [{"limits": {"parameters": 1e6}}, {"space": {"n0": [4, 9]}}, {"seed": 1}, {"args": {"padding": "valid"}}],
    ids=str,
)
def test_another_space_is_drawn_from_again_and_trained_again(project: Project, change: dict[str, Any]):
    assert {DRAW, RANK, *BATCHES} <= set(planned(with_search(project, **change)))


@pytest.mark.parametrize("change", [{"fit": {"learning_rate": 0.1}}, {"share": 0.4}, {"patience": 1}], ids=str)
def test_another_training_is_trained_again_and_not_drawn_again(project: Project, change: dict[str, Any]):
    found = planned(with_search(project, **change))
    assert {RANK, *BATCHES} <= set(found) and DRAW not in found


def test_more_candidates_are_drawn_and_trained_in_more_jobs(project: Project):
    found = planned(with_search(project, candidates=9))
    assert {DRAW, RANK, *BATCHES, "Train batch 2 of rung 0 of the search halving"} <= set(found)


def test_another_search_touches_no_finished_one(project: Project):
    searches = project.config["tasks"]["patchnet"]["searches"]
    searches["random"] = searches["halving"] | {"rungs": [2], "batch": 6}
    assert planned(project) == sorted(
        [
            "Draw the candidates of the search random",
            "Train batch 0 of rung 0 of the search random",
            "Rank the candidates of the search random",
            "Table of all candidates of patchnet",
        ]
    )


def test_a_lost_batch_is_trained_again_with_all_that_follows_from_it_where_that_is_wanted(
    project: Project, tmp_path: Path
):
    project = project.copy(tmp_path / "project")
    (project.folder / SEARCH / "halving/rung0/batch1.jsonl").unlink()
    assert planned(project) == []  # the table is there, and nobody needs the batch
    for lost in (f"{SEARCH}/halving/ranking.csv", "results/tables/patchnet_search.csv"):
        (project.folder / lost).unlink()
    assert planned(project) == sorted([BATCHES[1], BATCHES[2], RANK, "Table of all candidates of patchnet"])
