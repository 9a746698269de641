"""Rank the candidates of an architecture search and name the best."""

import shutil
from pathlib import Path

from geoml.logs import log_to
from geoml.search import rank

with log_to(snakemake.log[0]):
    rank(
        snakemake.wildcards.task,
        snakemake.wildcards.search,
        snakemake.params.settings,
        [[Path(path) for path in rung] for rung in snakemake.params.batches],
        Path(snakemake.output.ranking),
        Path(snakemake.output.best),
    )
    shutil.rmtree(snakemake.params.work, ignore_errors=True)  # states of candidates that did not go on to the next rung
