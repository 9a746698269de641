"""Time a variant's training steps on one device."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search_rank import with_best
from geoml.timing import time_training

with log_to(snakemake.log[0]):
    time_training(
        dict(snakemake.wildcards.items()),
        with_best(snakemake.params.variant, *map(Path, snakemake.input.best)),
        Path(snakemake.input.data).parent,
        Path(snakemake.output.timing),
        device=snakemake.wildcards.device,
        threads=snakemake.threads,
    )
