"""What a result was made with: versions, machine, time and memory."""

import platform
import resource
import sys
import time
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from geoml import __version__

_PACKAGES = (
    "tensorflow", "keras", "keras-self-attention", "scikit-learn", "lightgbm", "xgboost-cpu", "numpy", "scipy", "h5py",
    "pandas", "pillow", "obspy", "snakemake",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of geoml, Python and the packages that a result can depend on."""
    found = {"geoml": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def cpu_name() -> str:
    """Model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    with suppress(OSError):  # Linux; what getrusage says begins with the size of the process that started this one
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1e3, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """``{"wall_s": ..., "cpu_s": ...}``"""
        return {
            "wall_s": round(time.perf_counter() - self._wall, 3),
            "cpu_s": round(time.process_time() - self._cpu, 3),
        }


def record(**more: Any) -> dict[str, Any]:
    """``more`` with versions and machine, for a result's JSON file."""
    return more | {"versions": versions(), "cpu": cpu_name(), "platform": platform.platform()}
