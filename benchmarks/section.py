"""Windows per second of both section engines on the synthetic line, and how far their maps agree; one thread.

The engines take turns: the sliding one on a part of the line, the convolutional one on that part and on the whole,
where less is lost to what tiles share. Without --model the networks are fresh: as fast as trained ones, but what they
say, and so the agreement, means nothing.
"""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from geoml import models, registry
from geoml.backend import use_device
from geoml.provenance import peak_memory_mb
from geoml.tasks.patchnet import CLASSES, SIZE, line, section

NETWORKS = ("v1_search", "v1_valid")
PART = slice(200, 400), slice(100, 460)  # samples and traces, around the BSR
GAIN, DECISIONS, CORRELATION = 20, 0.99, 0.97


def chosen(files: list[Path]) -> dict[str, Any]:
    """Models of the files by name; without files, fresh ones of both presets."""
    if files:
        return {str(file): models.load(file) for file in files}
    made = {name: registry.load("patchnet", "models", name).build((SIZE, SIZE, 1), len(CLASSES)) for name in NETWORKS}
    return {f"{name}, fresh": models.Model(network, {"scale": [0.0, 1.0]}) for name, network in made.items()}


def measure(model: Any, amplitudes: np.ndarray, rounds: int, fresh: bool) -> None:
    """Speed of both engines, and their agreement on the part that both judge."""
    maps: dict[str, section.Map] = {}

    def run(name: str, engine: str, values: np.ndarray) -> None:
        maps[name] = section.probabilities(model, values, engine=engine)

    seconds = common.turns(
        rounds,
        lambda: run("sliding", "sliding", amplitudes[PART]),
        lambda: run("part", "convolutional", amplitudes[PART]),
        lambda: run("whole", "convolutional", amplitudes),
    )
    each = seconds / [found.windows for found in maps.values()]
    sliding, part, whole = 1 / np.median(each, axis=0)
    gain = float(np.median(each[:, 0] / each[:, 2]))
    common.line("sliding", sliding, "windows/CPU s")
    common.line("convolutional, the same part", part, "windows/CPU s")
    common.line(f"convolutional, whole line ({maps['whole'].windows:,} windows)", whole, "windows/CPU s")
    common.line("  against sliding", gain, "times", f">= {GAIN}", gain >= GAIN)
    found = section.agreement(maps["sliding"].grid, maps["part"].grid)
    print(f"  default engine: {section.engine_for(model)}; agreement on {maps['part'].windows:,} windows:")
    for name, limit in (("decisions", DECISIONS), ("correlation", CORRELATION)):
        common.line(f"  {name}", found[name], "", *(() if fresh else (f">= {limit}", found[name] >= limit)))
    print(f"    mean difference {found['mean_abs']:.2e}, largest {found['max_abs']:.2e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, nargs="+", default=[], metavar="FILE", help="trained models")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    use_device("cpu", 1)
    made = line.line()
    for name, model in chosen(options.model).items():
        print(f"{name}:")
        measure(model, made.amplitudes, options.rounds, fresh=not options.model)
    common.line("peak memory, all engines", peak_memory_mb(), "MB")


if __name__ == "__main__":
    main()
