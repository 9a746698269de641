"""Time and memory of one model file, in a process that does nothing else: NumPy and what runs the file.

Times depend on the machine and on what else it does; nothing that must be the same twice is made from them.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from geoml import runtimes
from geoml.export import child
from geoml.files import write_json
from geoml.provenance import peak_memory_mb

_BATCH = 64
_ENOUGH_S = 1.0  # of one kind of timing
_LEAST, _MOST = 3, 1000  # calls of one kind
LIMIT_S = 300.0


def measure(path: Path, inputs: Path, out: Path, *, threads: int = 1) -> str:
    """Measure a model file in a child process.

    Args:
        path: ``.onnx``, ``.tflite`` or ``.keras``.
        inputs: ``.npy`` with what its network is asked, (n, ...) float32.
        out: JSON with ``latency_ms_p50`` and ``latency_ms_p95`` of one sample, ``samples_per_s`` (64 at a time, or one
            by one where the file takes no more), ``peak_rss_mb`` (of a process that answers one by one), ``load_s``,
            ``threads`` and ``runtime``.
        threads: CPU threads.

    Returns:
        Nothing, or why there is no such JSON.
    """
    return child.run("geoml.export.measure", path, inputs, out, threads, limit_s=LIMIT_S)


def _measured(path: Path, inputs: Path, threads: int) -> dict[str, Any]:
    start = perf_counter()
    model = _load(path, threads)
    loaded = perf_counter() - start
    x = np.load(inputs, allow_pickle=False)
    turns = [x[i : i + 1] for i in range(len(x))]
    single = _seconds(lambda number: model.infer(turns[number % len(turns)], 1))
    peak = peak_memory_mb()  # before 64 at a time, which nobody does who is short of it
    many = np.resize(x, (_BATCH, *x.shape[1:]))
    together = _seconds(lambda number: model.infer(many, _BATCH))
    return {
        "latency_ms_p50": round(1e3 * float(np.quantile(single, 0.5)), 3),
        "latency_ms_p95": round(1e3 * float(np.quantile(single, 0.95)), 3),
        "samples_per_s": round(_BATCH / float(np.median(together)), 1),
        "peak_rss_mb": peak,
        "load_s": round(loaded, 3),
        "threads": threads,
        "runtime": model.runtime if isinstance(model, runtimes.Exported) else _keras_version(),
    }


def _load(path: Path, threads: int) -> Any:
    if path.suffix in runtimes.SUFFIXES:
        return runtimes.load(path, threads)
    from geoml.backend import use_device

    use_device("cpu", threads)
    from geoml import models

    return models.load(path)


def _seconds(call: Callable[[int], Any]) -> list[float]:
    """Of each call, after two that warm up."""
    for number in range(2):
        call(number)
    taken: list[float] = []
    while len(taken) < _LEAST or (sum(taken) < _ENOUGH_S and len(taken) < _MOST):
        start = perf_counter()
        call(len(taken))
        taken.append(perf_counter() - start)
    return taken


def _keras_version() -> str:
    import keras

    return f"keras {keras.__version__}, {keras.backend.backend()}"


if __name__ == "__main__":
    write_json(sys.argv[3], _measured(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[4])))
