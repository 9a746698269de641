"""The 48 numbers of the shallow models: noise, mean, deviation and Haralick's 13 of the grey, Gabor and edge image.

Fold card, section 5.1. The study's parameters are unknown; those here are the card's re-implementation.
"""

from functools import cache, lru_cache

import numpy as np

from geoml.tasks.folds.pictures import shrunk

FEATURES: tuple[str, ...] = tuple(
    f"{plane}_{name}"
    for plane in ("original", "gabor", "edge")
    for name in ("noise", "mean", "std", *(f"h_{number}" for number in range(1, 14)))
)
_LONGEST = 256  # pixels
_LEVELS = 256
_GABOR_SIDE, _GABOR_SIGMA, _GABOR_WAVELENGTH, _GABOR_ASPECT = 21, 5.0, 10.0, 0.5  # pixels; theta 45 degrees, phase 0
_HALF = _GABOR_SIDE // 2
# Daubechies' wavelet with two vanishing moments, high-pass; its diagonal coefficients of 8-bit images are zero or
# over 1e-6, what is smaller is rounding.
_DB2 = np.array([-1 - 3**0.5, 3 + 3**0.5, -3 + 3**0.5, 1 - 3**0.5]) / (4 * 2**0.5)
_ZERO = 1e-6


def extract(grey: np.ndarray) -> np.ndarray:
    """The 48 features of one picture, in the order of ``FEATURES``.

    Args:
        grey: (h, w) uint8 of any size from 2 x 2 on; it is shrunk to a longest side of 256 pixels first.

    Returns:
        (48,) float64. Noise is NaN where no diagonal wavelet coefficient differs from zero. All else is finite: a plane
        of one value has h_1 = h_3 = h_5 = 1, h_6 twice that value and 0 elsewhere, as the published features have.
    """
    return np.concatenate(
        [[noise(plane), plane.mean(), plane.std(), *haralick(plane)] for plane in planes(shrunk(grey, _LONGEST))]
    )


def planes(grey: np.ndarray) -> np.ndarray:
    """(3, h, w) uint8: the picture (h, w) itself, its thresholded Gabor response (0 or 255), and its sharpened form.

    Gabor: response to :func:`gabor_kernel`, the picture mirrored at the borders, rounded and clipped to 8 bits,
    then white where it is over its mean + standard deviation. Edge: 3 x 3 kernel with 9.3 in the middle and -1 around,
    rounded (half up) and clipped.
    """
    h, w = grey.shape
    padded = np.pad(grey, _HALF, mode="reflect")
    shape = (_fast(padded.shape[0]), _fast(padded.shape[1]))
    response = np.fft.irfft2(np.fft.rfft2(padded, shape) * _spectrum(shape), shape)[2 * _HALF :, 2 * _HALF :][:h, :w]
    gabor = np.clip(np.rint(response), 0, 255).astype(np.uint8)
    white = gabor > gabor.mean() + gabor.std()

    near = padded[_HALF - 1 : _HALF + h + 1, _HALF - 1 : _HALF + w + 1].astype(np.int16)
    rows = near[:-2] + near[1:-1] + near[2:]
    tenths = 103 * near[1:-1, 1:-1] - 10 * (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:])
    edge = (np.clip(tenths, 0, 2550) + 5) // 10
    return np.stack([grey, white.astype(np.uint8) * 255, edge.astype(np.uint8)])


@cache
def gabor_kernel() -> np.ndarray:
    """(21, 21) float64, Gabor kernel of the card: theta 45 degrees, sigma 5, wavelength 10, aspect 0.5, phase 0.

    Its weights sum to one, which the card leaves open: it answers 17 times as strongly to stripes as to plain grey, so
    the response saturates as the published one does. With a weight of one in the middle all pictures saturate to
    white throughout, nothing is over the threshold, and 16 features are constant.
    """
    y, x = np.mgrid[-_HALF : _HALF + 1, -_HALF : _HALF + 1]
    across, along = (x + y) / 2**0.5, (y - x) / 2**0.5
    envelope = np.exp(-(across**2 + (_GABOR_ASPECT * along) ** 2) / (2 * _GABOR_SIGMA**2))
    kernel = envelope * np.cos(2 * np.pi * across / _GABOR_WAVELENGTH)
    return kernel / kernel.sum()


@lru_cache(maxsize=16)
def _spectrum(shape: tuple[int, int]) -> np.ndarray:
    return np.fft.rfft2(gabor_kernel(), shape)


@cache
def _fast(n: int) -> int:
    """The least number from ``n`` on with no prime factor over 5: quick to transform."""
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else _fast(n + 1)


def noise(plane: np.ndarray) -> float:
    """Robust noise level of an image (h, w), in grey levels: median of |d| over 0.6745, without d = 0.

    d is the finest diagonal detail of the db2 wavelet, the image mirrored at its borders (half a pixel outside); NaN
    if it is zero throughout. The published features count rounding errors of d as values; here they are zero.
    """
    found = np.abs(_detail(_detail(plane.astype(np.float64)).T))
    found = found[found > _ZERO]
    return float(np.median(found)) / 0.6745 if found.size else np.nan


def _detail(image: np.ndarray) -> np.ndarray:
    """High-pass along the first axis, every second value: (h, w) -> ((h + 3) // 2, w)."""
    h = len(image)
    mirrored = np.pad(image, ((2, 3), (0, 0)), mode="symmetric")
    stop = 2 * ((h + 3) // 2)
    return sum(weight * mirrored[3 - j : 3 - j + stop : 2] for j, weight in enumerate(_DB2))


def haralick(plane: np.ndarray) -> np.ndarray:
    """Haralick's features h_1 to h_13 of an 8-bit image, logarithms to base 2 (card, section 5.1).

    Of the symmetric co-occurrence matrix of 256 levels, distance 1; mean over 0, 45, 90 and 135 degrees. As that matrix
    p(i, j) is symmetric, most follow from the distributions of i, of i + j and of |i - j|. Where only one value occurs,
    h_3 is 1 and h_10, h_12 and h_13 are 0, as in the published features.

    Args:
        plane: (h, w) uint8.

    Returns:
        (13,) float64.
    """
    # Ours: scikit-image lacks half of them and takes ten times as long, and mahotas makes the matrix only as large as
    # the brightest pixel, which changes h_10.
    pairs = (
        (plane[:, :-1], plane[:, 1:]),
        (plane[1:, :-1], plane[:-1, 1:]),
        (plane[:-1], plane[1:]),
        (plane[:-1, :-1], plane[1:, 1:]),
    )
    if plane.min() == plane.max():
        return np.array([1, 0, 1, 0, 1, 2.0 * plane[0, 0], 0, 0, 0, 0, 0, 0, 0])
    return np.mean([_one_direction(*pair) for pair in pairs], 0)


def _one_direction(one: np.ndarray, other: np.ndarray) -> list[float]:
    low, high = np.minimum(one, other), np.maximum(one, other)
    total = one.size
    # Each unordered pair once; p(i, j) = p(j, i) is half its share, p(i, i) its whole share.
    counts = np.bincount((low.astype(np.intp) << 8 | high).ravel(), minlength=_LEVELS**2).reshape(_LEVELS, _LEVELS)
    p_x = (counts.sum(0) + counts.sum(1)) / (2 * total)
    p_d = np.bincount((high - low).ravel(), minlength=_LEVELS) / total
    p_s = np.bincount((low.astype(np.intp) + high).ravel(), minlength=2 * _LEVELS - 1) / total
    share = counts[counts > 0] / total
    same = np.diagonal(counts) / total
    k = np.arange(2 * _LEVELS - 1.0)
    mean = p_x @ k[:_LEVELS]
    variance = p_x @ (k[:_LEVELS] - mean) ** 2
    contrast = p_d @ k[:_LEVELS] ** 2
    of_x, of_pairs = _bits(p_x), _bits(share) + 1 - same.sum()
    return [
        ((share**2).sum() + (same**2).sum()) / 2,
        contrast,
        1 - contrast / (2 * variance) if variance else 1.0,
        variance,
        p_d @ (1 / (1 + k[:_LEVELS] ** 2)),
        2 * mean,
        4 * variance - contrast,
        _bits(p_s),
        of_pairs,
        p_d.var(),
        _bits(p_d),
        (of_pairs - 2 * of_x) / of_x if of_x else 0.0,
        max(0.0, 1 - np.exp(-2 * (2 * of_x - of_pairs))) ** 0.5,
    ]


def _bits(p: np.ndarray) -> float:
    """Entropy of a distribution."""
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())
