"""CPU seconds before anything is done: the command line, a dry-run, the scripts of the workflow, TensorFlow."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

HELP, DRY_RUN = 0.3, 3.0
PARTS = ("Snakefile", "rules", "workflow_scripts", "geoml", "config", "profiles")


def best(rounds: int, start: Callable[[], tuple[float, str]]) -> float:
    """Least CPU seconds of some starts; one before them warms the disk cache."""
    start()
    return min(start()[0] for _ in range(rounds))


def dry_run(folder: Path) -> tuple[float, str]:
    """The whole default workflow in a copy without data."""
    snakemake = Path(sys.executable).with_name("snakemake")
    return common.child(
        snakemake, "--dry-run", "--quiet", "all", "--directory", folder, "--snakefile", folder / "Snakefile"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"Starts, best of {rounds}:")
    shown = best(rounds, lambda: common.child(Path(sys.executable).with_name("geoml"), "--help"))
    common.line("geoml --help", shown, "CPU s", f"< {HELP:g}", shown < HELP)
    with common.workspace(0.1) as folder:
        for part in PARTS:
            copy = shutil.copytree if (common.ROOT / part).is_dir() else shutil.copy2
            copy(common.ROOT / part, folder / part)
        whole = best(rounds, lambda: dry_run(folder))
    common.line("snakemake -n, default workflow", whole, "CPU s", f"<= {DRY_RUN:g}", whole <= DRY_RUN)
    common.line("python", best(rounds, lambda: common.python("")), "CPU s")
    for script in sorted((common.ROOT / "workflow_scripts").glob("*.py")):
        imports = "\n".join(row for row in script.read_text().splitlines() if row.startswith(("import ", "from ")))
        common.line(
            f"python and the imports of {script.name}", best(rounds, lambda i=imports: common.python(i)), "CPU s"
        )
    for module in ("h5py", "scipy.signal", "pandas", "matplotlib.pyplot", "obspy", "tensorflow", "keras"):
        seconds = best(
            1 if module in ("tensorflow", "keras") else rounds, lambda m=module: common.python(f"import {m}")
        )
        common.line(f"python -c 'import {module}'", seconds, "CPU s")


if __name__ == "__main__":
    main()
