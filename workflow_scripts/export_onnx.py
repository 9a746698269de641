"""Choose a network and write it as ONNX."""

from pathlib import Path

from geoml.export.choose import choose
from geoml.export.network import to_onnx
from geoml.files import write_json
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    models = [Path(path) for path in snakemake.input.models]
    choice = {"model": str(models[0]), "chosen": {"by": "request"}}
    if snakemake.input.table:
        choice = choose(Path(snakemake.input.table[0]), models, snakemake.params.rule, snakemake.params.bases)
    meta = to_onnx(Path(choice["model"]), Path(snakemake.output.model))
    write_json(snakemake.output.choice, {"run": meta["run"], "model_sha256": meta["model_sha256"], **choice})
