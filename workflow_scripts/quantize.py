"""Make the int8 form of an exported network, with ranges from training samples."""

from pathlib import Path

from geoml.export import FORMATS
from geoml.export.choose import data_of
from geoml.export.quantize import quantize
from geoml.files import read_json, write_json
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    model = Path(snakemake.input.model)
    data = data_of(read_json(snakemake.input.choice), snakemake.input.data)
    record = quantize(model, data, model.with_name(FORMATS["onnx_int8"]), snakemake.params.settings["calibration"])
    write_json(snakemake.output.record, {"onnx_int8": record})
