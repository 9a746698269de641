"""How fast synthetic patches are made, written and made ready for a network, one thread, and where the time goes."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from geoml.provenance import peak_memory_mb
from geoml.tasks.patchnet import corruptions, synthetic, synthetic_patches
from geoml.tasks.patchnet.patches import network_input, scale_of

ORIGINAL = 278  # samples/s of the published generator in one process (method card, section 9)
TIMES = 20  # what ours is to reach
COUNT = 64  # samples of a step, as many as the generator takes together
STEPS = ("blur", "noise", "elastic", "mask", "perspective", "dropout")


def sets(folder: Path, rows: int, rounds: int) -> None:
    """Whole sets on disk, as they are made for training; generators take turns."""

    def made(**options: Any) -> Callable[[], None]:
        return lambda: synthetic.generate(folder, rows, 0, "patches", **options)

    def clean() -> None:
        source = synthetic.Source(0, "train")
        for start in range(0, rows, COUNT):
            indices = np.arange(start, start + COUNT)
            uniforms = source.numbers(0, indices, synthetic_patches.UNIFORMS)
            synthetic_patches.bands(synthetic_patches.drawn(synthetic_patches.kinds_of(indices), uniforms))

    speed = rows / np.median(common.turns(rounds, made(), made(compat=True), made(physics=True), clean), axis=0)
    print(f"{rows} samples, median of {rounds} rounds:")
    limit = ORIGINAL * TIMES
    common.line("float16 files and tables", speed[0], "samples/CPU s", f">= {limit:,}", speed[0] >= limit)
    common.line("  against the original", speed[0] / ORIGINAL, "times")
    common.line("the original's single draws", speed[1], "samples/CPU s")
    common.line("reflectivity and wavelet", speed[2], "samples/CPU s")
    common.line("clean patches in memory", speed[3], "samples/CPU s")


def steps(rounds: int) -> None:
    """CPU time of each step, with its random numbers, times its probability in the training set."""
    source = synthetic.Source(0, "train")
    indices = np.arange(COUNT)
    uniforms = source.numbers(0, indices, synthetic_patches.UNIFORMS)
    what = synthetic_patches.drawn(synthetic_patches.kinds_of(indices), uniforms)
    x = synthetic_patches.bands(what)
    half = np.full((COUNT, corruptions.UNIFORMS), 0.5)
    half[:, [1, 3, 5, 8, 10, 12]] = 0  # the probabilities: every step is taken
    by = corruptions.drawn(half, corruptions.TRAIN)
    none = {name: np.zeros(COUNT) for name in by} | {"gain": by["gain"]}

    def one(name: str) -> Callable[[], Any]:
        chosen = none | {key: values for key, values in by.items() if key.startswith(name)}
        return lambda: [
            corruptions.corrupted(x, chosen, lambda step, rows, *kind: source.fields(step, rows, *kind))
            for _ in range(10)
        ]

    times = common.turns(rounds, one("gain"), *(one(name) for name in STEPS))
    seconds = np.median(times[:, 1:] - times[:, :1], axis=0) / (10 * COUNT)
    print("one step on one sample, and its share of a sample of the training set:")
    for name, second in zip(STEPS, seconds, strict=True):
        chance = getattr(corruptions.TRAIN, name)
        common.line(name, second * 1e6, "CPU us", f"{second * 1e6 * np.atleast_1d(chance)[0]:.1f} us")


def ready(rounds: int) -> None:
    """From a stored set to what a network sees."""
    patches = synthetic.samples(0, "train", np.arange(2048))[0]
    scale = scale_of(patches)
    times = common.turns(rounds, lambda: network_input(patches, scale), lambda: scale_of(patches))
    speed = len(patches) / np.median(times, axis=0)
    print("2048 patches:")
    common.line("scaled and resized to 112 pixels", speed[0], "patches/CPU s")
    common.line("scale of a set", speed[1], "patches/CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with common.workspace(0.5) as folder:
        sets(folder, options.rows, options.rounds)
    steps(options.rounds)
    ready(options.rounds)
    common.line("peak memory", peak_memory_mb(), "MB")


if __name__ == "__main__":
    main()
