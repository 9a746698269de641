"""Make the table of training times by device from the trainings and timings of all tasks, and its page."""

from geoml import texts
from geoml.devices import table
from geoml.files import read_json
from geoml.logs import log_to
from geoml.table_page import write_table
from geoml.tables import write

with log_to(snakemake.log[0]):
    write(table([read_json(path) for path in snakemake.input.records], snakemake.params.bases), snakemake.output.table)
    write_table(snakemake.output.table, snakemake.output.page, texts.table("devices"))
