"""Draw the candidates of an architecture search."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search import draw

with log_to(snakemake.log[0]):
    draw(snakemake.wildcards.task, snakemake.params.settings, Path(snakemake.output.candidates))
