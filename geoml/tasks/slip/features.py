"""Numbers that describe a fault map, for the baselines (method card, section 10 pitfall 11, and section 12).

A segment is a piece of the map whose pixels touch, also at corners. Its length is counted along strike.
"""

import numpy as np

NAMES = (
    "pixels",  # fault pixels
    "segments",
    "mean_length_px",  # of the segments, in columns
    "longest_px",
    "total_length_px",  # sum over segments
    "sinuosity",  # path of the mean row, column by column, over its end-to-end distance; by length over segments
    "thickness_px",  # rows of a segment per column
    "overlap",  # share of columns with more than one segment
    "covered_columns",  # columns with a fault pixel
)


def features_of(maps: np.ndarray) -> np.ndarray:
    """The numbers of ``NAMES``.

    Args:
        maps: (n, h, w) fault maps, 0 or 1.

    Returns:
        (n, 9) float32; all 0 for a map without faults.
    """
    from scipy.ndimage import label

    n, _, width = maps.shape
    within = np.zeros((3, 3, 3), bool)
    within[1] = True  # pixels of different maps do not touch
    labels, count = label(maps, within)
    where = np.flatnonzero(labels)
    segment = labels.ravel()[where] - 1
    sample, pixel = np.divmod(where, maps[0].size if n else 1)
    row, column = np.divmod(pixel, width)
    cell = segment * width + column  # a column of a segment
    thickness = np.bincount(cell, minlength=count * width).reshape(count, width)
    rows = np.bincount(cell, row, count * width).reshape(count, width) / np.maximum(thickness, 1)
    of = np.zeros(count, np.intp)  # the map of each segment
    of[segment] = sample

    there = thickness > 0
    length = there.sum(1)
    first = there.argmax(1)
    each = np.arange(count)
    steps = np.hypot(1, np.diff(rows, axis=1))
    path = np.where(there[:, 1:] & there[:, :-1], steps, 0).sum(1)
    straight = np.hypot(length - 1, rows[each, first + length - 1] - rows[each, first])
    sinuosity = np.where(length > 1, path / np.maximum(straight, 1), 1)

    pixels, segments = np.bincount(sample, minlength=n), np.bincount(of, minlength=n)
    total = np.bincount(of, length, n)
    longest = np.zeros(n)
    np.maximum.at(longest, of, length)
    at, columns = np.nonzero(there)
    crossed = np.bincount(of[at] * width + columns, minlength=n * width).reshape(n, width)
    some = np.maximum(segments, 1)
    long = np.maximum(total, 1)
    values = (
        pixels,
        segments,
        total / some,
        longest,
        total,
        np.bincount(of, length * sinuosity, n) / long,
        pixels / long,
        (crossed > 1).mean(1),
        (crossed > 0).sum(1),
    )
    return np.stack(values, 1).astype(np.float32)
