"""Maps of active faults: read from a user's files, thinned, drawn anew, speckled, with faults missing (card, 12)."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoml.errors import InputError
from geoml.tasks.slip import HEIGHT, WIDTH

if TYPE_CHECKING:
    from PIL import Image

PICTURES = frozenset({".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg"})
SUFFIXES = PICTURES | {".npy", ".mat"}
_LARGEST = 100_000_000  # pixels of a picture
_FAULTS = "altBW_filt"  # variable of an experiment, and channel 1 of four (card, section 2)
_WITHOUT = "Install what is missing, or save the map as a NumPy array (.npy)."
_PIECE = 8  # columns: longer segments lose pieces of about this length along strike


def skeleton(maps: np.ndarray) -> np.ndarray:
    """Centre lines, one pixel thick, of maps (n, h, w) uint8 of 0 and 1; the same shape and type."""
    from skimage.morphology import skeletonize

    lines = np.zeros_like(maps)
    for line, each in zip(lines, maps, strict=True):
        line[:] = skeletonize(each.astype(bool))
    return lines


def drawn(lines: np.ndarray, thickness: int) -> np.ndarray:
    """Lines of one pixel, in maps (n, h, w) uint8 of 0 and 1, drawn with a round pen of ``thickness`` pixels.

    A pen of an even width has no middle pixel: its extra row and column lie to the smaller index.
    """
    from scipy.ndimage import binary_dilation

    offset = np.arange(thickness) - (thickness - 1) / 2
    pen = offset[:, None] ** 2 + offset**2 <= thickness**2 / 4
    return binary_dilation(lines, pen[None]).astype(np.uint8)


def redrawn(maps: np.ndarray, thickness: int) -> np.ndarray:
    """Maps (n, h, w) uint8 of 0 and 1 whose faults are all ``thickness`` pixels thick, whatever they were."""
    return drawn(skeleton(maps), thickness)


def noisy(maps: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Maps (n, h, w) uint8 of 0 and 1 with speckles: pixels anywhere that change to the other value.

    Args:
        maps: Maps; an empty one stays as it is.
        share: Expected number of changed pixels as a share of the map's own fault pixels. Since faults fill little of
            a map, nearly all of them are false faults and few are holes.
        rng: Chooses the pixels, each independently.
    """
    chance = share * maps.mean(axis=(1, 2), keepdims=True)
    return maps ^ (rng.random(maps.shape) < chance).astype(np.uint8)


def with_missing(maps: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Maps (n, h, w) uint8 of 0 and 1 where faults were overlooked.

    What goes is whole: an 8-connected segment, or of a segment longer than about 12 columns a piece along strike of
    about 8 columns.

    Args:
        maps: Maps.
        share: Share of the map's fault pixels to take away; as near as whole pieces allow, and never all of them.
        rng: Chooses the pieces.
    """
    result = maps.copy()
    for each in result:
        pieces, sizes = _pieces(each)
        order = rng.permutation(len(sizes))
        gone = np.cumsum([0, *sizes[order][:-1]])
        count = int(np.abs(gone - share * sizes.sum()).argmin())
        each[np.isin(pieces, order[:count])] = 0
    return result


def _pieces(each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the piece at every pixel (h, w), -1 where there is no fault, and the pixels of each piece."""
    from scipy.ndimage import find_objects, label

    segments, _ = label(each, np.ones((3, 3)))
    pieces = np.full(each.shape, -1)
    total = 0
    for number, (_, columns) in enumerate(find_objects(segments), start=1):
        length = columns.stop - columns.start
        count = max(round(length / _PIECE), 1)
        y, x = np.nonzero(segments == number)
        pieces[y, x] = total + (x - columns.start) * count // length
        total += count
    return pieces, np.bincount(pieces[pieces >= 0], minlength=total)


def read(path: str | Path) -> np.ndarray:
    """Maps (n, h, w) uint8 of 0 and 1 of one file, strike along the columns.

    Args:
        path: A picture of two colours, of which the rarer is the fault; ``.npy`` with a map (h, w), frames (h, w, n),
            a window (128, 64, 4) or an experiment (h, w, 4, n) of four channels; or ``.mat`` with ``altBW_filt``
            (h, w) or (h, w, n).

    Raises:
        InputError: unreadable, of another shape, or not of two values.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return _read_picture(path)[None]
    values = _read_mat(path) if suffix == ".mat" else _read_npy(path)
    if values.dtype.kind not in "buif":
        raise InputError(path, "values", "numbers", values.dtype)
    if values.ndim == 4 and values.shape[2] == 4:
        values = values[:, :, 1]
    elif values.shape == (HEIGHT, WIDTH, 4) and not _binary(values):
        values = values[..., 1]
    if values.ndim not in (2, 3) or not values.size:
        raise InputError(path, "shape", "(h, w), (h, w, frames), (128, 64, 4) or (h, w, 4, frames)", values.shape)
    if not _binary(values):
        got = f"values from {values.min():g} to {values.max():g}"
        raise InputError(path, "map", "0 and 1 (fault) only", got, "Threshold it first.")
    return np.moveaxis(np.atleast_3d(values), -1, 0).astype(np.uint8)


def require(path: Path, what: str, hint: str, **packages: str) -> None:
    """Refuse a file for which packages are missing, before any part of it is read.

    Args:
        path: Of the file.
        what: What the packages do.
        hint: What works without them.
        packages: Name of a package by the module that it brings.

    Raises:
        InputError: with the missing ones.
    """
    missing = [name for module, name in packages.items() if find_spec(module) is None]
    if missing:
        got = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed"
        raise InputError(path, "packages", f"{', '.join(packages.values())}, to read {what}", got, hint)


def _binary(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _read_npy(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
        if not isinstance(values, np.ndarray):
            raise ValueError("an archive of several")
        return values
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, "content", "a NumPy array", error) from None


def _read_mat(path: Path) -> np.ndarray:
    """Fault maps of an experiment, of MATLAB's old format or the HDF5 one (7.3), which has the axes turned around."""
    require(path, "MATLAB files", _WITHOUT, scipy="SciPy", h5py="h5py")
    import h5py
    from scipy.io import loadmat

    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                names = sorted(file)
                content = {_FAULTS: file[_FAULTS][()].T} if _FAULTS in names else {}
        else:
            content = loadmat(path)
            names = [name for name in content if not name.startswith("__")]
    except Exception as error:  # of many kinds where a file is damaged
        raise InputError(path, "content", "a MATLAB file", error) from None
    if _FAULTS not in content:
        raise InputError(path, "variables", _FAULTS, ", ".join(names) or "none")
    return content[_FAULTS]


def _read_picture(path: Path) -> np.ndarray:
    """Map (h, w) uint8: 1 where the picture has the rarer of its two colours."""
    require(path, "pictures", _WITHOUT, PIL="Pillow")
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, and about sizes that are checked here
        try:
            with Image.open(path, formats=("PNG", "TIFF", "BMP", "JPEG")) as image:
                width, height = image.size
                pages = getattr(image, "n_frames", 1)
                pixels = _colours(image) if width * height <= _LARGEST and pages == 1 else None
        except Exception as error:  # of many kinds: decoders trip over damaged files wherever they are
            raise InputError(path, "file", "a picture", error) from None
    if pixels is None:
        got = f"{pages} pages of {width} x {height}"
        raise InputError(path, "size", f"one page of at most {_LARGEST // 1_000_000} million pixels", got)
    faults = pixels != pixels.flat[0]
    levels = pixels[faults]
    if levels.size and (levels != levels[0]).any():
        hint = "Threshold it, without smoothing, and save it as PNG: JPEG adds shades."
        raise InputError(path, "map", "two colours, fault and ground", f"{len(np.unique(levels)) + 1}", hint)
    return (~faults if faults.mean() > 0.5 else faults).astype(np.uint8)


def _colours(image: "Image.Image") -> np.ndarray:
    """(h, w) integers or floats, a different one for every colour; transparency is laid on white."""
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    elif image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
        image = image.convert("RGB")
    values = np.asarray(image)
    return values if values.ndim == 2 else values.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
