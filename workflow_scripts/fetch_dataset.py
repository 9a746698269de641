"""Download the source files of a data set."""

from pathlib import Path

from geoml.logs import log_to
from geoml.sources import fetch

with log_to(snakemake.log[0]):
    fetch(snakemake.params.entry, Path(snakemake.output.marker))
