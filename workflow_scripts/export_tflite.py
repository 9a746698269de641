"""Make the TFLite files of the chosen network."""

from pathlib import Path

from geoml.export.choose import data_of
from geoml.export.tflite import convert
from geoml.files import read_json, write_json
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    choice = read_json(snakemake.input.choice)
    data, folder = data_of(choice, snakemake.input.data), Path(snakemake.output.record).parent
    records = convert(Path(choice["model"]), data, folder, snakemake.params.settings["calibration"])
    write_json(snakemake.output.record, records)
