"""Input of fold images against the training step of ResNet9, and how fast every network answers, one thread."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from geoml import models, registry
from geoml.backend import use_device
from geoml.provenance import peak_memory_mb
from geoml.store import Block, Store, StoreWriter
from geoml.train import Batches, compiled, one_epoch

SIZE, BATCH, STEPS = 64, 64, 4
SMALLER = {"plain9": {"dense": 512}}  # at full width its dense layers alone are over a gigabyte at 128 pixels


def prepared(folder: Path, rows: int) -> Store:
    """Noise pictures, as fast to augment as any."""
    rng = np.random.default_rng(0)
    names = np.char.add("image", np.arange(rows).astype("U"))
    label = (np.arange(rows) % 3).astype(np.int8)
    with StoreWriter(folder) as writer:
        pixels = rng.integers(0, 256, (rows, SIZE, SIZE, 3)).astype(np.uint8)
        writer.append(Block(pixels, {"id": names, "group": names, "label": label}))
        columns = writer.columns() | {"split": np.r_[np.zeros(rows - 2), 1, 2].astype(np.int8)}
        writer.finish(columns, {"task": "folds", "dataset": "noise", "data_source": "synthetic", "prepare": {}})
    return Store(folder)


def training(store: Store, rounds: int) -> None:
    """ResNet9 through geoml's loop against the bare step on a fixed batch, taking turns; and the batches alone."""
    settings = {"model": "resnet9", "args": {}, "fit": common.fit(batch_size=BATCH), "augment": {"kind": "sane"}}
    network, part = compiled("folds", settings, store.meta, seed=0)
    batches = Batches(store, part, network.output_names, settings, seed=0)
    fixed = next(batches.epoch(1))
    one_epoch(network, batches, 1)
    pairs = []
    for n in range(2, rounds + 2):
        loop = common.cpu_seconds(lambda n=n: one_epoch(network, batches, n))
        step = common.cpu_seconds(lambda: [network.train_on_batch(*fixed) for _ in range(len(batches))])
        pairs.append((loop, step))
    images = len(batches) * BATCH
    loop, step = images / np.median(pairs, axis=0)
    share = float(np.median([b / a for a, b in pairs]))
    print(f"resnet9, {SIZE} x {SIZE} pixels, batches of {BATCH}, median of {rounds} rounds:")
    common.line("training step alone", step, "images/CPU s")
    common.line("end to end, augmented", loop, "images/CPU s", ">= 90 % of it", share >= 0.9)
    for kind in ("sane", "published"):
        settings["augment"] = {"kind": kind}
        batches = Batches(store, part, network.output_names, settings, seed=0)
        rate = images / common.cpu_seconds(lambda b=batches: [None for _ in b.epoch(1)])
        common.line(f"batches alone, {kind}", rate, "images/CPU s", "> the step", rate > step)
        common.line("  against the step", rate / step, "times")


def inference(rounds: int) -> None:
    """Images a CPU second of every network, batches of 64, at 32 and 64 pixels."""
    print("inference, batches of 64 (plain9 with 512 hidden units):")
    for name in registry.names("folds", "models"):
        if registry.maker("folds", name) != "build":
            continue
        for size in (32, 64):
            network = models.build("folds", name, SMALLER.get(name, {}), (size, size, 3))
            x = np.zeros((BATCH, size, size, 3), np.float32)
            models.infer(network, x, BATCH)
            seconds = min(common.cpu_seconds(partial(models.infer, network, x, BATCH)) for _ in range(rounds))
            common.line(f"{name}, {size} pixels", BATCH / seconds, "images/CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    use_device("cpu", 1)
    with common.workspace(0.1) as folder:
        training(prepared(folder, STEPS * BATCH + 2), options.rounds)
    inference(options.rounds)
    common.line("peak memory", peak_memory_mb(), "MB")


if __name__ == "__main__":
    main()
