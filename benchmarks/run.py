"""All benchmarks, one after another, each in a process of its own; with names, only those."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "startup",
    "scale",
    "batches",
    "prepare",
    "memory",
    "training",
    "features",
    "folds",
    "slip",
    "tremor",
    "patches",
    "search",
    "section",
    "edge",
)
HERE = Path(__file__).parent


def main() -> int:
    failed = []
    for name in sys.argv[1:] or SCRIPTS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, HERE / f"{name}.py"]).returncode:
            failed.append(name)
    if failed:
        print(f"did not run through: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
