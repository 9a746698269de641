"""The figures of the patch task: they appear, for all that tables can hold, and show what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from geoml import plotting
from geoml.tasks.patchnet import space, topology
from geoml.tasks.patchnet.figures import document_of, draw_run, draw_task

SMALL = space.DEFAULT | {"n0": [8, 32], "n2": [8, 32], "w": [32, 96], "r": [8, 48]}
KINDS = ("best", "front", "scores")
RUN = {"task": "patchnet", "dataset": "patches", "variant": "v1_valid", "seed": 0}
HISTORY = {"loss": [0.7, 0.5], "val_loss": [0.65, 0.6], "accuracy": [0.5, 0.8], "val_accuracy": [0.6, 0.7]}


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pixels: drawing them takes longest."""
    monkeypatch.setitem(plotting._STYLE, "savefig.dpi", 40)


def drawn(seed: int) -> topology.Document:
    """A candidate of the small space."""
    return space.draw(SMALL, seed, 0)


def search(name: str, n: int, rungs: int = 1, failed: int = 0, dataset: str = "patches", score: float = 0.7) -> Any:
    """Rows of a made-up search, the best first; of more rungs, each goes on with half of the one before."""
    rng = np.random.default_rng([n, rungs])
    rows: list[dict[str, Any]] = []
    for index in range(n):
        document = drawn(index)
        row = {"dataset": dataset, "search": name, "job_id": f"{index:012x}", "status": "done"}
        accuracy = float(np.clip(score + 0.25 * rng.random() * (n > 1), 0, 1))
        row |= {"val_accuracy": accuracy, "latency_ms": 1 + rng.random(), "pareto": int(index % 3 == 0)}
        row |= {"data_source": "synthetic", "mean top5": accuracy - 0.01, "padding": "same"}
        row |= space.size(document) | topology.flat(document)
        for rung in range(rungs if rungs > 1 else 0):
            if index < n / 2**rung:
                row[f"rung{rung}_val_accuracy"] = accuracy - 0.1 / (rung + 1) * rng.random()
        if index >= n - failed:
            row = {key: row[key] for key in ("dataset", "search", "job_id", "data_source")} | {"status": "failed"}
        rows.append(row)
    return pd.DataFrame(rows)


def compare(*trained: str, dataset: str = "patches") -> pd.DataFrame:
    """Four networks, some of them trained."""
    rows = []
    networks = {"v1_search": 2.768, "best_found": 0.0272, "resnet50": 89.97, "vgg16": 512.3}
    for i, (model, size) in enumerate(networks.items()):
        row: dict[str, Any] = {"dataset": dataset if model in trained else "", "model": model}
        score = {"accuracy": 0.9 + 0.02 * i, "accuracy_ci_low": 0.88 + 0.02 * i, "accuracy_ci_high": 0.91 + 0.02 * i}
        row |= score if model in trained else dict.fromkeys(score)
        row |= {"data_source": "synthetic", "n_test": 90} if model in trained else {}
        row |= {"macs": 1e6 * (1 + 200 * i), "size_mb": size, "patches_per_s": 2000 / (1 + 9 * i)}
        rows.append(row | {"patches_per_s_batch1": 700 / (1 + 9 * i)})
    return pd.DataFrame(rows)


def through_csv(folder: Path, **tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables as whoever draws them reads them."""
    found = {}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        found[name] = pd.read_csv(folder / f"{name}.csv")
    return found


def names(folder: Path) -> set[str]:
    """Stems of the figures; every one is there as PNG and SVG, and not blank."""
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 5, path
    assert {path.stem for path in folder.glob("*.png")} == {path.stem for path in folder.glob("*.svg")}
    return {path.stem for path in folder.glob("*.png")}


def figures(tmp_path: Path, *searches: pd.DataFrame, table: pd.DataFrame | None = None) -> set[str]:
    tables = {"patchnet_compare": compare("v1_search", "best_found") if table is None else table}
    if searches:
        tables["patchnet_search"] = pd.concat(searches, ignore_index=True)
    folder = tmp_path / "figures"
    folder.mkdir()
    draw_task(folder, through_csv(tmp_path, **tables))
    return names(folder)


def of(*kinds: str, dataset: str = "patches") -> set[str]:
    return {"compare", *(f"search_{kind}_{dataset}" for kind in kinds)}


@pytest.mark.parametrize("document", [topology.V1, topology.V1_VALID, *map(drawn, range(4))])
def test_a_row_of_the_table_gives_its_candidate_again(tmp_path: Path, document: topology.Document):
    failed = pd.DataFrame([{"status": "failed"}])
    table = pd.concat([pd.DataFrame([topology.flat(document) | {"status": "done"}]), failed], ignore_index=True)
    (read,) = through_csv(tmp_path, table=table).values()
    assert document_of(read.iloc[0]) == document


def test_without_a_search_networks_are_compared(tmp_path: Path):
    assert figures(tmp_path) == {"compare"}


def test_two_searches_one_of_them_with_rungs(tmp_path: Path):
    assert figures(tmp_path, search("random", 12), search("halving", 16, 3)) == of(*KINDS, "rungs_halving")


def test_searches_on_two_data_sets_have_figures_of_their_own(tmp_path: Path):
    found = figures(tmp_path, search("random", 6), search("other", 6, dataset="physics"))
    assert found == of(*KINDS) | of(*KINDS, dataset="physics")


def test_all_of_the_largest_network_is_inside_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: (seen.append(figure), path.touch()))
    document = topology.V1 | {"blocks": [block | {"r1": 383, "r2": 383} for block in topology.V1["blocks"]]}
    rows = search("random", 1).assign(**topology.flat(document))
    draw_task(tmp_path, {"patchnet_compare": compare(), "patchnet_search": rows})
    ((axes,),) = [figure.axes for figure in seen if len(figure.axes) == 1][:1]
    (low, high), boxes = axes.get_ylim(), [box.get_bbox() for box in axes.patches]
    assert len(boxes) == len([row for row in topology.layers(document) if row.kind != "crop"])
    assert min(box.y0 for box in boxes) > low and max(box.y1 for box in boxes) < high


def test_failed_candidates_are_left_out_and_rungs_on_which_all_are_alike_have_no_rank_correlation(tmp_path: Path):
    """As after one epoch that has taught nothing."""
    table = search("halving", 8, 2, failed=3)
    table["rung0_val_accuracy"] = 0.5
    assert figures(tmp_path, search("random", 6, failed=6), table) == of(*KINDS, "rungs_halving")


def test_a_search_in_which_all_failed_has_no_figures(tmp_path: Path):
    assert figures(tmp_path, search("random", 4, failed=4)) == {"compare"}


@pytest.mark.parametrize("score", [0.3, 1.0])
def test_one_candidate(tmp_path: Path, score: float):
    rows = search("random", 1, score=score)
    if score == 1:
        rows = rows.assign(padding="valid", **topology.flat(topology.V1_VALID))
    assert figures(tmp_path, rows) == of(*KINDS)


@pytest.mark.parametrize("trained", [(), ("best_found",)])
def test_few_trained_networks(tmp_path: Path, trained: tuple[str, ...]):
    assert figures(tmp_path, table=compare(*trained)) == {"compare"}


def run(folder: Path, test: int = 24, line: bool = True, precision: float | None = 0.5) -> set[str]:
    rng = np.random.default_rng(0)
    examples: dict[str, Any] = {
        "patches": rng.normal(size=(test, 48, 48)).astype(np.float32),
        "truth": rng.integers(0, 2, test).astype(np.int8),
        "said": rng.random(test),
        "by_epoch": {},
    }
    details: dict[str, Any] = {
        "confusion": {"val": [[40, 2], [3, 45]], "test": [[42, 3], [18, 27]]},
        "by_kind": {"bsr": {"n": 1234, "accuracy": 0.987}, "environment": {"n": 2, "accuracy": 0.0}},
    }
    if line:
        examples |= {"amplitudes": rng.normal(size=(240, 60)), "probability": rng.random((240, 60))}
        examples["bsr"] = np.where(np.arange(60) < 30, 100.0, np.nan)
        scores = {"precision": precision, "recall": 0.25, "f1": 0.3}
        details["line"] = {"traces": 60, "samples": 240, "default": "sliding", "sliding": scores}
    metrics = {"run": RUN, "details": details, "data_source": "synthetic", "n_train": 420}
    folder.mkdir(exist_ok=True)
    draw_run(folder, metrics, HISTORY, examples)
    return names(folder)


def test_a_run_has_four_figures(tmp_path: Path):
    assert run(tmp_path / "run") == {"confusion", "training", "gallery", "line"}


@pytest.mark.parametrize("test", [1, 13])
def test_a_run_without_a_line_has_three_whatever_its_patches(tmp_path: Path, test: int):
    assert run(tmp_path / "run", test, line=False) == {"confusion", "training", "gallery"}


def test_what_is_undefined_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    keep = Figure.savefig

    def savefig(figure: Figure, *args: Any, **kwargs: Any) -> None:
        said.extend(axes.get_title(loc="left") for axes in figure.axes)
        keep(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    run(tmp_path / "run", 1, precision=None)
    assert "no precision, recall 0.25 of samples at probability 0.5 (sliding window)" in said
