"""The house style of figures: signs of models, size of the files, legible text, legends that cover nothing."""

import ast
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import geoml
from geoml import registry
from geoml.plotting import COLOURS, SMALL, colour, draw_history, figure, legend_below, marker, png_and_svg

ROOT = Path(geoml.__file__).parents[1]
OF_MODELS = ["patchnet", "polarity", "slip", "tremor"]  # folds have a colour for each kind of learning


@pytest.mark.parametrize("task", OF_MODELS)
def test_models_of_our_configurations_have_a_colour_and_marker_of_their_own(task: str):
    known = registry.load_task(task, "figures").MODELS
    files = [yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("config", "paper", "long")]
    variants = {name for file in files for name in file["tasks"].get(task, {}).get("variants", {})}
    assert variants and variants <= set(known)
    assert len({(colour(name, known), marker(name, known)) for name in known}) == len(known)
    assert len({colour(name, known) for name in known[:8]}) == min(len(known), 8)


def test_a_model_of_ones_own_has_the_same_colour_everywhere_and_no_sign_of_a_known_one():
    known = [f"model_{k}" for k in range(12)]
    signs = {(colour(name, known), marker(name, known)) for name in known}
    for name in ("mine", "my_other_one", "résumé"):
        assert (colour(name, known), marker(name, known)) not in signs
        assert colour(name, known) == colour(name, tuple(known)) in COLOURS


@pytest.mark.parametrize(("width", "pixels"), [(3.5, 1050), (7.0, 2100), (14.0, 2100)])
def test_a_png_has_what_print_wants_on_a_page(tmp_path: Path, width: float, pixels: int):
    paths = png_and_svg(tmp_path, "one")
    with figure(paths, width, 2) as drawing:
        drawing.subplots().plot([0, 1])
    with Image.open(paths[0]) as image:
        assert image.width == pixels
    assert f'width="{72 * width:g}pt"' in paths[1].read_text()


def test_dense_points_are_an_image_in_the_vector_file(tmp_path: Path):
    sizes = []
    for rasterised in (True, False):
        paths = png_and_svg(tmp_path, str(rasterised))
        with figure(paths, 4, 3) as drawing:
            points = np.random.default_rng(0).random((2, 20_000))
            drawing.subplots().plot(*points, ".", rasterized=rasterised)
        sizes.append(paths[1].stat().st_size)
    assert sizes[0] < sizes[1] / 2


def test_a_legend_below_covers_neither_data_nor_label():
    with figure([], 5, 4) as drawing:
        FigureCanvasAgg(drawing)
        panels = drawing.subplots(1, 2)
        for axes in panels:
            axes.plot([0, 1], label="a line")
            axes.set(xlabel="time (s)")
            legend_below(axes)
        drawing.draw_without_rendering()
        boxes = [axes.get_window_extent() for axes in panels]
        boxes += [axes.xaxis.label.get_window_extent() for axes in panels]
        boxes += [axes.get_legend().get_window_extent() for axes in panels]
        assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        assert all(box.y0 >= 0 for box in boxes)


def test_the_history_of_a_model_has_its_colour_and_plain_words(tmp_path: Path):
    history = {"loss": [2.0, 1.0], "val_loss": [2.5, 1.5], "accuracy_2sd": [0.1, 0.2], "learning_rate": [0.1, 0.1]}
    paths = png_and_svg(tmp_path, "training")
    draw_history(paths, history, "heading", "#123456", ("accuracy_2sd", "share within 2 SD"))
    svg = paths[1].read_text()
    assert "#123456" in svg and "<!-- share within 2 SD -->" in svg and "<!-- validation -->" in svg
    assert "accuracy_2sd" not in svg


def test_no_text_is_asked_for_that_is_too_small_to_read():
    small = []
    for path in Path(geoml.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("fontsize", "labelsize"):
                sizes = [of.value for of in ast.walk(node.value) if isinstance(of, ast.Constant)]
                small += [(path.name, node.lineno) for size in sizes if isinstance(size, (int, float)) and size < SMALL]
    assert not small
