"""Make the table of training times by device from the trainings and timings of all tasks."""

from geoml.devices import table
from geoml.files import read_json
from geoml.logs import log_to
from geoml.tables import write

with log_to(snakemake.log[0]):
    write(table([read_json(path) for path in snakemake.input.records], snakemake.params.bases), snakemake.output.table)
