"""Windows per CPU second from a prepared store, as training takes them; beside a naive loader in the same run."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse

import numpy as np

from geoml import registry
from geoml.store import Store
from geoml.train import Batches

TARGET = 200_000
PLAIN = {"shift": 20, "flip": 0.5, "stretch": 0.0, "noise": 0.0, "amplitude": 0.0, "glitch": 0.0}
FULL = PLAIN | {"stretch": 0.15, "noise": 0.3, "amplitude": 0.1, "glitch": 0.05}


def naive(inputs: np.ndarray, labels: np.ndarray, rows: np.ndarray, size: int, rng: np.random.Generator) -> None:
    """The same windows trace by trace, stacked to batches: shift, cut, remove the mean, divide by the peak, flip."""
    for start in range(0, len(rows), size):
        waves, targets = [], []
        for row in rows[start : start + size]:
            begin = 100 + rng.integers(-20, 21)
            wave, label = inputs[row][begin : begin + 400].copy(), int(labels[row])
            wave -= wave[:100].mean()
            peak = np.abs(wave).max()
            if peak > 0:
                wave /= peak
            if rng.random() < 0.5:
                wave, label = -wave, {0: 1, 1: 0, 2: 2}[label]
            target = np.zeros(3, np.float32)
            target[label] = 1
            waves.append(wave)
            targets.append(target)
        np.stack(waves)[..., None]
        np.stack(targets)


def epochs(batches: Batches, numbers: range) -> np.ndarray:
    """Windows per CPU second of each epoch."""

    def one(number: int) -> None:
        for _ in batches.epoch(number):
            pass

    return np.array([len(batches) * batches.size / common.cpu_seconds(lambda n=n: one(n)) for n in numbers])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    part = registry.load_task("polarity")
    with common.workspace(1) as folder:
        common.store(folder, options.rows)
        store = Store(folder)
        for size in (256, 1024):
            print(f"Batches of {size} from {options.rows:,} x 600 float32, memory-mapped, median of 5 epochs:")
            batches = Batches(store, part, ["po"], {"fit": common.fit(batch_size=size), "augment": PLAIN}, seed=0)
            next(batches.epoch(1))
            plain = float(np.median(epochs(batches, range(2, 7))))
            rng = np.random.default_rng(0)
            rows = rng.permutation(store.rows("train"))[:10_000]
            slow = len(rows) / common.cpu_seconds(
                lambda n=size, r=rows, g=rng: naive(store.inputs, store.samples["label"], r, n, g)
            )
            common.line("shift, flip, normalisation", plain, "windows/CPU s", f">= {TARGET:,}", plain >= TARGET)
            common.line("the same, trace by trace in NumPy", slow, "windows/CPU s", f"ratio {plain / slow:.0f}")
            for name, outputs, settings in (
                ("with the P curve of bulid_pp_model", ["pk", "po"], PLAIN),
                ("all augmentations", ["po"], FULL),
            ):
                rate = float(
                    np.median(
                        epochs(
                            Batches(
                                store, part, outputs, {"fit": common.fit(batch_size=size), "augment": settings}, seed=0
                            ),
                            range(1, 4),
                        )
                    )
                )
                common.line(name, rate, "windows/CPU s")
    print("Stated, on other machines: the peer's RAM loader 113,000, the original generator 794 fresh traces.")


if __name__ == "__main__":
    main()
