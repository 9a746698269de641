"""Turn source files, or the members of a pool, into a prepared data set."""

from pathlib import Path

from geoml.logs import log_to
from geoml.prepare import prepare_from

with log_to(snakemake.log[0]):
    prepare_from(
        snakemake.wildcards.task,
        snakemake.wildcards.dataset,
        snakemake.params.entry,
        [Path(path) for path in snakemake.input.source],
        Path(snakemake.output.meta).parent,
    )
