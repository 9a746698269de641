"""Peak memory of preparing large generated files, each in a process of its own; the files are removed afterwards."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import json

LIMIT_MB = 1000
MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import common
kind, folder, gigabytes = sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
make = common.scsn_files if kind == "scsn" else common.pnw_files
print(make(folder, gigabytes))
"""
PREPARE = """
import json, sys
from pathlib import Path
from geoml.prepare import prepare
meta = prepare("polarity", sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
print(json.dumps([meta["samples"], sum(meta["rejected"].values()), int(status["VmHWM"].split()[0]) * 1.024e-3]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scsn-gb", type=float, default=0.5, help="contiguous HDF5 of 6 s windows")
    parser.add_argument("--pnw-gb", type=float, default=0.5, help="HDF5 blocks of 150 s traces in chunks of a trace")
    options = parser.parse_args()
    for kind, wanted in (("scsn", options.scsn_gb), ("pnw", options.pnw_gb)):
        with common.workspace(2.5 * wanted + 0.5) as folder:
            source = folder / "source"
            source.mkdir()
            here = common.ROOT / "benchmarks"
            _, size = common.python(MAKE, here, kind, source, str(wanted))
            entry = json.dumps(common.entry(kind))
            cpu, output = common.python(PREPARE, kind, entry, source, folder / "prepared")
            samples, rejected, peak = json.loads(output.splitlines()[-1])
            print(f"Preparing {float(size):.2f} GB of {kind}: {samples:,} samples, {rejected:,} left out")
            common.line("peak memory", peak, "MB", f"<= {LIMIT_MB}", peak <= LIMIT_MB)
            common.line("time", cpu, "CPU s")


if __name__ == "__main__":
    main()
