"""CPU seconds to prepare 100,000 rows of the scsn format in a process of its own, imports included; where they go."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import json

LIMIT = 5.0
RUN = """
import json, sys
from pathlib import Path
entry, source, folder, profile = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
from geoml.prepare import prepare
if not profile:
    prepare("polarity", "scsn", entry, source, folder)
    sys.exit()
import cProfile, pstats, time
import h5py, scipy.signal
import geoml.tasks.polarity.task
before = time.process_time()
with cProfile.Profile(time.process_time) as profiler:
    prepare("polarity", "scsn", entry, source, folder)
print(json.dumps({"start": before} | {
    f"{Path(file).stem}.{name}": cumulative
    for (file, _, name), (_, _, _, cumulative, _) in pstats.Stats(profiler).stats.items()
    if "geoml" in file
}))
"""
STEPS = {
    "reading the files and their columns": ["scsn._read_file"],
    "1 Hz high-pass": ["windows.highpass"],
    "what cannot be used (clipped, flat, not finite)": ["windows._unusable"],
    "SNR and first break": ["windows._snr_db", "windows._first_break"],
    "writing, hashes, duplicates": ["store.append"],
    "split": ["splits.assign"],
    "table, rejected.csv, dataset.json": ["store.finish"],
    "label audit": ["audit.audit"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with common.workspace(2) as folder:
        source = folder / "source"
        source.mkdir()
        size = common.scsn_files(source, options.rows / common.SCSN_ROWS_PER_GB)
        entry = json.dumps(common.entry("scsn"))
        print(f"Preparing {options.rows:,} rows of the scsn format ({size:.2f} GB), best of {options.rounds}:")
        spent = [common.python(RUN, entry, source, folder / "prepared", "")[0] for _ in range(options.rounds)]
        common.line("all, with imports", min(spent), "CPU s", f"<= {LIMIT:g}", min(spent) <= LIMIT)
        _, output = common.python(RUN, entry, source, folder / "prepared", "profile")
        times = json.loads(output.splitlines()[-1])
        print("Where it goes, in another run under the profiler:")
        common.line("start and imports", times["start"], "CPU s")
        for name, functions in STEPS.items():
            common.line(name, sum(times[function] for function in functions), "CPU s")


if __name__ == "__main__":
    main()
