"""Use a trained model on a user's own files."""

from pathlib import Path

from geoml.logs import log, log_to
from geoml.predict import predict

with log_to(snakemake.log[0]):
    settings = dict(snakemake.params.settings)
    inputs = [Path(path) for path in settings.pop("inputs")]
    settings |= {key: Path(settings[key]) for key in ("picks", "reversals") if key in settings}
    del settings["model"]  # the rule knows its file
    out, model = Path(snakemake.output.folder), Path(snakemake.input.model)
    summary = predict(snakemake.wildcards.task, inputs, out, model, **settings)
    log.info("%s", summary)
