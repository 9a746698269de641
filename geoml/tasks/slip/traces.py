"""Mapped fault traces as maps of active faults: vector files, windows along strike, lines drawn as pixels.

Networks learned from clay 25 mm thick at 1.14 mm a pixel. Crust of a seismogenic thickness H takes the clay's place
when a pixel is H * 1.14 / 25: 684 m for 15 km. They learned dextral faults: row 0 moves towards larger columns, so
stepping segments dip towards larger rows with larger columns (method card, sections 2 and 11).
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.tasks.slip import HEIGHT, STEP, WIDTH
from geoml.tasks.slip.maps import drawn, require, skeleton

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

SUFFIXES = frozenset({".geojson", ".shp", ".gpkg", ".fgb", ".gml", ".kml"})
CLAY = 25.0  # mm, thickness of the clay
PIXEL_M = tuple(round(km * 1000 * STEP / CLAY, 3) for km in (10, 15, 20))  # seismogenic thickness -> 456, 684, 912 m
LINE_PX = (2, 3, 4)  # as the original drew crustal faults (method card, section 9)
SENSES = ("dextral", "sinistral")
_PACKAGES = {
    "geopandas": "GeoPandas", "pyogrio": "pyogrio", "shapely": "Shapely", "scipy": "SciPy", "skimage": "scikit-image",
}  # fmt: skip
_WITHOUT = "Install them, or draw the traces elsewhere and give the map as a picture or a NumPy array (.npy)."
_LINES = ("LineString", "MultiLineString", "LinearRing")
_LARGEST = 4.1e7  # m: nothing on Earth is longer, and no projection in metres has larger coordinates
_POINTS = 20_000_000  # along all lines; more would take over 500 MB
_RIM = 8  # pixels drawn around a window and cut off, so that lines do not end inside it


@dataclass
class Traces:
    """Lines of one vector file.

    Attributes:
        lines: Vertices (k, 2) each, east and north in metres.
        crs: Name of their coordinate system, empty if the file has none.
        notes: What the user should know of how the file was read.
    """

    lines: list[np.ndarray]
    crs: str
    notes: list[str] = field(default_factory=list)


@dataclass
class Window:
    """One map that a network can be asked about.

    Attributes:
        number: Place along strike, from 0; the same for all sizes and thicknesses.
        distance_m: Its place along the principal strike, from the first end of the traces.
        x: East of the centre, m.
        y: North of the centre, m.
        strike_deg: Strike along the columns, clockwise from grid north, 0 to 180.
        pixel_m: Size of a pixel.
        line_px: Thickness of the lines.
        map: (128, 64) uint8 of 0 and 1, empty where no trace passes.
    """

    number: int
    distance_m: float
    x: float
    y: float
    strike_deg: float
    pixel_m: float
    line_px: int
    map: np.ndarray


def read(path: str | Path) -> Traces:
    """Lines of a vector file (every layer of it) in metres; several lines of one feature come one by one.

    Raises:
        InputError: unreadable, no lines, coordinates in degrees, or coordinates that are nowhere on Earth, or packages
            for this are not installed.
    """
    require(Path(path), "and draw vector files", _WITHOUT, **_PACKAGES)
    from shapely import get_coordinates

    table = _read_table(Path(path))
    kinds = table.geometry.geom_type.dropna()
    notes = []
    if others := Counter(kinds[~kinds.isin(_LINES)]):
        notes.append(f"left out, not lines: {_listed(others)}")
    table = table[table.geometry.geom_type.isin(_LINES) & ~table.geometry.is_empty]
    if table.empty:
        raise InputError(path, "geometry", "lines", _listed(others) or "nothing", "Fault traces are lines.")
    scale = _metres(path, table, notes)
    parts = table.geometry.explode(index_parts=False)
    lines = [get_coordinates(part) * scale for part in parts]
    values = np.concatenate(lines)
    if not np.isfinite(values).all() or np.abs(values).max() > _LARGEST:
        got = f"from {values.min():g} to {values.max():g} m"
        raise InputError(path, "coordinates", "finite metres, at most 41 000 km", got)
    lines = [line for line in lines if _lengths(line).sum() > 0]
    if not lines:
        raise InputError(path, "geometry", "lines with a length", f"{len(parts)} of zero length")
    return Traces(lines, table.crs.name if table.crs else "", notes)


def windows(
    lines: Sequence[np.ndarray],
    pixel_m: Sequence[float] = PIXEL_M,
    line_px: Sequence[int] = LINE_PX,
    sense: str = "dextral",
) -> Iterator[Window]:
    """Windows of 128 x 64 pixels along traces, strike along the columns, each at every size and thickness.

    Centres are half a window of the smallest size apart along the principal strike (the axis along which the traces
    have their largest spread, by length). A window of any size stays within the ends of the traces if they are longer
    than it. In each, the strike is that of the line through the pieces inside that fits best (across strike, least
    squares), and the centre is their mean.

    Args:
        lines: Vertices (k, 2) each, m.
        pixel_m: Sizes of a pixel.
        line_px: Thicknesses of the lines, pixels.
        sense: ``dextral``, or ``sinistral``, which is mirrored: networks learned dextral faults.

    Raises:
        InputError: a pixel so small that the lines have more than 20 million of them.
    """
    frame = _Frame(lines, min(pixel_m) / 4)
    half = WIDTH / 2 * min(pixel_m)
    count = max(int(np.ceil((frame.length - 2 * half) / half)), 0) + 1
    places = np.linspace(half, frame.length - half, count) if count > 1 else np.array([frame.length / 2])
    for number, place in enumerate(places):
        for size in pixel_m:
            centre, strike = frame.fit(place, WIDTH / 2 * size)
            trace = frame.raster(centre, strike, size, mirrored=sense == "sinistral")
            x, y = frame.to_map(centre)
            for thickness in line_px:
                cut = drawn(trace, thickness)[0, _RIM:-_RIM, _RIM:-_RIM]
                azimuth = frame.azimuth(strike)
                yield Window(number, float(place), float(x), float(y), azimuth, float(size), thickness, cut)


def advice(lines: Sequence[np.ndarray], pixel_m: Sequence[float] = PIXEL_M) -> list[str]:
    """What makes windows along these lines doubtful, for the user."""
    frame = _Frame(lines, min(pixel_m) / 4)
    notes = []
    if (wide := frame.width / frame.length) > 0.5:
        notes.append(f"traces spread {wide:.0%} as wide as long: give one fault zone per file")
    longest = WIDTH * max(pixel_m)
    if frame.length < longest:
        notes.append(
            f"traces are {frame.length / 1000:.3g} km long, shorter than the largest window ({longest / 1000:.3g} km): "
            "columns without a fault lower the efficiency"
        )
    return notes


class _Frame:
    """Points along lines at equal steps, as distances along (u) and to the left (v) of the principal strike."""

    def __init__(self, lines: Sequence[np.ndarray], step: float) -> None:
        points, weights = _densified(lines, step)
        self._mean = np.average(points, axis=0, weights=weights)
        offset = points - self._mean
        _, axes = np.linalg.eigh(np.cov(offset.T, aweights=weights, ddof=0))
        east, north = axes[:, -1]
        self._axis = np.array([east, north]) * (-1 if east < 0 or (east == 0 and north < 0) else 1)
        u, v = offset @ self._axis, offset @ _left(self._axis)
        order = np.argsort(u)
        self._start = u[order[0]]
        self._u, self._v, self._weights = u[order] - self._start, v[order], weights[order]
        self.length, self.width = float(self._u[-1]), float(np.ptp(v))

    def fit(self, place: float, half: float) -> tuple[np.ndarray, np.ndarray]:
        """Centre (2,) and unit vector of strike (2,), both in (u, v), of the pieces within ``half`` of a place."""
        place = float(np.clip(place, half, self.length - half)) if self.length > 2 * half else self.length / 2
        inside = slice(*np.searchsorted(self._u, (place - half, place + half)))
        u, v, weights = self._u[inside], self._v[inside], self._weights[inside]
        if not len(u):
            return np.array([place, 0.0]), np.array([1.0, 0.0])
        centre = np.array([np.average(u, weights=weights), np.average(v, weights=weights)])
        spread = (weights * (u - centre[0]) ** 2).sum()
        slope = (weights * (u - centre[0]) * (v - centre[1])).sum() / spread if spread else 0.0
        return centre, np.array([1.0, slope]) / np.hypot(1.0, slope)

    def raster(self, centre: np.ndarray, strike: np.ndarray, pixel_m: float, mirrored: bool) -> np.ndarray:
        """Lines of one pixel (1, 128 + rim, 64 + rim) around a centre, strike along the columns."""
        shape = np.array([HEIGHT, WIDTH]) + 2 * _RIM
        reach = np.hypot(*shape) / 2 * pixel_m
        near = slice(*np.searchsorted(self._u, (centre[0] - reach, centre[0] + reach)))
        offset = np.stack([self._u[near], self._v[near]], 1) - centre
        along, left = offset @ strike, offset @ _left(strike)
        # Rows count downwards. The centre is in the middle of a row: at a row's edge a straight trace would be torn.
        pixels = np.stack([left if mirrored else -left, along], 1) / pixel_m + shape / 2 + (0.5, 0)
        row, column = np.floor(pixels[((pixels >= 0) & (pixels < shape)).all(axis=1)]).astype(int).T
        canvas = np.zeros((1, *shape), np.uint8)
        canvas[0, row, column] = 1
        return skeleton(canvas)

    def to_map(self, place: np.ndarray) -> np.ndarray:
        """East and north (2,) of a place in (u, v)."""
        return self._mean + (place[0] + self._start) * self._axis + place[1] * _left(self._axis)

    def azimuth(self, strike: np.ndarray) -> float:
        """Strike in degrees clockwise from north, 0 to 180, of a unit vector in (u, v)."""
        east, north = strike[0] * self._axis + strike[1] * _left(self._axis)
        return float(np.degrees(np.arctan2(east, north)) % 180)


def _left(vector: np.ndarray) -> np.ndarray:
    return np.array([-vector[1], vector[0]])


def _lengths(line: np.ndarray) -> np.ndarray:
    return np.hypot(*np.diff(line, axis=0).T)


def _densified(lines: Sequence[np.ndarray], step: float) -> tuple[np.ndarray, np.ndarray]:
    """Middles (n, 2) of pieces of at most ``step`` metres, and the lengths (n,) of the pieces."""
    starts = np.concatenate([line[:-1] for line in lines])
    ends = np.concatenate([line[1:] for line in lines])
    lengths = np.concatenate([_lengths(line) for line in lines])
    counts = np.where(lengths > 0, np.ceil(lengths / step) + 1, 0).astype(int)
    if (total := int(counts.sum())) > _POINTS:
        raise InputError("--pixel_m", "size", "a larger pixel", f"{4 * step:g} m for {lengths.sum() / 1000:,.0f} km")
    segment = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (place + 0.5) / counts[segment]
    return starts[segment] + share[:, None] * (ends - starts)[segment], (lengths / np.maximum(counts, 1))[segment]


def _read_table(path: Path) -> "GeoDataFrame":
    """Features of all layers that have a geometry, in the coordinate system of the first."""
    import geopandas
    import pandas as pd
    import pyogrio

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata; what matters is checked
            layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
            tables = [geopandas.read_file(path, layer=name)[["geometry"]] for name in layers]
            if not tables:
                raise InputError(path, "layers", "a layer with geometry", "none")
            return pd.concat([table.to_crs(tables[0].crs) if table.crs else table for table in tables])
    except InputError:
        raise
    except Exception as error:  # of many kinds: GDAL, shapely, pyproj
        raise InputError(path, "file", "a vector file that GDAL can read", error, _missing_parts(path)) from None


def _missing_parts(path: Path) -> str:
    lost = [end for end in (".shx", ".dbf") if not path.with_suffix(end).exists()]
    return f"Its {' and '.join(lost)} are missing." if path.suffix.lower() == ".shp" and lost else ""


def _metres(path: str | Path, table: "GeoDataFrame", notes: list[str]) -> float:
    """Metres of a unit of the coordinates."""
    west, south, east, north = table.total_bounds
    degrees = max(-west, east) <= 360 and max(-south, north) <= 90
    if degrees and (table.crs is None or table.crs.is_geographic):
        raise InputError(path, "coordinates", "metres", "degrees", _zone(table))
    if table.crs is None or table.crs.is_geographic:  # GeoJSON is in degrees by definition, so these have no system
        notes.append("no coordinate system: taken to be metres")
        return 1.0
    if table.crs.to_epsg() == 3857:
        raise InputError(path, "coordinates", "metres", "Web Mercator, which stretches lengths", _zone(table))
    factor = float(table.crs.axis_info[0].unit_conversion_factor)
    if factor != 1:
        notes.append(f"{table.crs.axis_info[0].unit_name} turned into metres")
    return factor


def _zone(table: "GeoDataFrame") -> str:
    """The projection to use for coordinates in degrees."""
    hint = "Project the file first"
    try:
        zone: Any = (table if table.crs else table.set_crs(4326)).estimate_utm_crs()
    except RuntimeError:  # polar, or nonsense
        return f"{hint}."
    return f"{hint}, to {zone.name} (EPSG:{zone.to_epsg()}) for example."


def _listed(counts: Counter) -> str:
    words = {kind: re.sub(r"(?<=.)(?=[A-Z])", " ", kind).lower() for kind in counts}
    return ", ".join(f"{n} {words[kind]}" for kind, n in counts.most_common())
