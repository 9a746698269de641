"""How long a training takes on a device that nothing is trained on: a bounded number of steps, extrapolated."""

from pathlib import Path
from typing import Any

from geoml.files import write_json
from geoml.provenance import Clock, peak_memory_mb, record
from geoml.store import Store
from geoml.train import Batches, compiled, one_step

_STEPS = 20  # after two that trace and warm up


def time_training(
    run: dict[str, Any], variant: dict[str, Any], data: Path, path: Path, *, device: str, threads: int = 1
) -> dict[str, Any]:
    """Time training steps of a variant and extrapolate to its configured epochs.

    Args:
        run: ``task``, ``dataset`` and ``variant``.
        variant: Resolved configuration.
        data: Folder of the prepared set.
        path: JSON with ``seconds_per_step``, ``seconds_per_epoch``, ``total_s`` and ``basis: extrapolated``.
        device, threads: See :func:`geoml.backend.use_device`.
    """
    from geoml.backend import use_device

    name = use_device(device, threads)
    store = Store(data)
    network, part = compiled(run["task"], variant, store.meta, seed=0)
    batches = Batches(store, part, network.output_names, variant, seed=0)
    steps = (batch for epoch in range(1, _STEPS + 3) for batch in batches.epoch(epoch))
    for _ in range(2):
        one_step(network, next(steps))
    clock = Clock()
    for _ in range(_STEPS):
        one_step(network, next(steps))
    per_step = clock.read()["wall_s"] / _STEPS
    per_epoch = per_step * len(batches)
    content = record(
        run=run,
        device=device,
        device_name=name,
        threads=threads,
        steps=_STEPS,
        seconds_per_step=per_step,
        seconds_per_epoch=per_epoch,
        epochs=variant["fit"]["epochs"],
        total_s=per_epoch * variant["fit"]["epochs"],
        basis="extrapolated",
        peak_memory_mb=peak_memory_mb(),
    )
    write_json(path, content)
    return content
