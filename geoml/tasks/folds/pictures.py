"""Pictures as users have them, read into 8-bit RGB: upright, alpha on white, 16 bits as 8 (card, pitfall 11)."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoml.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp"})
SMALLEST = 8  # pixels
LARGEST = 100_000_000  # pixels: more would take over 300 MB
_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")


class Unusable(Exception):
    """One picture cannot be used; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def is_picture(path: Path) -> bool:
    """Whether a path is a file that is not hidden and is named like a picture, in small or capital letters."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def read(path: str | Path) -> np.ndarray:
    """One picture, turned as its EXIF orientation says, alpha laid on white, 16-bit grey scaled to 8 bits.

    Args:
        path: File in any format of ``_FORMATS``, told by its content.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        Unusable: damaged, of several pages, smaller than 8 x 8 or larger than 100 million pixels.
        InputError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise InputError(path, "package", "Pillow, which reads pictures", "it is not installed") from None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, and about sizes that are checked here
        try:
            with Image.open(path, formats=_FORMATS) as image:
                _check(image)
                return np.asarray(_rgb(ImageOps.exif_transpose(image)))
        except Image.DecompressionBombError:
            raise Unusable(_TOO_LARGE) from None
        except UnidentifiedImageError:
            raise Unusable("damaged: not a picture, or its start is missing") from None
        except (Unusable, MemoryError):
            raise
        except Exception as error:  # of many kinds: decoders trip over damaged files wherever they are
            raise Unusable(f"damaged: {getattr(error, 'strerror', None) or error}") from None


_TOO_LARGE = f"more than {LARGEST // 1_000_000} million pixels"


def _check(image: "Image.Image") -> None:
    """What the header tells, before anything is decoded."""
    width, height = image.size
    if width * height > LARGEST:
        raise Unusable(_TOO_LARGE)
    if min(width, height) < SMALLEST:
        raise Unusable(f"smaller than {SMALLEST} x {SMALLEST} pixels")
    # Cameras append previews to their JPEG files (MPO); the first picture is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise Unusable("animated or multi-page")


def _rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise Unusable("pixels of more than 16 bits")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise Unusable("pixels that are floating-point numbers")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def grey(rgb: np.ndarray) -> np.ndarray:
    """Luminance 0.299 R + 0.587 G + 0.114 B, rounded (half up): (h, w, 3) uint8 -> (h, w) uint8."""
    thousandths = rgb[..., 0] * np.uint32(299)
    thousandths += rgb[..., 1] * np.uint32(587)
    thousandths += rgb[..., 2] * np.uint32(114)
    return ((thousandths + 500) // 1000).astype(np.uint8)


def resized(rgb: np.ndarray, size: int) -> np.ndarray:
    """Bilinear, smoothed when it shrinks: (h, w, 3) uint8 -> (size, size, 3) uint8."""
    return _scaled(rgb, size, size)


def shrunk(image: np.ndarray, longest: int = 256) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8 with the longest side at most ``longest``, never enlarged; no side ends under 8."""
    height, width = image.shape[:2]
    scale = min(1, longest / max(height, width))
    return _scaled(image, *(max(min(side, SMALLEST), round(scale * side)) for side in (height, width)))


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
