"""Training and prediction of the slip networks against plain Keras layers; how fast experiments are made, one thread.

Plain Keras is the table of the method card, layer by layer. It is fed the same augmented batch from memory again and
again; ours goes through geoml's loop, from the prepared set, with augmentation. Both take turns in one process.
"""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from geoml import models, registry
from geoml.backend import use_device
from geoml.prepare import prepare
from geoml.provenance import peak_memory_mb
from geoml.store import Store
from geoml.train import Batches, compiled

BATCH, FRAMES, TARGET = 256, 230, 3
AUGMENT = {"shift": 0.1, "zoom": 0.05, "flips": "independent", "thickness": False}


def plain(channels: int = 4) -> Any:
    """The published network of Keras' layers."""
    import keras

    layers = keras.layers
    maps = x = keras.Input((128, 64, 1))
    for filters in (channels, 2 * channels):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.Conv2D(filters, 3, padding="same", dilation_rate=2)(x)
        x = layers.MaxPooling2D(2)(layers.ReLU()(layers.BatchNormalization(momentum=0.8)(x)))
    x = layers.Dropout(0.2)(layers.Dense(2 * channels)(layers.Flatten()(x)))
    x = layers.Dense(1, activation="relu", name="efficiency")(layers.BatchNormalization(momentum=0.8)(x))
    return keras.Model(maps, x)


def experiments(folder: Path) -> Path:
    """One experiment of 230 frames made and prepared, and how fast; gives the folder of the prepared set."""
    from scipy.io import savemat

    from geoml.tasks.slip.synthetic import experiment

    content: dict[str, Any] = {}
    made = common.cpu_seconds(lambda: content.update(experiment("EB_050_1", FRAMES, 0)))
    (folder / "raw").mkdir()
    savemat(folder / "raw/EB_050_1.mat", content, do_compression=True)
    entry = {
        "source": "synthetic",
        "reader": "experiments",
        "prepare": {"sets": "none"},
        "split": {"by": "frame", "val": 0.05, "test": 0.05, "seed": 0, "duplicates": "keep"},
    }
    seconds = common.cpu_seconds(lambda: prepare("slip", "bench", entry, folder / "raw", folder / "set"))
    print(f"one experiment of {FRAMES} frames:")
    common.line("made", FRAMES / made, "frames/CPU s")
    common.line("read, labelled, described and stored", FRAMES / seconds, "frames/CPU s")
    return folder / "set"


def variant(name: str) -> dict[str, Any]:
    """Settings of a network, as published."""
    loss = "gaussian" if name in ("gaussian", "ensemble") else "per_sample"
    fit = common.fit(batch_size=BATCH, learning_rate=5e-3, loss=loss)
    return {"model": name, "args": {}, "fit": fit, "augment": AUGMENT}


def training(store: Store, rounds: int) -> np.ndarray:
    """The published network through geoml's loop, its bare step, plain Keras and batches alone; gives one batch."""
    import keras

    from geoml.tasks.slip.losses import per_sample

    network, part = compiled("slip", variant("ssf_cnn"), store.meta, seed=0)
    batches = Batches(store, part, network.output_names, variant("ssf_cnn"), seed=0)
    baseline = plain()
    baseline.compile(keras.optimizers.Adam(5e-3), per_sample)
    fixed = common.against_plain(network, batches, baseline, rounds, "maps/CPU s", TARGET)
    return fixed[0]


def prediction(x: np.ndarray, rounds: int) -> None:
    """The published network and plain Keras on faults and on maps that are nowhere empty."""
    ours, baseline = models.build("slip", "ssf_cnn", {}, x.shape[1:]), plain()
    full = np.random.default_rng(0).random(x.shape, np.float32)
    for name, maps, limit in (("fault maps", x, TARGET), ("noise everywhere", full, 0)):
        times = common.turns(
            rounds, lambda m=maps: ours.predict_on_batch(m), lambda m=maps: baseline.predict_on_batch(m)
        )
        gain = np.median(times[:, 1] / times[:, 0])
        verdict = (f">= {limit}", gain >= limit) if limit else ()
        common.line(f"prediction, {name}", BATCH / np.median(times[:, 0]), "maps/CPU s")
        common.line("  against plain Keras", gain, "times", *verdict)


def others(store: Store, x: np.ndarray, rounds: int) -> None:
    """Step and prediction of every other network."""
    print("the other networks:")
    y = np.random.default_rng(0).uniform(0.1, 1, (BATCH, 2)).astype(np.float32)
    for name in registry.names("slip", "models"):
        if name == "ssf_cnn" or registry.maker("slip", name) != "build":
            continue
        network, _ = compiled("slip", variant(name), store.meta, seed=0)
        times = common.turns(rounds, lambda n=network: n.train_on_batch(x, y), lambda n=network: n.predict_on_batch(x))
        step, answer = BATCH / np.median(times, axis=0)
        common.line(f"{name}, training step", step, "maps/CPU s")
        common.line(f"{name}, prediction", answer, "maps/CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    use_device("cpu", 1)
    with common.workspace(0.2) as folder:
        store = Store(experiments(folder))
        x = training(store, options.rounds)
        prediction(x, options.rounds)
        others(store, x, options.rounds)
    common.line("peak memory", peak_memory_mb(), "MB")


if __name__ == "__main__":
    main()
