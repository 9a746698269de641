"""Draw the figures that compare all runs of a task."""

from pathlib import Path

import pandas as pd

from geoml import registry
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    folder = Path(snakemake.output.figures)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.tables}
    registry.load_task(snakemake.wildcards.task, "figures").draw_task(folder, tables)
