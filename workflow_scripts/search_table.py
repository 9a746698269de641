"""Put the rankings of all architecture searches of a task into one table, and compare the searches; with their pages."""

from pathlib import Path

from geoml import texts
from geoml.logs import log_to
from geoml.search_table import pairs, together
from geoml.table_page import write_table
from geoml.tables import write

with log_to(snakemake.log[0]):
    table = together([Path(path) for path in snakemake.input.rankings])
    write(table, snakemake.output.table)
    write(pairs(table), snakemake.output.pairs)
    of = snakemake.wildcards.task
    write_table(snakemake.output.table, snakemake.output.page, texts.table(f"{of}_search", of))
    write_table(snakemake.output.pairs, snakemake.output.pairs_page, texts.table(f"{of}_search_pairs", of))
