"""How dry-runs of generated configurations grow up to 10,000 runs; with --submit, how fast Slurm gets the jobs."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SIZES = (1000, 2000, 5000, 10_000)
PROFILES = {"plain": (), "profiles/slurm": ("--profile", common.ROOT / "profiles/slurm")}
RUNS_A_SEED = 25
GROWTH = 1.2  # times what a further run costs between the two smallest, it may cost between the two largest
QUIET_S = 40  # without a new Slurm job: all are submitted


@dataclass
class Measured:
    """What a process took, and how many jobs it said it would do."""

    wall: float
    cpu: float
    memory: float
    jobs: int


def configuration(runs: int) -> dict[str, Any]:
    """Two tasks of five data sets each, two networks and three estimators, and as many seeds as make so many runs."""
    waves = ("ins", "hinet", "scsn", "pnw")
    return {
        "title": f"{runs} runs",
        "tasks": {
            "polarity": {
                "seeds": list(range(runs // RUNS_A_SEED)),
                "datasets": {name: {"source": "synthetic", "rows": 120} for name in waves}
                | {"all": {"source": "pool", "members": list(waves)}},
                "variants": {model: {"model": model} for model in ("cnn_ross", "pd_model")},
            },
            "slip": {
                "seeds": list(range(runs // RUNS_A_SEED)),
                "datasets": {
                    f"experiments_{seed}": {"source": "synthetic", "rows": 320, "seed": seed, "reader": "experiments"}
                    for seed in range(5)
                },
                "variants": {
                    name: {"model": "baseline", "args": {"regressor": name}}
                    for name in ("constant", "ridge", "boosted_trees")
                },
            },
        },
    }


def command(folder: Path, config: dict[str, Any], *arguments: str | Path) -> list[str]:
    """Snakemake's command line for a configuration, which is written to the folder."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, default_flow_style=None), encoding="utf-8")
    snakemake = Path(sys.executable).with_name("snakemake")
    parts = (
        snakemake,
        "--snakefile",
        common.ROOT / "Snakefile",
        "--configfile",
        path,
        "--directory",
        folder,
        *arguments,
    )
    return list(map(str, parts))


def dry_run(folder: Path, runs: int, *arguments: str | Path) -> Measured:
    """A dry-run that prints every job."""
    start = time.monotonic()
    with subprocess.Popen(
        command(folder, configuration(runs), "--dry-run", "--quiet", "all", *arguments),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    total = re.search(r"^total +(\d+)$", output, re.MULTILINE)
    if process.returncode or total is None:
        raise SystemExit(f"the dry-run of {runs} runs failed:\n{output[-4000:]}")
    wall = time.monotonic() - start
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, int(total[1]))


def show(name: str, found: dict[int, Measured]) -> None:
    """Print each number, how many times that of the smallest configuration it is, and whether it grows evenly."""
    sizes = list(found)
    for runs, measured in found.items():
        print(f"{name}, {runs:,} runs, {measured.jobs:,} jobs:")
        for key, unit in (("wall", "s"), ("cpu", "CPU s"), ("memory", "MB at most")):
            value = getattr(measured, key)
            times = value / getattr(found[sizes[0]], key)
            common.line(key, value, unit, f"{times:.2f} times {sizes[0]:,} runs")
    if len(sizes) < 3:
        return
    print(f"{name}, a thousand runs more, at the lower and at the upper end:")
    for key, unit in (("wall", "s"), ("cpu", "CPU s"), ("memory", "MB")):
        (a, b), (c, d) = sizes[:2], sizes[-2:]
        low, high = (
            1000 * (getattr(found[right], key) - getattr(found[left], key)) / (right - left)
            for left, right in ((a, b), (c, d))
        )
        common.line(f"{key}, {a:,} to {b:,}", low, unit)
        common.line(f"{key}, {c:,} to {d:,}", high, unit, f"<= {GROWTH:g} times", high <= GROWTH * low)


def draw(found: dict[str, dict[int, Measured]], path: Path) -> None:
    """CPU seconds and memory over the runs, with what would be in proportion to the first."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "geoml", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, key, label in zip(axes, ("cpu", "memory"), ("dry-run, CPU seconds", "memory, MB"), strict=True):
        for (name, measured), marker in zip(found.items(), "os", strict=True):
            runs = list(measured)
            values = [getattr(one, key) for one in measured.values()]
            points = axis.plot(runs, values, marker, label=name)
            axis.plot(
                [0, runs[-1]], [0, values[0] * runs[-1] / runs[0]], "--", color=points[0].get_color(), linewidth=0.8
            )
        axis.set(xlabel="runs", ylabel=label, xlim=0, ylim=0)
        axis.legend(title="dashed: in proportion\nto the first", frameon=False)
    figure.savefig(path, metadata={"Date": None})


def queued(folder: Path) -> dict[str, float]:
    """When each Slurm job of a working directory was submitted, in whole seconds; all states."""
    output = subprocess.run(
        ["squeue", "--noheader", "--states=all", "--format=%A|%V|%Z"], check=True, capture_output=True, text=True
    ).stdout
    rows = (row.split("|") for row in output.splitlines())
    return {
        number: time.mktime(time.strptime(when, "%Y-%m-%dT%H:%M:%S")) for number, when, at in rows if at == str(folder)
    }


@contextmanager
def started(folder: Path, config: dict[str, Any], *arguments: str | Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A Snakemake that is killed at the end, with its Slurm jobs."""
    with open(folder / "output.txt", "wb") as output:
        process = subprocess.Popen(command(folder, config, *arguments), stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if numbers := list(queued(folder)):
                subprocess.run(["scancel", *numbers], check=True)


def submit(folder: Path, jobs: int) -> None:
    """Send so many fits to Slurm, held so that none starts, each by itself and as the profile groups them."""
    seeds = -(-jobs // 15)
    jobs = 15 * seeds
    config = configuration(seeds * RUNS_A_SEED)
    del config["tasks"]["polarity"]
    prepared = folder / "prepared"
    prepared.mkdir()
    subprocess.run(
        command(prepared, config, "--cores", "all", "--until", "prepare_dataset"), check=True, capture_output=True
    )
    how = (*PROFILES["profiles/slurm"], "--jobs", str(jobs), "--until", "fit",
           "--set-resources", "fit:slurm_extra='--hold'")  # fmt: skip
    for name, grouping in {
        "each by itself": ("--group-components", "fits=1"),
        "as the profile groups them": (),
    }.items():
        own = shutil.copytree(prepared, folder / name.replace(" ", "_"))
        first, last, seen = 0.0, float("inf"), {}
        start = time.time()
        with started(own, config, *how, *grouping) as process:
            # How many Slurm jobs it will be is for the profile to say: all are there when none comes any more.
            while process.poll() is None and len(seen) < jobs and time.time() - last < QUIET_S:
                time.sleep(0.5)
                seen = queued(own)
                first = first or (time.time() if seen else 0.0)
                last = max(seen.values(), default=last)
        if not seen:
            raise SystemExit(f"nothing was submitted:\n{(own / 'output.txt').read_text()[-4000:]}")
        print(f"{jobs} fits to Slurm, {name}, held:")
        common.line("Slurm jobs", len(seen), "")
        common.line("from the start to the first submission", first - start, "s")
        lasted = max(seen.values()) - min(seen.values())
        common.line("from the first to the last submission", lasted, "s")
        common.line("submissions", (len(seen) - 1) / max(1, lasted), "a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=SIZES, help=f"multiples of {RUNS_A_SEED}")
    parser.add_argument("--figure", type=Path, help="where the plot is saved")
    parser.add_argument(
        "--submit", type=int, metavar="JOBS", help="instead, send so many jobs to Slurm and cancel them"
    )
    arguments = parser.parse_args()
    with common.workspace(0.5) as folder:
        if arguments.submit:
            submit(folder, arguments.submit)
            return
        found = {
            name: {runs: dry_run(folder, runs, *profile) for runs in arguments.runs}
            for name, profile in PROFILES.items()
        }
    for name, measured in found.items():
        show(name, measured)
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
