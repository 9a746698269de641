"""CPU seconds for the 48 features of a picture, ours against the same from scikit-image's routines; do they agree?"""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from geoml.tasks.folds import CLASSES, features, pictures
from geoml.tasks.folds.synthetic import draw

RATIO, TOLERANCE = 5.0, 1e-6
SHAPE = (192, 256)  # pixels: a photograph at the size at which features are worked out


def baseline(grey: np.ndarray) -> np.ndarray:
    """The 48 features as one would write them with scikit-image and SciPy; only the noise is our code.

    scikit-image's own noise estimate needs a wavelet library, and its Gabor filter has kernels of other sizes; so the
    same kernel goes through the same routine that its filter calls.
    """
    from scipy.ndimage import convolve

    image = grey.astype(np.float64)
    response = np.clip(np.rint(convolve(image, features.gabor_kernel(), mode="mirror")), 0, 255)
    gabor = np.where(response > response.mean() + response.std(), 255, 0).astype(np.uint8)
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 9.3
    sharpened = np.round(convolve(image, kernel, mode="mirror"), 6)  # a half is a half again
    edge = np.clip(np.floor(sharpened + 0.5), 0, 255).astype(np.uint8)
    return np.concatenate(
        [[features.noise(plane), plane.mean(), plane.std(), *_haralick(plane)] for plane in (grey, gabor, edge)]
    )


def _haralick(plane: np.ndarray) -> np.ndarray:
    """(13,) from scikit-image's co-occurrence matrix and its properties; what it lacks, from the definitions."""
    from skimage.feature import graycomatrix, graycoprops

    angles = np.pi / 4 * np.arange(4)
    matrix = graycomatrix(plane, [1], angles, levels=256, symmetric=True, normed=True)
    names = ("ASM", "contrast", "correlation", "variance", "homogeneity", "mean")
    known = {name: graycoprops(matrix, name)[0] for name in names}
    i, j = np.indices((256, 256))
    rows = []
    for angle in range(4):
        p = matrix[:, :, 0, angle]
        p_s = np.bincount((i + j).ravel(), p.ravel())
        p_d = np.bincount(abs(i - j).ravel(), p.ravel())
        p_x, k = p.sum(1), np.arange(511)
        product = np.outer(p_x, p_x)
        h, h_x = _entropy(p), _entropy(p_x)
        hxy1, hxy2 = -(p * np.log2(product, where=product > 0, out=np.zeros_like(p))).sum(), _entropy(product)
        rows.append(
            [
                *(known[name][angle] for name in names[:5]),
                2 * known["mean"][angle],
                (p_s * (k - p_s @ k) ** 2).sum(),
                _entropy(p_s),
                h,
                p_d.var() if h else 0.0,
                _entropy(p_d),
                (h - hxy1) / h_x if h_x else 0.0,
                np.sqrt(max(0.0, 1 - np.exp(-2 * (hxy2 - h)))),
            ]
        )
    return np.mean(rows, 0)


def _three_haralick(grey: np.ndarray) -> np.ndarray:
    return np.array([_haralick(plane) for plane in features.planes(grey)])


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return -(p * np.log2(p)).sum()


def spent(work: Callable[[np.ndarray], np.ndarray], greys: list[np.ndarray], rounds: int) -> float:
    """CPU seconds a picture, least of some rounds."""
    return min(common.cpu_seconds(lambda: [work(grey) for grey in greys]) for _ in range(rounds)) / len(greys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    greys = []
    for index in range(options.pictures):
        domain = "outcrop" if index % 2 else "modelled"
        rgb, _ = draw(0, "val", index, CLASSES[index % 3], domain, size=SHAPE[1])
        greys.append(pictures.grey(rgb)[: SHAPE[0]])
    found = np.array([features.extract(grey) for grey in greys])
    expected = np.array([baseline(grey) for grey in greys])
    print(
        f"48 features of {len(greys)} pictures of {SHAPE[0]} x {SHAPE[1]} pixels, one core, best of {options.rounds}:"
    )
    wrong = np.nanmax(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-9))
    agree = bool(np.allclose(found, expected, TOLERANCE, 1e-12, equal_nan=True))
    common.line("largest relative difference, in units of 1e-6", wrong / 1e-6, "", "<= 1", agree)
    ours, theirs = spent(features.extract, greys, options.rounds), spent(baseline, greys, options.rounds)
    common.line("ours", 1e3 * ours, "CPU ms a picture")
    common.line("scikit-image", 1e3 * theirs, "CPU ms a picture")
    common.line("ours", 1 / ours, "pictures/s/core")
    common.line("scikit-image", 1 / theirs, "pictures/s/core")
    common.line("ratio on one core", theirs / ours, "x", f">= {RATIO:g}", theirs / ours >= RATIO)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(features.extract, greys[:8], chunksize=4))  # both are up
        start = time.perf_counter()
        list(pool.map(features.extract, greys * 8, chunksize=8))
        rate = 8 * len(greys) / (time.perf_counter() - start)
    common.line("scikit-image's Haralick alone", 1e3 * spent(_three_haralick, greys, 1), "CPU ms a picture")
    common.line("ours, two processes", rate, "pictures/s")
    common.line("two processes over scikit-image in one", rate * theirs, "x")
    print("Where ours go, of one picture:")
    planes = features.planes(greys[1])
    steps = {
        "the three images": lambda grey: features.planes(grey),
        "noise": lambda _: np.array([features.noise(plane) for plane in planes]),
        "Haralick": lambda _: np.array([features.haralick(plane) for plane in planes]),
    }
    for name, step in steps.items():
        common.line(name, 1e3 * spent(step, greys[1:2] * 10, options.rounds), "CPU ms")


if __name__ == "__main__":
    main()
