"""Pacific Northwest (Ni et al. 2023): SeisBench blocks in E, N, Z order; an empty polarity is no label, not N."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geoml import reading
from geoml.store import Block
from geoml.tasks.polarity import pieces, windows
from geoml.tasks.polarity.datasets import seisbench

CITATION = (
    "Ni, Y., Hutko, A., Skene, F., Denolle, M., Malone, S., Bodin, P., Hartog, R. & Wright, A. (2023): Curated Pacific "
    "Northwest AI-ready seismic dataset. Seismica 2(1), doi:10.26443/seismica.v2i1.368."
)
_PLACE = "https://dasway.ess.washington.edu/shared/niyiyu/PNW-ML/"
DOWNLOADS = [
    (_PLACE + "comcat_metadata.csv", "metadata, 50.4 MB"),
    (_PLACE + "comcat_waveforms.hdf5", "waveforms, 62.7 GB"),
]
CODE = {"positive": "U", "negative": "D", "undecidable": "N"}


def read(folder: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Samples of ``comcat_*``, or of the small ``mesoPNW_*``, ``miniPNW_*`` or other pair of files in the folder."""
    return pieces.blocks(_pieces(Path(folder), settings), settings)


def _pieces(folder: Path, settings: dict[str, Any]) -> Iterator[pieces.Piece]:
    table = reading.find_one(folder, "comcat_metadata.csv", "*metadata.csv")
    waveforms = reading.find_one(folder, table.name.replace("metadata.csv", "waveforms.hdf5"))
    yield from seisbench.from_table(
        table, waveforms, settings, CODE, order="ENZ", rate_hz=windows.RATE_HZ, splits=False
    )
