"""What an architecture search costs beyond the training itself: drawing, planning, starting candidates, ranking."""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

from common import child, cpu_seconds, line, workspace

CANDIDATES, BATCH = 10_000, 100
TINY = {"n0": [8, 16], "n2": [8, 16], "w": [16, 32], "r": [4, 16]}
PAPER = {"train": 7000, "epochs": 60}  # half of the training patches of 20,000, as published
CONFIG = """
tasks:
  patchnet:
    datasets:
      patches: {{source: synthetic, rows: {rows}, generate: {{line: null}}}}
    searches:
      random: {{dataset: patches, candidates: {candidates}, batch: {batch}, rungs: [{epochs}], space: {space}}}
    variants:
      v1_search: {{model: v1_search, datasets: []}}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=int, default=6, help="candidates that are really trained")
    options = parser.parse_args()
    from geoml import config, search, search_rank

    with workspace() as folder:
        (folder / "large.yaml").write_text(
            CONFIG.format(rows=20000, candidates=CANDIDATES, batch=BATCH, epochs=60, space="{}")
        )
        task = config.resolve(config.read(folder / "large.yaml"))["tasks"]["patchnet"]
        settings = task["searches"]["random"]
        start = time.perf_counter()
        used, output = child(
            sys.executable, "-m", "snakemake", "-n", "--configfile", folder / "large.yaml", "--directory", folder / "n"
        )
        jobs = next(int(row.split()[1]) for row in output.splitlines() if row.startswith("search_batch"))
        print(f"{CANDIDATES:,} candidates of the published space, {BATCH} a job:")
        line("jobs that train", jobs, "jobs")
        line("dry-run, wall", time.perf_counter() - start, "s", "< 5", time.perf_counter() - start < 5)
        line("dry-run", used, "CPU s")
        line("drawing", cpu_seconds(lambda: search.draw("patchnet", settings, folder / "candidates.jsonl")), "CPU s")
        files = made_up(folder)
        size = sum(path.stat().st_size for path in files) / 1e6
        ranking, best = folder / "ranking.csv", folder / "best.json"
        used = cpu_seconds(lambda: search_rank.rank("patchnet", "random", settings, [files], ranking, best))
        line(f"ranking {len(files)} files, {size:.0f} MB, with the Pareto front", used, "CPU s")
        import pandas as pd

        line("reading the table", cpu_seconds(lambda: pd.read_csv(ranking)), "CPU s")
        train(folder, options.trained)


def made_up(folder: Path) -> list[Path]:
    """Result files as a search would leave them, with drawn scores: only how long they take to read is measured."""
    from geoml import search

    draw, files = random.Random(0), []
    rows = list(search.read_lines(folder / "candidates.jsonl"))
    for start in range(0, len(rows), BATCH):
        files.append(folder / "rung0" / f"batch{start // BATCH}.jsonl")
        done = []
        for row in rows[start : start + BATCH]:
            score = draw.uniform(0.5, 1)
            records = [(epoch, 10 * step, draw.random(), score) for epoch in range(20) for step in range(1, 11)]
            done.append(
                row | {"status": "done", "reason": "", "data_source": "synthetic", "val_accuracy": score}
                | {"val_loss": 1 - score, "n_train": 7000, "n_val": 1500, "stopped_by": "plateau", "epochs": 20}
                | {"latency_ms": draw.uniform(3, 9), "samples_per_s": 200.0, "seconds": 60.0, "train_s": 50.0}
                | {"validate_s": 8.0, "records": records}
            )  # fmt: skip
        search.write_lines(files[-1], done)
    return files


def train(folder: Path, number: int) -> None:
    """Really train a few tiny candidates through the workflow's own batch, and time a step of a published one."""
    from geoml import config, manual, search
    from geoml.search_batch import train_batch
    from geoml.store import Store
    from geoml.train import Batches, compiled, one_step

    text = CONFIG.format(rows=400, candidates=number, batch=number, epochs=2, space=json.dumps(TINY))
    (folder / "tiny.yaml").write_text(text)
    task = config.resolve(config.read(folder / "tiny.yaml"))["tasks"]["patchnet"]
    settings = task["searches"]["random"]
    os.chdir(folder)
    data = manual.prepared("patchnet", "patches", task["datasets"])
    search.draw("patchnet", settings, folder / "tiny.jsonl")
    out = folder / "tiny_out.jsonl"
    start = time.process_time()
    train_batch("patchnet", settings, data, 0, 0, folder / "tiny.jsonl", [], out, folder / "work")
    used = time.process_time() - start
    rows = list(search.read_lines(out))
    beyond = sorted(row["seconds"] - row["train_s"] - row["validate_s"] for row in rows)[number // 2]
    print(f"{number} candidates trained in one process, {used:.1f} CPU s:")
    line("a candidate beyond its own steps, median, wall", beyond, "s")

    published = sorted(search.read_lines(folder / "candidates.jsonl"), key=lambda row: row["macs"])
    args = {"candidate": published[len(published) // 2]["document"]}
    variant = {"model": "searched", "args": args, "fit": settings["fit"], "augment": settings["augment"]}
    store = Store(data)
    network, part = compiled("patchnet", variant, store.meta, 0)
    batch = next(Batches(store, part, network.output_names, variant, 0).epoch(1))
    one_step(network, batch)
    step = min(cpu_seconds(lambda: one_step(network, batch)) for _ in range(5)) / len(batch[0])
    line("training step of the median published candidate", 1 / step, "patches/CPU s")
    for epochs in (1, 10, PAPER["epochs"]):
        share = 100 * beyond / (beyond + step * PAPER["train"] * epochs)
        line(f"  share of the rest, {epochs} epochs of {PAPER['train']:,} patches", share, "%", "< 5", share < 5)


if __name__ == "__main__":
    main()
