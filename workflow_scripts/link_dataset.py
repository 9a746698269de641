"""List the source files in a user's folder."""

from pathlib import Path

from geoml.logs import log_to
from geoml.sources import link

with log_to(snakemake.log[0]):
    link(snakemake.params.entry, Path(snakemake.output.marker))
