"""Compare exported files with their network on the test set, time them, and write the cards."""

from pathlib import Path

from geoml.export import FORMATS, model_card
from geoml.export.card import card, speeds
from geoml.export.check import check
from geoml.export.choose import data_of
from geoml.files import atomic, read_json, write_json
from geoml.logs import log_to

with log_to(snakemake.log[0]):
    choice, folder = read_json(snakemake.input.choice), Path(snakemake.output.card).parent
    records = {"onnx": {"status": "made"}} | {k: v for path in snakemake.input.records for k, v in read_json(path).items()}
    made = {name: folder / file for name, file in FORMATS.items() if records[name]["status"] == "made"}
    data = data_of(choice, snakemake.input.data)
    rows = check(Path(choice["model"]), made, data, score=snakemake.params.score, threads=snakemake.threads)
    found = card(choice, records, rows, snakemake.params.score, **snakemake.params.settings)
    write_json(snakemake.output.card, found)
    training, prepared = Path(choice["model"]).with_name("training.json"), data / "dataset.json"
    words = model_card.text(found, snakemake.params.words, read_json(training), read_json(prepared))
    with atomic(snakemake.output.words) as temporary:
        temporary.write_text(words, encoding="utf-8")
    write_json(snakemake.output.speed, speeds(rows))
