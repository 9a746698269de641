"""Fault traces of vector files: what is read and refused, and the windows along strike that are drawn of them."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label
from shapely.geometry import LineString, MultiLineString, Point, Polygon

from geoml.errors import InputError
from geoml.tasks.slip import traces

ORIGIN = np.array([5e5, 3.9e6])


def zone(strike_deg: float = 90.0, segments: int = 5, dip_deg: float = 14.0) -> list[np.ndarray]:
    """Dextral segments of 18 km, one every 20 km of the strike, each turned clockwise against it, with a bend."""
    angle = np.radians(90 - strike_deg)
    along, left = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    made = []
    for k in range(segments):
        t = np.linspace(-9e3, 9e3, 31)
        across = -np.tan(np.radians(dip_deg)) * t + 400 * np.sin(t / 3e3 + k) + 300 * k
        made.append(ORIGIN + (20e3 * k + t)[:, None] * along + across[:, None] * left)
    return made


def maps_of(lines: Sequence[np.ndarray], pixel_m: float = 684, line_px: int = 3, sense: str = "dextral") -> np.ndarray:
    return np.stack([window.map for window in traces.windows(lines, [pixel_m], [line_px], sense)])


def alike(one: np.ndarray, other: np.ndarray, by_px: int = 1) -> bool:
    """Whether the faults of maps are in the same place, give or take a pixel (where a line is drawn is rounded)."""
    around = np.ones((1, 2 * by_px + 1, 2 * by_px + 1))
    outside = (one & ~binary_dilation(other, around)).sum() + (other & ~binary_dilation(one, around)).sum()
    return one.shape == other.shape and outside < 0.01 * one.sum()


def turned(each: np.ndarray) -> np.ndarray:
    """Half a turn of the map, which changes nothing about the fault, with the windows in the other order."""
    return each[::-1, ::-1, ::-1]


def save(path: Path, shapes: Sequence, crs: object = 32611) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing coordinate system
        geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(path)
    return path


def test_maps_are_zeros_and_ones_with_the_strike_along_the_columns_and_the_faults_in_the_middle() -> None:
    windows = list(traces.windows(zone(), [456], [2]))
    for window in windows:
        assert window.map.shape == (128, 64) and window.map.dtype == np.uint8 and set(np.unique(window.map)) == {0, 1}
        rows = np.nonzero(window.map)[0]
        assert rows.mean() == pytest.approx(63.5, abs=2)
        assert abs(window.strike_deg - 90) < 5


@pytest.mark.parametrize(("mirror", "dips"), [(1, 1), (-1, -1)])
def test_dextral_segments_dip_to_larger_rows_with_larger_columns_and_sinistral_ones_do_not(
    mirror: int, dips: int
) -> None:
    found = 0
    for each in maps_of([line * [1, mirror] for line in zone(50)]):
        segments, count = label(each, np.ones((3, 3)))
        for number in range(1, count + 1):
            rows, columns = np.nonzero(segments == number)
            if np.ptp(columns) > 15:
                assert np.sign(np.polyfit(columns, rows, 1)[0]) == dips
                found += 1
    assert found > 4


@pytest.mark.parametrize("turn", [30, 90, 180, 217])
def test_turning_the_traces_changes_the_strike_and_not_the_maps(turn: float) -> None:
    before = list(traces.windows(zone(60), [684], [3]))
    after = list(traces.windows(zone(60 + turn), [684], [3]))
    strikes = [(a.strike_deg - b.strike_deg - turn + 90) % 180 - 90 for a, b in zip(after, before, strict=True)]
    if (60 + turn) % 360 >= 180:  # distance counts from the western end: the order is the other
        strikes = [
            (a.strike_deg - b.strike_deg - turn + 90) % 180 - 90 for a, b in zip(after[::-1], before, strict=True)
        ]
    assert np.abs(strikes).max() < 0.5
    one, other = (np.stack([window.map for window in each]) for each in (before, after))
    assert alike(one, other) or alike(one, turned(other))


def test_moving_the_traces_moves_the_centres_and_not_the_maps() -> None:
    before = list(traces.windows(zone(30), [684], [3]))
    after = list(traces.windows([np.add(line, (12_345, -54_321)) for line in zone(30)], [684], [3]))
    for one, other in zip(before, after, strict=True):
        assert (other.x - one.x, other.y - one.y) == pytest.approx((12_345, -54_321), abs=1)
        assert alike(one.map[None], other.map[None])
    first = np.hypot(before[0].x - ORIGIN[0], before[0].y - ORIGIN[1])
    assert first == pytest.approx(32 * 684 - 9e3, abs=2e3)  # half a window after the end of the first segment


def test_a_mirrored_fault_of_the_other_sense_gives_the_same_maps() -> None:
    mirrored = [line * [1, -1] for line in zone()]
    assert alike(maps_of(zone()), maps_of(mirrored, sense="sinistral"))
    assert not alike(maps_of(zone()), maps_of(mirrored))


def test_traces_and_pixels_that_are_twice_as_large_give_the_same_maps() -> None:
    double = [2 * (line - ORIGIN) + ORIGIN for line in zone()]
    assert alike(maps_of(zone(), 456), maps_of(double, 912))
    small, large = (window.map[None] for window in traces.windows(zone(), [456, 912], [3]) if window.number == 2)
    assert not alike(small, large)


@pytest.mark.parametrize("thickness", [1, 2, 3, 4, 5, 16])
def test_a_straight_trace_is_drawn_as_thick_as_asked_to_the_edges_of_the_window(thickness: int) -> None:
    line = ORIGIN + np.array([[0, 0], [80e3, 60e3]])
    drawn = maps_of([line], 456, thickness)
    assert len(drawn) > 3
    assert (drawn.sum(axis=1) == thickness).all()
    assert np.nonzero(drawn)[1].mean() == (64 if thickness % 2 else 63.5)


def test_a_thick_trace_just_outside_a_window_reaches_into_it() -> None:
    line = ORIGIN + np.array([[0, 0], [300e3, 0]])
    pair = [line, line + np.array([0, 132 * 456])]  # two pixels outside, on either side
    rows = np.nonzero(maps_of(pair, 456, 7)[2].any(axis=1))[0]
    assert set(rows) == {0, 1, 127}
    assert not maps_of(pair, 456, 2).any()


def test_default_pixels_are_those_of_crust_of_10_15_and_20_km() -> None:
    assert traces.PIXEL_M == (456, 684, 912)


def test_all_sizes_share_their_places_and_stay_within_the_ends_of_the_traces() -> None:
    line = ORIGIN + np.array([[0, 0], [200e3, 0]])
    windows = list(traces.windows([line], traces.PIXEL_M, [2]))
    places = {size: [w.distance_m for w in windows if w.pixel_m == size] for size in traces.PIXEL_M}
    assert places[456] == places[684] == places[912]
    assert 0 < np.diff(places[456]).max() <= 32 * 456
    assert all((window.map.any(axis=0)).all() for window in windows)
    assert [w.x - ORIGIN[0] for w in windows if w.number == 0] == pytest.approx([32 * 456, 32 * 684, 32 * 912], abs=300)


def test_a_trace_shorter_than_a_window_gives_one_and_a_gap_an_empty_one() -> None:
    (only,) = traces.windows(zone(segments=1), [912], [3])
    assert 15 < only.map.any(axis=0).sum() < 25
    assert "shorter than the largest window" in traces.advice(zone(segments=1))[0]
    line = zone(segments=1)[0]
    middle = [window.map.any() for window in traces.windows([line, np.add(line, (200e3, 0))], [456], [3])]
    assert middle[0] and middle[-1] and not all(middle)


def test_two_zones_side_by_side_are_advised_against() -> None:
    assert not traces.advice(zone(segments=9))
    apart = [*zone(segments=9), *(np.add(line, (0, 150e3)) for line in zone(segments=9))]
    assert "one fault zone per file" in traces.advice(apart)[0]


def test_pixels_too_small_for_the_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"--pixel_m: size: expected a larger pixel, got 0\.01 m for 99 km"):
        list(traces.windows([np.array([[0.0, 0.0], [99e3, 0.0]])], [0.01], [2]))


@pytest.mark.parametrize("name", ["a.geojson", "a.shp", "a.gpkg", "a.fgb"])
def test_lines_of_every_format_come_one_by_one(tmp_path: Path, name: str) -> None:
    lines = zone()
    parts = [MultiLineString(list(lines[:2])), MultiLineString(list(lines[2:]))]
    read = traces.read(save(tmp_path / name, parts))
    assert sorted(line[0, 0] for line in read.lines) == pytest.approx(sorted(line[0, 0] for line in lines), abs=0.1)
    assert read.crs == "WGS 84 / UTM zone 11N" and not read.notes


def test_heights_empty_features_and_lines_without_length_are_dropped(tmp_path: Path) -> None:
    high = LineString(np.column_stack([zone()[0], np.ones(31)]))
    still = LineString([ORIGIN, ORIGIN])
    read = traces.read(save(tmp_path / "a.gpkg", [high, None, LineString(), still]))
    assert [line.shape for line in read.lines] == [(31, 2)]


def test_every_layer_is_read_and_what_is_not_a_line_is_noted(tmp_path: Path) -> None:
    lines = geopandas.GeoDataFrame(geometry=[LineString(zone()[0])], crs=32611)
    lines.to_file(tmp_path / "a.gpkg", layer="one")
    lines.to_crs(32612).to_file(tmp_path / "a.gpkg", layer="two")
    geopandas.GeoDataFrame(geometry=[Point(ORIGIN)], crs=32611).to_file(tmp_path / "a.gpkg", layer="towns")
    read = traces.read(tmp_path / "a.gpkg")
    assert len(read.lines) == 2 and np.allclose(*read.lines, atol=0.1)
    assert read.notes == ["left out, not lines: 1 point"]


def test_feet_are_turned_into_metres(tmp_path: Path) -> None:
    feet = [LineString(line * 3937 / 1200) for line in zone()]
    read = traces.read(save(tmp_path / "a.shp", feet, 2229))  # California 5, US survey feet
    assert np.allclose(read.lines[0], zone()[0], atol=0.01)
    assert read.notes == ["US survey foot turned into metres"]


@pytest.mark.parametrize("name", ["a.shp", "a.geojson"])
def test_metres_without_a_coordinate_system_are_taken_with_a_note(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.shp":
        save(path, [LineString(zone()[0])], None)
    else:
        shape = {"type": "LineString", "coordinates": zone()[0].tolist()}
        path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": shape}))
    read = traces.read(path)
    assert np.allclose(read.lines[0], zone()[0])
    assert read.notes == ["no coordinate system: taken to be metres"]


@pytest.mark.parametrize("crs", [4326, None])
def test_degrees_are_refused_and_the_zone_to_use_is_named(tmp_path: Path, crs: int | None) -> None:
    line = LineString([(-116.8, 35.0), (-116.1, 34.4)])
    with pytest.raises(InputError, match=r"expected metres, got degrees.*UTM zone 11N \(EPSG:32611\)"):
        traces.read(save(tmp_path / "a.shp", [line], crs))


def test_web_mercator_is_refused_since_its_metres_are_too_long(tmp_path: Path) -> None:
    line = geopandas.GeoSeries([LineString(zone()[0])], crs=32611).to_crs(3857)
    with pytest.raises(InputError, match=r"got Web Mercator.*EPSG:32611"):
        traces.read(save(tmp_path / "a.gpkg", line, 3857))


def test_points_and_areas_only_are_refused_with_what_they_are(tmp_path: Path) -> None:
    areas = [Point(ORIGIN), Polygon([ORIGIN, ORIGIN + 1, np.add(ORIGIN, (0, 1))]), Point(ORIGIN)]
    with pytest.raises(InputError, match="geometry: expected lines, got 2 point, 1 polygon"):
        traces.read(save(tmp_path / "a.geojson", areas))


def test_nothing_no_length_and_places_not_on_earth_are_refused(tmp_path: Path) -> None:
    empty = {"type": "FeatureCollection", "features": []}
    (tmp_path / "a.geojson").write_text(json.dumps(empty))
    with pytest.raises(InputError, match="expected lines, got nothing"):
        traces.read(tmp_path / "a.geojson")
    with pytest.raises(InputError, match="expected lines with a length, got 1 of zero length"):
        traces.read(save(tmp_path / "b.gpkg", [LineString([ORIGIN, ORIGIN])]))
    with pytest.raises(InputError, match="coordinates: expected finite metres"):
        traces.read(save(tmp_path / "c.gpkg", [LineString([ORIGIN, ORIGIN * 1000])]))
    with pytest.raises(InputError, match="coordinates: expected finite metres"):
        traces.read(save(tmp_path / "d.gpkg", [LineString([ORIGIN, (np.inf, 0)])]))


def test_damaged_files_are_refused_and_the_missing_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{")
    with pytest.raises(InputError, match=r"a\.geojson: file: expected a vector file"):
        traces.read(tmp_path / "a.geojson")
    save(tmp_path / "b.shp", [LineString(zone()[0])])
    (tmp_path / "b.shx").unlink()
    with pytest.raises(InputError, match=r"b\.shp: file.*\.shx"):
        traces.read(tmp_path / "b.shp")
