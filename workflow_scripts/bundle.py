"""Pack the exported files of a task, and a program that runs them, for a Raspberry Pi."""

from pathlib import Path

from geoml.export.bundle import bundle
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    bundle(Path(snakemake.input.card), Path(snakemake.output.archive))
