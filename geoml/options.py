"""Command-line options of predictions, the same for ``geoml predict`` and for the program of a bundle."""

import argparse
from pathlib import Path
from typing import Any

_SETTINGS = ("picks", "reversals", "pixel_m", "line_px", "sense", "overlap", "engine", "stride", "threshold", "scale")


def of_prediction(parser: argparse.ArgumentParser) -> None:
    """Add the inputs, the output and what the tasks can be told; each task says what it does not use."""
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="files or folders")
    parser.add_argument("--picks", type=Path, metavar="FILE", help="table of picks: CSV or QuakeML")
    parser.add_argument("--reversals", type=Path, metavar="FILE", help="stations with reversed polarity, CSV")
    parser.add_argument("--pixel_m", type=float, nargs="+", metavar="METRES", help="sizes of a map's pixel to try")
    parser.add_argument("--line_px", type=int, nargs="+", metavar="PIXELS", help="thicknesses of a drawn trace to try")
    parser.add_argument("--sense", choices=("dextral", "sinistral"), help="sense of slip of the fault")
    parser.add_argument("--overlap", type=float, metavar="SHARE", help="of neighbouring windows of continuous records")
    parser.add_argument("--engine", choices=("sliding", "convolutional"), help="how a section is gone through")
    parser.add_argument("--stride", type=int, choices=(4, 8, 16), help="pixels between windows of a section")
    parser.add_argument("--threshold", type=float, metavar="P", help="probability from which an event is picked")
    parser.add_argument("--scale", choices=("line", "model"), help="amplitudes: by the section's own, or the model's")
    parser.add_argument(
        "-o", "--out", required=True, type=Path, help="a .csv file, or a folder for all outputs (patchnet: a folder)"
    )


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """What was said of the tasks' own options; None where nothing was."""
    return {name: getattr(given, name) for name in _SETTINGS}
