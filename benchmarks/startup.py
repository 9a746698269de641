"""CPU seconds before anything is done: the command line, a dry-run, the scripts of the workflow, TensorFlow."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

HELP, DRY_RUN, PARSE = 0.3, 3.0, 0.5
PARTS = ("Snakefile", "rules", "workflow_scripts", "geoml", "config", "profiles", "environment.yml")

# CPU seconds that Snakemake needs to read a Snakefile and all that it includes.
READ = """
import sys, time
from snakemake.cli import main
from snakemake.workflow import Workflow

include = Workflow.include

def timed(self, *args, **kwargs):
    outermost, start = not self.included_stack, time.process_time()
    include(self, *args, **kwargs)
    if outermost:
        print("read in", time.process_time() - start)

Workflow.include = timed
main(sys.argv[1:])
"""


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


def reading(folder: Path, snakefile: Path, config: Path | None = None) -> tuple[float, str]:
    """CPU seconds that a Snakefile takes to be read, without Snakemake's own start."""
    chosen = ("--configfile", config) if config else ()
    _, output = common.python(READ, "--list-rules", "--directory", folder, "--snakefile", snakefile, *chosen)
    found = re.search(r"^read in (\S+)$", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1]), output


def job(folder: Path) -> tuple[float, str]:
    """What a Slurm job runs, where the job is a small one: to draw three candidates."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    target = ("--target-jobs", "draw_candidates:task=patchnet,dataset=patches,search=halving")
    how = (
        "--allowed-rules",
        "draw_candidates",
        "--mode",
        "remote",
        "--force",
        "--nolock",
        "--no-hooks",
        "--cores",
        "1",
    )
    where = ("--directory", folder, "--snakefile", folder / "Snakefile", "--configfile", folder / "config/test.yaml")
    return common.child(Path(sys.executable).with_name("snakemake"), *target, *how, *where)


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
        empty = folder / "empty.smk"
        empty.write_text("rule all:\n    input: []\n", encoding="utf-8")
        nothing = best(rounds, lambda: reading(folder, empty))
        for name in ("config.yaml", "paper.yaml"):
            config = folder / "config" / name
            seconds = best(rounds, lambda c=config: reading(folder, folder / "Snakefile", c)) - nothing
            common.line(f"Snakefile and rules, read with {name}", seconds, "CPU s", f"< {PARSE:g}", seconds < PARSE)
        own = best(rounds, lambda: common.child(Path(sys.executable).with_name("snakemake"), "--version"))
        common.line("snakemake --version", own, "CPU s")
        common.line("snakemake in a cluster job that draws candidates", best(rounds, lambda: job(folder)), "CPU s")
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
