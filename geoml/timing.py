"""How long networks take: a training on one device or another, and predictions side by side."""

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from geoml import models, registry
from geoml.files import write_json
from geoml.logs import log
from geoml.provenance import peak_memory_mb, record
from geoml.store import Store
from geoml.train import Batches, compiled, one_step

_STEPS = 200  # after two that trace and warm up
_ENOUGH_S = 20.0  # of steps; large networks take a minute a step on a CPU
_BATCHES = (64, 1)
_ROUNDS = 2  # in which every network has its turn
_LEAST_S = 0.3  # of a network's turn


def time_training(
    run: dict[str, Any], variant: dict[str, Any], data: Path, path: Path, *, device: str, threads: int = 1
) -> dict[str, Any]:
    """Time training steps of a variant and extrapolate to its configured epochs.

    Args:
        run: ``task``, ``dataset`` and ``variant``.
        variant: Resolved configuration.
        data: Folder of the prepared set.
        path: JSON with ``seconds_per_step``, ``seconds_per_epoch``, ``total_s`` and ``basis: extrapolated``: the steps
            of all configured epochs, without validation and without patience.
        device, threads: See :func:`geoml.backend.use_device`.

    Raises:
        InputError: the device is not there; nothing is written.
    """
    from geoml.backend import use_device

    name = use_device(device, threads)
    store = Store(data)
    network, part = compiled(run["task"], variant, store.meta, seed=0)
    batches = Batches(store, part, network.output_names, variant, seed=0)
    steps = (batch for epoch in range(1, _STEPS + 3) for batch in batches.epoch(epoch))
    for _ in range(2):
        one_step(network, next(steps))
    taken, start = 0, perf_counter()
    while taken == 0 or (taken < _STEPS and perf_counter() - start < _ENOUGH_S):
        one_step(network, next(steps))
        taken += 1
    per_step = (perf_counter() - start) / taken
    per_epoch = per_step * len(batches)
    content = record(
        run=run,
        device=device,
        device_name=name,
        threads=threads,
        data_source=store.meta["data_source"],
        n_train=len(batches.rows),
        steps=taken,
        seconds_per_step=per_step,
        seconds_per_epoch=per_epoch,
        epochs=variant["fit"]["epochs"],
        total_s=per_epoch * variant["fit"]["epochs"],
        basis="extrapolated",
        peak_memory_mb=peak_memory_mb(),
    )
    write_json(path, content)
    return content


def time_networks(
    task: str, variants: dict[str, dict[str, Any]], data: Path, path: Path, *, threads: int = 1
) -> dict[str, Any]:
    """Count and time the networks of a task on the CPU, with fresh weights: neither depends on training.

    The networks take turns, so that what else the machine does slows all of them alike; ratios are to be taken round
    by round.

    Args:
        task: Name.
        variants: ``model`` and ``args`` of each network.
        data: Folder of a prepared set, for the shape of a sample.
        path: JSON: by variant ``parameters``, ``macs`` (multiply-accumulates for one sample), ``size_mb`` (float32
            weights, 2**20 bytes) and ``per_s``: samples predicted in a second, a value a round, by batch size.
        threads: CPU threads.
    """
    from geoml.backend import use_device
    from geoml.macs import macs

    name = use_device("cpu", threads)
    part, meta = registry.load_task(task), Store(data).meta
    networks, found = {}, {}
    for variant, settings in variants.items():
        network = models.build(task, settings["model"], settings["args"], part.input_shape(meta))
        networks[variant] = network
        count = network.count_params()
        found[variant] = {
            "model": settings["model"],
            "parameters": count,
            "macs": macs(network),
            "size_mb": 4 * count / 2**20,
            "per_s": {},
        }
    for size in _BATCHES:
        x = np.random.default_rng(0).normal(0, 0.3, (size, *part.input_shape(meta))).astype(np.float32)
        for network in networks.values():
            network.predict_on_batch(x)
        for _ in range(_ROUNDS):
            for variant, network in networks.items():
                found[variant]["per_s"].setdefault(str(size), []).append(size / _a_turn(network, x))
        log.info("batches of %d timed", size)
    content = record(task=task, device_name=name, threads=threads, networks=found)
    write_json(path, content)
    return content


def _a_turn(network: Any, x: np.ndarray) -> float:
    """Median seconds of a prediction."""
    times: list[float] = []
    while sum(times) < _LEAST_S:
        start = perf_counter()
        network.predict_on_batch(x)
        times.append(perf_counter() - start)
    return median(times)
