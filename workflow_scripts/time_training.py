"""Time a variant's training steps on one device."""

from pathlib import Path

from geoml.logs import log_to
from geoml.timing import time_training

with log_to(snakemake.log[0]):
    time_training(
        dict(snakemake.wildcards.items()),
        snakemake.params.variant,
        Path(snakemake.input.data).parent,
        Path(snakemake.output.timing),
        device=snakemake.wildcards.device,
        threads=snakemake.threads,
    )
