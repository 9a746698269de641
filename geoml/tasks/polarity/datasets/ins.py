"""INSTANCE, Italy (Michelini et al. 2021): one HDF5 dataset a trace in E, N, Z order, or re-packed SeisBench blocks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geoml import reading
from geoml.store import Block
from geoml.tasks.polarity import pieces, windows
from geoml.tasks.polarity.datasets import seisbench

CITATION = (
    "Michelini, A., Cianetti, S., Gaviano, S., Giunchi, C., Jozinovic, D. & Lauciani, V. (2021): INSTANCE - the "
    "Italian seismic dataset for machine learning. Earth Syst. Sci. Data 13, 5509-5544, doi:10.5194/essd-13-5509-2021. "
    "Data: doi:10.13127/instance, CC BY 4.0."
)
_PLACE = "http://repo.pi.ingv.it/instance/"
DOWNLOADS = [
    (_PLACE + "Instance_sample_dataset_v3.tar.bz2", "sample of 10,000 traces, 1.7 GB"),
    (_PLACE + "metadata_Instance_events.csv.bz2", "metadata of all events"),
    (_PLACE + "Instance_events_counts.hdf5.bz2", "traces in counts, 39 GB, 156 GB unpacked; unpack before use"),
]
CODE = {"positive": "U", "negative": "D", "undecidable": "N"}


def read(folder: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Samples of the event traces; metadata and waveforms may lie in ``metadata/`` and ``data/``."""
    return pieces.blocks(_pieces(Path(folder), settings), settings)


def _pieces(folder: Path, settings: dict[str, Any]) -> Iterator[pieces.Piece]:
    tables = ("metadata*events*.csv", "metadata*events*.csv.bz2", "metadata.csv")
    waveforms = ("*events_counts*.hdf5", "*events*.hdf5", "waveforms.hdf5")
    table = reading.find_one(folder, *_or_in("metadata", tables))
    traces = reading.find_one(folder, *_or_in("data", waveforms))
    # The official files tell neither the component order nor the rate: they are part of the format.
    yield from seisbench.from_table(table, traces, settings, CODE, order="ENZ", rate_hz=windows.RATE_HZ)


def _or_in(subfolder: str, patterns: tuple[str, ...]) -> list[str]:
    return [place + pattern for pattern in patterns for place in ("", f"{subfolder}/")]
