"""Time the networks of a task side by side."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search_rank import with_best
from geoml.timing import time_networks

with log_to(snakemake.log[0]):
    variants = snakemake.params.variants
    best = dict(zip(snakemake.params.searched, map(Path, snakemake.input.best), strict=True))
    time_networks(
        snakemake.wildcards.task,
        {name: with_best(variant, best.get(name)) for name, variant in variants.items()},
        Path(snakemake.input.data).parent,
        Path(snakemake.output.timing),
        threads=snakemake.threads,
    )
