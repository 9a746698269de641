"""Use a trained model on a user's own files."""

from pathlib import Path

from geoml.logs import log, log_to
from geoml.predict import predict

with log_to(snakemake.log[0]):
    settings = dict(snakemake.params.settings)
    paths = {key: Path(settings[key]) for key in ("picks", "reversals") if key in settings}
    inputs = [Path(path) for path in settings["inputs"]]
    summary = predict(
        snakemake.wildcards.task, inputs, Path(snakemake.output.folder), Path(snakemake.input.model), **paths
    )
    log.info("%s", summary)
