"""What a model said about a test set: the one thing that scores, intervals and tables are made from."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic


@dataclass(eq=False)
class Predictions:
    """Truth and output of n samples.

    Attributes:
        group: (n,) int, codes from 0 of what belongs together (event, experiment, source image).
        truth: (n,) int8 class codes, or float values.
        output: (n, K) float32 class probabilities, or values.
        classes: K class names; empty for values.
        id: (n,) sample names; optional.
        strata: (n,) arrays by name: what the scores are also given apart for, such as the kind of image.
        multiplicity: (groups,) how often each group counts; None is once. A bootstrap draw is the same predictions
            with another multiplicity (:meth:`drawn`), so what does not depend on it is worked out only once.
    """

    group: np.ndarray
    truth: np.ndarray
    output: np.ndarray
    classes: tuple[str, ...] = ()
    id: np.ndarray | None = None
    strata: Mapping[str, np.ndarray] = field(default_factory=dict)
    multiplicity: np.ndarray | None = None
    _shared: dict[Any, Any] = field(default_factory=dict, repr=False)
    _sums: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.truth)

    def drawn(self, multiplicity: np.ndarray) -> "Predictions":
        """The same predictions with every group counted ``multiplicity`` (groups,) times."""
        return replace(self, multiplicity=multiplicity, _shared=self._shared)

    def take(self, index: np.ndarray) -> "Predictions":
        """The samples of ``index`` (positions or a mask), each counted once."""
        names = None if self.id is None else self.id[index]
        strata = {name: values[index] for name, values in self.strata.items()}
        return Predictions(self.group[index], self.truth[index], self.output[index], self.classes, names, strata)

    def among(self, *kept: int) -> "Predictions":
        """Only samples of these classes, and the model asked only about them (the others' probabilities ignored)."""

        def select() -> Predictions:
            rows = np.isin(self.truth, kept)
            codes = np.full(len(self.classes), -1, np.int8)
            codes[list(kept)] = np.arange(len(kept))
            return Predictions(
                self.group[rows],
                codes[self.truth[rows]],
                self.output[rows][:, list(kept)],
                tuple(self.classes[k] for k in kept),
                None if self.id is None else self.id[rows],
            )

        part = self.once(("among", kept), select)
        return part if self.multiplicity is None else part.drawn(self.multiplicity)

    @property
    def decided(self) -> np.ndarray:
        """(n,) the class of the largest probability."""
        return self.once("decided", lambda: self.output.argmax(axis=1))

    @property
    def groups(self) -> int:
        """One more than the largest group code."""
        return self.once("groups", lambda: int(self.group.max(initial=-1)) + 1)

    @property
    def weight(self) -> np.ndarray:
        """(n,) how often each sample counts."""
        return np.ones(len(self)) if self.multiplicity is None else self.multiplicity[self.group]

    @property
    def confusion(self) -> np.ndarray:
        """(K, K) counts, ``[true, predicted]``."""
        k = len(self.classes)
        return self.totals("confusion", lambda: (self.truth.astype(np.intp) * k + self.decided, None), k * k).reshape(
            k, k
        )

    def totals(self, name: str, cells: Callable[[], tuple[np.ndarray, np.ndarray | None]], size: int) -> np.ndarray:
        """(size,) sums over cells, every sample counted as often as its group.

        Args:
            name: Under which the sums by group are kept for the other draws.
            cells: Gives the cell of each sample, (n,) int, and what is summed there, (n,) or None to count.
            size: Number of cells.
        """

        def by_group() -> np.ndarray:
            cell, value = cells()
            flat = self.group.astype(np.intp) * size + cell
            return np.bincount(flat, value, self.groups * size).reshape(self.groups, size).astype(np.float64)

        if name not in self._sums:
            table = self.once(("totals", name), by_group)
            times = self.multiplicity
            self._sums[name] = table.sum(axis=0) if times is None else times[: len(table)] @ table
        return self._sums[name]

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, worked out once for all draws; it must not depend on the multiplicity."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def concatenated(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of different samples as one; no group of one part is in another."""
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(p.groups for p in parts[:-1])])
    names = [p.id for p in parts if p.id is not None]
    return Predictions(
        np.concatenate([p.group + offset for p, offset in zip(parts, offsets, strict=True)]),
        np.concatenate([p.truth for p in parts]),
        np.concatenate([p.output for p in parts]),
        parts[0].classes,
        np.concatenate(names) if len(names) == len(parts) else None,
        {name: np.concatenate([p.strata[name] for p in parts]) for name in parts[0].strata},
    )


def save(path: str | Path, tested: Mapping[tuple[str, str], Predictions]) -> None:
    """Write ``predictions.csv.gz``: one row a sample, of every data set and split that a run was tested on.

    Columns: tested_on, split, id, group (code), truth (class name or value), then ``p_{class}`` or ``value_{k}`` with
    six significant digits, then the strata. The same predictions give the same bytes.
    """
    import pandas as pd

    with atomic(path) as temporary, open(temporary, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for number, ((name, split), p) in enumerate(tested.items()):
            table = {
                "tested_on": np.full(len(p), name),
                "split": np.full(len(p), split),
                "id": np.arange(len(p)) if p.id is None else p.id,
                "group": p.group,
                "truth": np.array(p.classes)[p.truth] if p.classes else p.truth,
            }
            table |= dict(zip(_outputs(p.classes, p.output.shape[1]), p.output.T, strict=True)) | dict(p.strata)
            text = pd.DataFrame(table).to_csv(index=False, header=not number, float_format="%.6g", lineterminator="\n")
            file.write(text.encode())


def load(path: str | Path, classes: tuple[str, ...]) -> dict[tuple[str, str], Predictions]:
    """Read what :func:`save` wrote: the predictions by data set and split, in the order of the file.

    Raises:
        InputError: the file is missing or broken, or holds other classes.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"tested_on": str, "split": str, "id": str}, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(path, "file", "predictions", "no such file", "Evaluate the run again.") from None
    except (OSError, EOFError, ValueError) as error:
        raise InputError(path, "content", "a gzipped CSV table", error, "Evaluate the run again.") from None
    outputs = _outputs(classes, sum(name.startswith("value_") for name in table))
    known = ["tested_on", "split", "id", "group", "truth", *outputs]
    missing = set(known) - set(table)
    if missing:
        raise InputError(path, "header", f"columns {', '.join(sorted(missing))}", ", ".join(table))
    truth = table["truth"].to_numpy()
    if classes:
        codes = pd.Categorical(table["truth"], categories=list(classes)).codes
        if len(codes) and codes.min() < 0:
            raise InputError(path, "truth", f"one of {', '.join(classes)}", repr(truth[codes < 0][0]))
        truth = codes
    whole = Predictions(
        table["group"].to_numpy(np.int64),
        truth,
        table[outputs].to_numpy(np.float32),
        tuple(classes),
        table["id"].to_numpy(str),
        {name: table[name].to_numpy() for name in table if name not in known},
    )
    parts = table.groupby(["tested_on", "split"], sort=False).indices
    return {key: whole.take(rows) for key, rows in parts.items()}


def _outputs(classes: tuple[str, ...], values: int) -> list[str]:
    return [f"p_{c.lower()}" for c in classes] or [f"value_{k}" for k in range(values)]
