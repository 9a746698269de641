"""Train one variant on one data set with one seed."""

from pathlib import Path

from geoml.logs import log_to
from geoml.search_rank import with_best
from geoml.sources import weights_file
from geoml.train import train

with log_to(snakemake.log[0]):
    train(
        {**dict(snakemake.wildcards.items()), "seed": int(snakemake.wildcards.seed)},
        with_best(snakemake.params.variant, *map(Path, snakemake.input.best)),
        Path(snakemake.input.data).parent,
        Path(snakemake.output.model),
        Path(snakemake.output.history),
        Path(snakemake.output.record),
        Path(snakemake.params.checkpoint),
        device=snakemake.params.device,
        threads=snakemake.threads,
        init_from=weights_file(snakemake.input.init_from),
        events=Path(snakemake.params.events),
    )
