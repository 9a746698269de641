"""Put the rankings of all architecture searches of a task into one table, and compare the searches."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search_table import pairs, together
from geoml.tables import write

with log_to(snakemake.log[0]):
    table = together([Path(path) for path in snakemake.input.rankings])
    write(table, snakemake.output.table)
    write(pairs(table), snakemake.output.pairs)
