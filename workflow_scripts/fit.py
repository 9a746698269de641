"""Fit one estimator to one data set with one seed."""

from pathlib import Path

from geoml.fit import fit
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    fit(
        {**dict(snakemake.wildcards.items()), "seed": int(snakemake.wildcards.seed)},
        snakemake.params.variant,
        Path(snakemake.input.data).parent,
        Path(snakemake.output.model),
        Path(snakemake.output.record),
    )
