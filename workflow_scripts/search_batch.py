"""Train one batch of the candidates of an architecture search."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search_batch import train_batch

with log_to(snakemake.log[0]):
    train_batch(
        snakemake.wildcards.task,
        snakemake.params.settings,
        Path(snakemake.input.data).parent,
        int(snakemake.wildcards.rung),
        int(snakemake.wildcards.batch),
        Path(snakemake.input.candidates),
        [Path(path) for path in snakemake.input.earlier],
        Path(snakemake.output.results),
        Path(snakemake.params.work),
        device=snakemake.params.device,
        threads=snakemake.threads,
    )
