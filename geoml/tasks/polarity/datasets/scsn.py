"""Southern California windows of Ross, Meier & Hauksson (2018): flat HDF5 files of 6 s at 100 Hz, P in the middle."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.polarity import pieces, windows

if TYPE_CHECKING:
    import h5py

CITATION = (
    "Ross, Z. E., Meier, M.-A. & Hauksson, E. (2018): P wave arrival picking and first-motion polarity determination "
    "with deep learning. J. Geophys. Res. Solid Earth 123, 5120-5129, doi:10.1029/2017JB015251. "
    "Southern California Earthquake Data Center, doi:10.7909/C3WD3xH1."
)
_PLACE = "https://service.scedc.caltech.edu/ftp/Ross_FinalTrainedModels/scsn_p_2000_2017_6sec_0.5r_"
DOWNLOADS = [
    (_PLACE + "fm_train.hdf5", "2,494,194 windows with polarity"),
    (_PLACE + "fm_test.hdf5", "2,353,054 windows with polarity, official test set"),
    (_PLACE + "pick_train.hdf5", "picking set with polarity in the key fm"),
    (_PLACE + "pick_test.hdf5", "picking set with polarity in the key fm, official test set"),
]
CODE = {"0": "U", "1": "D", "2": "N"}  # disputed (card, section 2.1): hence the audit, and settings["labels"]
SAMPLES, _P = 600, 300


def read(folder: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Samples of ``*fm_{train,test}.hdf5``, or of ``*pick_{train,test}.hdf5`` where there are no such files."""
    return pieces.blocks(_pieces(folder, settings), settings)


def _pieces(folder: Path, settings: dict[str, Any]) -> Iterator[pieces.Piece]:
    for path in reading.find(folder, "*fm_*.hdf5", "*pick_*.hdf5"):
        with reading.open_hdf5(path) as file:
            yield from _read_file(file, path, settings)


def _read_file(file: "h5py.File", path: Path, settings: dict[str, Any]) -> Iterator[pieces.Piece]:
    waveforms = reading.dataset(file, "X", 2, "f")
    if waveforms.shape[1] != SAMPLES:
        raise InputError(path, "shape of 'X'", f"(n, {SAMPLES})", waveforms.shape)
    # The meaning of Y depends on the file: where fm exists it holds the labels, and Y the P times.
    with_picks = "fm" in file
    label_key = "fm" if with_picks else "Y"
    keys = {key: reading.dataset(file, key, 1, "f") for key in ("mag", "dist")}
    keys |= {"evids": reading.dataset(file, "evids", 1, "iu"), "sncls": reading.dataset(file, "sncls", 1, "SO")}
    if not with_picks and reading.dataset(file, "Y", 1).dtype.kind == "f":
        hint = "If these are P times of a picking file, its labels in 'fm' are missing."
        raise InputError(path, "type of 'Y'", "integers, as there is no 'fm'", file["Y"].dtype, hint)
    keys["label"] = reading.dataset(file, label_key, 1, "iu")
    if with_picks:
        keys["p"] = reading.dataset(file, "Y", 1, "f")
    for values in keys.values():
        if len(values) != len(waveforms):
            raise InputError(path, f"length of {values.name[1:]!r}", f"{len(waveforms)}, as 'X'", len(values))
    name = path.name[path.name.index("pick_" if "pick_" in path.name else "fm_") :]
    warned = False
    for start in range(0, len(waveforms), _step(waveforms)):
        rows = slice(start, min(start + _step(waveforms), len(waveforms)))
        found = {key: values[rows] for key, values in keys.items()}
        n = rows.stop - rows.start
        columns = {
            "id": np.array([f"{name}:{row}" for row in range(rows.start, rows.stop)]),
            "group": np.array([str(event) for event in found["evids"].tolist()]),
            **_channels(found["sncls"]),
            "label": pieces.labels(found["label"], CODE, settings, path, label_key),
            "time": np.full(n, np.nan),
            "magnitude": found["mag"],
            "distance_km": found["dist"],
            "onset": np.full(n, ""),
            "official_split": np.full(n, "test" if "test" in name else "train"),
        }
        piece = pieces.Piece(waveforms[rows].astype(np.float32, copy=False), _P, columns)
        if with_picks:
            p = np.rint(np.nan_to_num(found["p"], nan=-1) * windows.RATE_HZ).astype(int)
            if (p != _P).any():
                if not warned:
                    logging.getLogger(__name__).warning("%s: P is not at 3.0 s throughout; Y is followed", path)
                warned = True
                piece.waveforms, piece.first, piece.last, piece.reasons = windows.segments(piece.waveforms, p)
                piece.p_index = windows.LEAD
        yield piece


def _step(waveforms: "h5py.Dataset") -> int:
    """Rows to read at a time: whole chunks, if the file has any that are small enough."""
    chunk = waveforms.chunks[0] if waveforms.chunks else 1
    return max(pieces.BLOCK // chunk * chunk, 1) if chunk <= pieces.BLOCK else pieces.BLOCK


def _channels(sncls: np.ndarray) -> dict[str, np.ndarray]:
    """Network, station and channel of ``NET.STA.CHA``."""
    found, inverse = np.unique(sncls, return_inverse=True)
    parts = [(*name.split("."), "", "", "")[:3] for name in reading.text(found).tolist()]
    network, station, channel = np.array(parts).T[:, inverse]
    return {"network": network, "station": station, "location": np.full(len(sncls), ""), "channel": channel}
