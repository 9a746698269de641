"""Make the synthetic source files of a data set."""

from pathlib import Path

from geoml.logs import log_to
from geoml.sources import generate

with log_to(snakemake.log[0]):
    generate(snakemake.wildcards.task, snakemake.params.entry, Path(snakemake.output.marker))
