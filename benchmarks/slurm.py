"""What Slurm costs: a whole workflow on the cluster that sbatch reaches and on this machine, in one run."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

MOST = 1.5


def run(profile: str, config: Path, folder: Path) -> tuple[float, str]:
    """Wall seconds of a workflow in a new directory, and what it said."""
    command = [Path(sys.executable).with_name("snakemake"), "--profile", common.ROOT / "profiles" / profile]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--configfile", config, "--directory", folder, "--snakefile", common.ROOT / "Snakefile"],
        cwd=common.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    return time.perf_counter() - start, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=common.ROOT / "config" / "config.yaml")
    parser.add_argument("--folder", type=Path, required=True, help="an empty directory that the nodes see")
    arguments = parser.parse_args()
    here, _ = run("local", arguments.config.resolve(), arguments.folder / "local")
    there, said = run("slurm", arguments.config.resolve(), arguments.folder / "slurm")
    jobs = len(re.findall("Submitted as Slurm job", said))
    print(f"{arguments.config.name}: {len(re.findall('Finished jobid', said))} jobs, {jobs} of Slurm")
    common.line("on this machine", here, "s")
    common.line("on Slurm", there, "s")
    common.line("ratio", there / here, "", f"<= {MOST:g}", there / here <= MOST)


if __name__ == "__main__":
    main()
