"""Rank the candidates of an architecture search and name the best."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search_rank import rank

with log_to(snakemake.log[0]):
    rank(
        snakemake.wildcards.task,
        snakemake.wildcards.search,
        snakemake.params.settings,
        [[Path(path) for path in rung] for rung in snakemake.params.batches],
        Path(snakemake.output.ranking),
        Path(snakemake.output.best),
    )
    for state in Path(snakemake.params.work).glob("*.npz"):  # of candidates that did not go on to the next rung
        state.unlink(missing_ok=True)
