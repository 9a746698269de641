"""Test a trained run, score it and draw its figures."""

from pathlib import Path

from geoml.evaluate import evaluate
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    evaluate(
        Path(snakemake.input.model[0]),
        [Path(path).parent for path in snakemake.input.data],
        Path(snakemake.output.metrics).parent,
        threads=snakemake.threads,
    )
