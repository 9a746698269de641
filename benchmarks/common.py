"""What the measuring scripts share: one thread, test data, CPU seconds of this process and of others.

Import it before NumPy: the libraries read the number of threads when they start.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).resolve().parents[1]
SCSN_ROWS_PER_GB = 409_000
BASE = 2000  # synthetic records that larger files repeat, each time with a little other noise


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds, of all threads, that ``work`` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def turns(rounds: int, *works: Callable[[], Any]) -> "np.ndarray":
    """CPU seconds (rounds, works) of things that take turns, after each was done once."""
    import numpy as np

    for work in works:
        work()
    return np.array([[cpu_seconds(work) for work in works] for _ in range(rounds)])


def against_plain(network: Any, batches: Any, plain: Any, rounds: int, unit: str, least: float) -> Any:
    """Print how a compiled network trains through geoml's loop and without it, against plain Keras; gives a batch.

    Plain Keras is fed the same batch from memory again and again; all take turns.
    """
    import numpy as np

    from geoml.train import one_epoch

    fixed = next(batches.epoch(1))

    def repeat(net: Any) -> Callable[[], Any]:
        return lambda: [net.train_on_batch(*fixed) for _ in range(len(batches))]

    epoch = iter(range(1, rounds + 2))
    times = turns(
        rounds,
        lambda: one_epoch(network, batches, next(epoch)),
        repeat(network),
        repeat(plain),
        lambda: [None for _ in batches.epoch(1)],
    )
    loop, step, plain_step, alone = len(batches) * batches.size / np.median(times, axis=0)
    gain, bare = np.median(times[:, 2:3] / times[:, :2], axis=0)
    print(f"{network.name}, batches of {batches.size}, median of {rounds} rounds:")
    line("plain Keras from memory", plain_step, unit)
    line("end to end, augmented", loop, unit)
    line("  against plain Keras", gain, "times", f">= {least}", gain >= least)
    line("training step alone", step, unit)
    line("  against plain Keras", bare, "times")
    line("batches alone", alone, unit, "> the step", alone > step)
    return fixed


def child(*command: str | Path) -> tuple[float, str]:
    """CPU seconds of a process with its children, and what it printed; it must succeed."""
    with subprocess.Popen(
        [str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    return usage.ru_utime + usage.ru_stime, output


def python(code: str, *arguments: str | Path) -> tuple[float, str]:
    """CPU seconds and output of a fresh interpreter that runs ``code``."""
    return child(sys.executable, "-c", code, *arguments)


def line(name: str, value: float, unit: str, limit: str = "", kept: bool | None = None) -> None:
    """Print one measured number, with its limit and whether it was kept."""
    verdict = "" if kept is None else "  kept" if kept else "  MISSED"
    number = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    print(f"  {name:<50} {number:>9} {unit:<18} {limit}{verdict}".rstrip(), flush=True)


@contextmanager
def workspace(free_gb: float = 1) -> Iterator[Path]:
    """A temporary folder (in ``TMPDIR``) that is removed at the end; needs so much free disk."""
    with TemporaryDirectory(prefix="geoml-bench-") as name:
        disk = os.statvfs(name)
        if (free := disk.f_bavail * disk.f_frsize / 1e9) < free_gb:
            raise SystemExit(f"{name}: {free_gb:g} GB of free disk are needed, {free:.1f} GB are there; set TMPDIR")
        yield Path(name)


def fit(**changes: Any) -> dict[str, Any]:
    """The configuration's ``fit`` with all defaults, and these changes."""
    import json

    schema = json.loads((ROOT / "config/schemas/config.schema.json").read_text())
    return {key: part["default"] for key, part in schema["$defs"]["fit"]["properties"].items()} | changes


def entry(source: str, **prepare: Any) -> dict[str, Any]:
    """Resolved configuration of a data set of the polarity task that is read from a path."""
    from geoml import config

    datasets = {source: {"source": "path", "path": ".", "prepare": prepare}}
    content = config.resolve(
        {"title": "bench", "tasks": {"polarity": {"datasets": datasets, "variants": {"m": {"model": "cnn_ross"}}}}}
    )
    return content["tasks"]["polarity"]["datasets"][source]


def scsn_files(folder: Path, gigabytes: float) -> float:
    """Contiguous ``fm_train`` and ``fm_test`` files with 409,000 windows of 6 s a GB; gives their size in GB."""
    import h5py
    import numpy as np

    from geoml.tasks.polarity.synthetic import generate

    with TemporaryDirectory(dir=folder) as name:
        generate(Path(name) / "base", BASE, 0, "scsn")
        base = {}
        for path in sorted((Path(name) / "base").glob("*_fm_*.hdf5")):
            with h5py.File(path) as file:
                base["test" if "test" in path.name else "train"] = {key: file[key][()] for key in file}
    rng = np.random.default_rng(0)
    rows = round(gigabytes * SCSN_ROWS_PER_GB)
    total = sum(len(part["Y"]) for part in base.values())
    size = 0.0
    for split, part in base.items():
        n, own = round(rows * len(part["Y"]) / total), len(part["Y"])
        path = folder / f"scsn_p_2000_2017_6sec_0.5r_fm_{split}.hdf5"
        with h5py.File(path, "w") as file:
            for key, values in part.items():
                file.create_dataset(key, (n, *values.shape[1:]), values.dtype)
            for start in range(0, n, own):
                rest = min(own, n - start)
                for key, values in part.items():
                    piece = values[:rest]
                    if key == "X":
                        piece = piece + rng.standard_normal(piece.shape, np.float32) * np.float32(1e-3)
                    if key == "evids":
                        piece = piece + 1_000_000 * (start // own)
                    file[key][start : start + rest] = piece
        size += path.stat().st_size / 1e9
    return size


def pnw_files(folder: Path, gigabytes: float) -> float:
    """``comcat_waveforms.hdf5``, blocks (n, 3, 15001) in chunks of a trace, and its table; gives the size in GB."""
    import csv

    import h5py
    import numpy as np

    from geoml.tasks.polarity.synthetic import generate

    with TemporaryDirectory(dir=folder) as name:
        generate(Path(name) / "base", BASE, 0, "pnw")
        with open(Path(name) / "base/comcat_metadata.csv", newline="", encoding="utf-8") as file:
            table = [row for row in csv.DictReader(file) if row["trace_name"]]
        with h5py.File(Path(name) / "base/comcat_waveforms.hdf5") as file:
            places = [row["trace_name"].split(",")[0].split("$") for row in table]
            traces = np.stack([file["data"][block][int(index)] for block, index in places[:500]])
    table, per_block = table[: len(traces)], 1000
    rng = np.random.default_rng(0)
    rows = int(gigabytes * 1e9 / traces[0].nbytes)
    path = folder / "comcat_waveforms.hdf5"
    with h5py.File(path, "w") as file, open(folder / "comcat_metadata.csv", "w", newline="", encoding="utf-8") as out:
        file["data_format/component_order"] = "ENZ"
        writer = csv.DictWriter(out, list(table[0]))
        writer.writeheader()
        for b, start in enumerate(range(0, rows, per_block)):
            n = min(per_block, rows - start)
            shape = (n, *traces.shape[1:])
            block = file.create_dataset(f"data/bucket{b + 1}", shape, np.float32, chunks=(1, *shape[1:]))
            for i in range(0, n, 100):
                at = np.arange(start + i, start + min(i + 100, n)) % len(traces)
                block[i : i + len(at)] = traces[at] + rng.standard_normal((len(at), *shape[1:]), np.float32)
            for i in range(n):
                row = table[(start + i) % len(table)]
                event = f"{row['event_id']}{(start + i) // len(table)}"
                writer.writerow(row | {"event_id": event, "trace_name": f"bucket{b + 1}${i},:3,:15001"})
    return path.stat().st_size / 1e9


def store(folder: Path, rows: int) -> None:
    """A prepared polarity set of ``rows`` samples, nine tenths of them for training."""
    import numpy as np

    from geoml.store import Block, StoreWriter

    rng = np.random.default_rng(0)
    onset = np.zeros(600, np.float32)
    onset[300:] = np.exp(-np.arange(300) / 80) * np.sin(np.arange(300) / 4)
    with StoreWriter(folder) as writer:
        for start in range(0, rows, 10_000):
            n = min(10_000, rows - start)
            label = rng.integers(0, 3, n).astype(np.int8)
            wave = rng.standard_normal((n, 600), np.float32) * np.float32(0.05)
            wave += np.array([1, -1, 0], np.float32)[label, None] * onset
            ids = np.array([f"{row}" for row in range(start, start + n)])
            writer.append(Block(wave, {"id": ids, "group": ids, "label": label}))
        columns = writer.columns()
        columns["split"] = np.repeat(np.int8([0, 1, 2]), [rows - 2 * (rows // 20), rows // 20, rows // 20])
        meta = {"task": "polarity", "dataset": "bench", "prepare": {"norm": "peak"}, "data_source": "synthetic"}
        writer.finish(columns, meta)
