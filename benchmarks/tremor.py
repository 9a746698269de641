"""Training and prediction of the tremor networks against plain Keras layers; a day of continuous data, one thread.

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
from geoml.provenance import peak_memory_mb
from geoml.store import Block, Store, StoreWriter
from geoml.tasks.tremor import SAMPLES
from geoml.train import Batches, compiled

BATCH, STEPS, TARGET = 64, 4, 1
AUGMENT = {"shift_s": 100, "mix": 0.3, "noise": 0.3, "ramp": 0.5, "polarity": True}
PREPARE = {"window_from": "origin", "band_hz": [2, 5], "norm": "per_trace"}
DAY_HZ, DAY_CPU_S, DAY_MB = 100.0, 30, 1000
DAY = """
import sys
from pathlib import Path
from geoml.predict import predict
from geoml.provenance import peak_memory_mb
model, recording, out = map(Path, sys.argv[1:])
print(predict("tremor", [recording], out, model))
print(peak_memory_mb())
"""


def plain() -> Any:
    """The published network of Keras' layers."""
    import keras

    layers = keras.layers
    wave = x = keras.Input((SAMPLES, 1))
    for filters in (8, 16, 16, 16, 32, 32, 64, 64):
        x = layers.Conv1D(filters, 2, strides=2)(layers.ZeroPadding1D(1)(x))
        x = layers.AveragePooling1D(2, strides=1)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    x = layers.Dense(16, activation="relu")(x)
    return keras.Model(wave, layers.Dense(2, activation="softmax")(x))


def prepared(folder: Path, rows: int) -> Store:
    """Noise, as fast to augment as any trace."""
    rng = np.random.default_rng(0)
    names = np.char.add("trace", np.arange(rows).astype("U"))
    label = (np.arange(rows) % 2).astype(np.int8)
    with StoreWriter(folder) as writer:
        waves = rng.standard_normal((rows, SAMPLES), np.float32)
        writer.append(Block(waves, {"id": names, "group": names, "label": label}))
        columns = writer.columns() | {"split": np.r_[np.zeros(rows - 2), 1, 2].astype(np.int8)}
        meta = {"task": "tremor", "dataset": "noise", "data_source": "synthetic", "prepare": PREPARE}
        writer.finish(columns, meta)
    return Store(folder)


def variant(name: str) -> dict[str, Any]:
    """Settings of a network."""
    loss = "deep_clustering" if name == "encoder" else "categorical_crossentropy"
    return {"model": name, "args": {}, "fit": common.fit(batch_size=BATCH, loss=loss), "augment": AUGMENT}


def training(store: Store, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """The published network through geoml's loop, its bare step, plain Keras and batches alone; gives one batch."""
    import keras

    network, part = compiled("tremor", variant("convnet"), store.meta, seed=0)
    batches = Batches(store, part, network.output_names, variant("convnet"), seed=0)
    baseline = plain()
    baseline.compile(keras.optimizers.Adam(1e-4), "categorical_crossentropy", metrics=["accuracy"])
    fixed = common.against_plain(network, batches, baseline, rounds, "traces/CPU s", TARGET)
    times = common.turns(rounds, *(lambda n=n: n.predict_on_batch(fixed[0]) for n in (network, baseline)))
    common.line("prediction", BATCH / np.median(times[:, 0]), "traces/CPU s")
    common.line("  against plain Keras", np.median(times[:, 1] / times[:, 0]), "times")
    return fixed


def others(store: Store, batch: tuple[np.ndarray, np.ndarray], rounds: int) -> None:
    """Step and prediction of every other network."""
    print("the other networks:")
    for name in registry.names("tremor", "models"):
        if name == "convnet" or registry.maker("tremor", name) != "build":
            continue
        network, _ = compiled("tremor", variant(name), store.meta, seed=0)
        times = common.turns(
            rounds, lambda n=network: n.train_on_batch(*batch), lambda n=network: n.predict_on_batch(batch[0])
        )
        step, answer = BATCH / np.median(times, axis=0)
        common.line(f"{name}, training step", step, "traces/CPU s")
        common.line(f"{name}, prediction", answer, "traces/CPU s")


def day(folder: Path) -> None:
    """A day of three components, windows of 1000 s every 500 s, in a process of its own; imports included."""
    from geoml.tasks.tremor.synthetic import continuous

    continuous(folder / "day", 24, DAY_HZ, seed=0)
    run = {"task": "tremor", "dataset": "noise", "variant": "convnet", "seed": 0}
    about = {"task": "tremor", "model": "convnet", "run": run, "prepare": PREPARE, "detection_threshold": 0.5}
    network = models.build("tremor", "convnet", {}, (SAMPLES, 1))
    models.save(folder / "model.keras", network, about | {"classes": ["no", "yes"], "data_source": "synthetic"})
    seconds, output = common.python(DAY, folder / "model.keras", folder / "day", folder / "out")
    peak = float(output.splitlines()[-1])
    print(f"a day of three components at {DAY_HZ:g} Hz, convnet:")
    common.line("reading to detections and figure", seconds, "CPU s", f"<= {DAY_CPU_S}", seconds <= DAY_CPU_S)
    common.line("peak memory", peak, "MB", f"<= {DAY_MB:,}", peak <= DAY_MB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    use_device("cpu", 1)
    with common.workspace(0.3) as folder:
        store = prepared(folder / "set", STEPS * BATCH + 2)
        batch = training(store, options.rounds)
        common.line("peak memory", peak_memory_mb(), "MB")
        others(store, batch, options.rounds)
        day(folder)


if __name__ == "__main__":
    main()
