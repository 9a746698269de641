"""Make the results page from the tables, figures and exports of all tasks."""

from geoml.logs import log_to
from geoml.page import write

with log_to(snakemake.log[0]):
    write(snakemake.output.page, snakemake.params.title, snakemake.params.tasks, snakemake.params.others)
