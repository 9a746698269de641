"""How long a training takes on each device: measured whole, or extrapolated from some of its steps."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

DEVICES = ("cpu", "gpu")
_COLUMNS = (
    "task", "dataset", "model", "epochs",
    *(f"train_{device}_{kind}" for device in DEVICES for kind in ("s", "basis", "epoch_s")),
    "gpu_speed_up", "cpu_name", "cpu_threads", "gpu_name", "data_source", "n_train", "n_seeds",
)  # fmt: skip


def training_time(records: list[dict[str, Any]], device: str) -> tuple[float | None, str | None]:
    """Mean seconds of a training on a device, and ``measured`` or ``extrapolated``; None twice where nothing is known.

    Args:
        records: Trainings (``device``, ``wall_s``) and timings (``device``, ``total_s``, ``basis``) of one network.
        device: ``cpu`` or ``gpu``. Timings count where nothing was trained on it.
    """
    of_device = [record for record in records if record.get("device") == device]
    measured = mean(record.get("wall_s") for record in of_device)
    if measured is not None:
        return measured, "measured"
    timed = [record for record in of_device if "total_s" in record]
    return (mean(record["total_s"] for record in timed), timed[0]["basis"]) if timed else (None, None)


def table(records: list[dict[str, Any]], bases: dict[str, dict[str, str]]) -> "DataFrame":
    """How long every model trains on the CPU and on the GPU.

    Args:
        records: For every network the timings of all devices, or its trainings where there is one device only, so that
            no row sets one against the other; for every estimator its trainings.
        bases: By task and name of a fold, the data set that it is a fold of.

    Returns:
        A row per task, data set and model.
    """
    from pandas import DataFrame

    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in records:
        run = record["run"]
        dataset = bases.get(run["task"], {}).get(run["dataset"], run["dataset"])
        groups.setdefault((run["task"], dataset, run["variant"]), []).append(record)
    rows = [dict(zip(_COLUMNS, key, strict=False)) | _row(of_model) for key, of_model in groups.items()]
    return DataFrame(rows, columns=list(_COLUMNS))


def _row(records: list[dict[str, Any]]) -> dict[str, Any]:
    epochs = mean(record.get("epochs") for record in records)
    row: dict[str, Any] = {"epochs": epochs}
    for device in DEVICES:
        seconds, basis = training_time(records, device)
        row |= {f"train_{device}_s": seconds, f"train_{device}_basis": basis}
        row |= {f"train_{device}_epoch_s": seconds / epochs if seconds and epochs else None}
        row |= {f"{device}_name": _all_of(records, device, "device_name")}
    both = row["train_cpu_s"] and row["train_gpu_s"]
    return row | {
        "gpu_speed_up": row["train_cpu_s"] / row["train_gpu_s"] if both else None,
        "cpu_threads": _all_of(records, "cpu", "threads"),
        "data_source": records[0]["data_source"],
        "n_train": mean(record["n_train"] for record in records),
        "n_seeds": len({record["run"].get("seed") for record in records}),  # a timing is of one, and does not say it
    }


def _all_of(records: list[dict[str, Any]], device: str, key: str) -> str | None:
    """What is said of a device, all of it where several machines had a part."""
    return " + ".join(sorted({str(r[key]) for r in records if r["device"] == device and key in r})) or None


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
