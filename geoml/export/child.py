"""Work that can crash the process that does it, done in another one."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path


def run(module: str, *arguments: object, limit_s: float) -> str:
    """Run a module of geoml in a process of its own.

    Args:
        module: Its name.
        arguments: Of its command line.
        limit_s: Seconds after which it is killed.

    Returns:
        Nothing where it succeeded, else one line that says why it did not.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit_s, env=_env())
    except subprocess.TimeoutExpired:
        return f"stopped after {limit_s:.0f} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    last = re.sub(r"^[\w.]+\.(?=\w+: )", "", lines[-1]) if lines else "it said nothing"
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name} (last line: {last})"
    return last


def _env() -> dict[str, str]:
    """Of this process, with this geoml to be found from any folder."""
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
