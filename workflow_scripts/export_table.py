"""Make the table of all exported files, and its page."""

from geoml import texts
from geoml.export.card import table
from geoml.files import read_json
from geoml.logs import log_to
from geoml.table_page import write_table
from geoml.tables import write

with log_to(snakemake.log[0]):
    cards, speeds = ([read_json(path) for path in paths] for paths in (snakemake.input.cards, snakemake.input.speeds))
    write(table(cards, speeds), snakemake.output.table)
    write_table(snakemake.output.table, snakemake.output.page, texts.table("export"))
