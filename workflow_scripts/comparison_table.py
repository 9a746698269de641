"""Make one comparison table from all runs of a task, and its page."""

from pathlib import Path

from geoml import registry, texts
from geoml.logs import log_to
from geoml.table_page import write_table
from geoml.tables import Run, write

with log_to(snakemake.log[0]):
    runs = [
        Run(dataset, variant, seed, Path(metrics).parent)
        for (dataset, variant, seed), metrics in zip(snakemake.params.runs, snakemake.input.metrics, strict=True)
    ]
    make = registry.load(snakemake.params.task, "tables", snakemake.wildcards.table).table
    write(make(runs, snakemake.params.columns, Path("results/timing")), snakemake.output.table)
    caption = texts.table(snakemake.wildcards.table, snakemake.params.task)
    write_table(snakemake.output.table, snakemake.output.page, caption)
