"""From source files to a prepared data set: read, check, split, store."""

from pathlib import Path
from typing import Any

import numpy as np

from geoml import registry, splits
from geoml.errors import InputError
from geoml.files import read_json
from geoml.logs import log
from geoml.store import SPLITS, Block, Store, StoreWriter


def prepare_from(task: str, dataset: str, entry: dict[str, Any], sources: list[Path], folder: Path) -> dict[str, Any]:
    """Prepare a data set from its source's marker file, or a pool from its members' ``dataset.json``."""
    if entry["source"] == "pool":
        return pool(task, dataset, entry, [source.parent for source in sources], folder)
    return prepare(task, dataset, entry, Path(read_json(sources[0])["folder"]), folder)


def prepare(task: str, dataset: str, entry: dict[str, Any], source: Path, folder: Path) -> dict[str, Any]:
    """Read ``source`` with the entry's reader and write the prepared set into ``folder``.

    Args:
        task, dataset: Names.
        entry: The data set's resolved configuration.
        source: Folder with the source files.
        folder: ``results/data/{task}/{dataset}``.

    Returns:
        The content of ``dataset.json``.
    """
    part = registry.load_task(task)
    reader = registry.load(task, "datasets", entry["reader"])
    by, split = entry["split"]["by"], {k: v for k, v in entry["split"].items() if k != "duplicates"}
    divides = ["group" if key == "time" else key for key in ([by] if isinstance(by, str) else by)]
    with StoreWriter(folder, keep_duplicates=entry["split"]["duplicates"] == "keep") as writer:
        for block in reader.read(source, entry["prepare"]):
            writer.append(block)
            log.info("%d samples read, %d left out", writer.n, len(writer.rejected))
        if not writer.n:
            reasons = sorted({reason for _, reason in writer.rejected}) or ["no rows"]
            raise InputError(source, "samples", "at least one that can be used", f"none ({'; '.join(reasons[:5])})")
        columns = writer.columns()
        contradictory = len(writer.linked(columns, "label")) if "label" in columns else 0
        linked = {key: writer.linked(columns, key) for key in divides if key in columns}
        where, fold = f"{task}/{dataset}", entry.get("fold")
        columns["split"] = splits.assign(columns, where=where, linked=linked, fold=fold, **split)
        twins = _twins(columns) if by == "official" or writer.keep_duplicates else {}
        if writer.keep_duplicates:
            columns["in_train"] = _in_train(columns)
        meta = {
            "task": task,
            "dataset": dataset,
            "data_source": "synthetic" if entry["source"] == "synthetic" else "real",
            "reader": entry["reader"],
            "entry": _without_path(entry),
            "citation": reader.CITATION,
            "prepare": entry["prepare"],
            "split": entry["split"],
            "fold": fold and {"of": entry["base"], "fold": fold[0], "folds": fold[1]},
            "duplicates": {"left_out_with_another_label": contradictory} | twins,
            "labels": _labels(part, columns, where),
            "audit": part.audit(columns, where),
            "measured": _measured(part, writer, columns["split"]),
        }
        for name, count in meta["duplicates"].items():
            if count:
                log.warning("identical samples, %s: %d", name.replace("_", " "), count)
        return writer.finish(columns, meta)


def pool(task: str, dataset: str, entry: dict[str, Any], members: list[Path], folder: Path) -> dict[str, Any]:
    """Put prepared sets together, splits kept; ``member`` says which set a sample is from, for balanced training."""
    part = registry.load_task(task)
    stores = [Store(member) for member in members]
    where = f"{task}/{dataset}"
    for store in stores[1:]:
        alike = [(part.model_meta(s.meta), set(s.samples)) for s in (store, stores[0])]
        if alike[0] != alike[1]:
            raise InputError(
                where,
                "members",
                "sets prepared alike",
                f"{stores[0].meta['dataset']} and {store.meta['dataset']} differ",
            )
    with StoreWriter(folder) as writer:
        for store in stores:
            name = store.meta["dataset"]
            for rows in store.blocks(np.arange(store.meta["samples"]), 4096):
                piece = slice(rows[0], rows[-1] + 1)
                columns = {key: store.samples.rows(key, piece) for key in store.samples if key != "hash"}
                for key in ("id", "group"):
                    columns[key] = np.char.add(f"{name}:".encode(), columns[key])
                columns["member"] = np.full(len(rows), name)
                writer.append(Block(store.inputs[piece], columns))
        columns = writer.columns()
        splits.check(columns["group"], columns["split"], where)
        sources = {store.meta["data_source"] for store in stores}
        meta = {
            "task": task,
            "dataset": dataset,
            "data_source": sources.pop() if len(sources) == 1 else "synthetic and real",
            "reader": "pool of " + ", ".join(store.meta["dataset"] for store in stores),
            "entry": _without_path(entry),
            "members": {store.meta["dataset"]: store.meta["fingerprint"] for store in stores},
            "citation": " ".join(dict.fromkeys(store.meta["citation"] for store in stores)),
            "prepare": stores[0].meta["prepare"],
            "split": {"members": [store.meta["split"] for store in stores]},
            "labels": _labels(part, columns, where),
            "audit": part.audit(columns, where),
            "measured": _measured(part, writer, columns["split"]),
        }
        return writer.finish(columns, meta)


def prepared_from(entry: dict[str, Any], meta: dict[str, Any]) -> bool:
    """Whether a prepared set was made with these settings."""
    return meta.get("entry") == _without_path(entry)


def _measured(part: Any, writer: StoreWriter, split: np.ndarray) -> dict[str, Any]:
    """What a task wants to know of the training samples, and of no others, such as their range."""
    if not hasattr(part, "measure"):
        return {}
    return part.measure(writer.inputs(), np.flatnonzero(split == splits.TRAIN))


def _without_path(entry: dict[str, Any]) -> dict[str, Any]:
    """Settings that make a prepared set; where the user keeps the files does not."""
    return {key: value for key, value in entry.items() if key != "path"}


def _in_train(columns: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) int8: 1 for a validation or test sample that is identical to a training sample."""
    held_out = columns["split"] != splits.TRAIN
    return (held_out & np.isin(columns["hash"], columns["hash"][~held_out])).astype(np.int8)


def _twins(columns: dict[str, np.ndarray]) -> dict[str, int]:
    """How many samples are identical to others that are kept; and how many such samples have two labels."""
    hashes, sets = columns["hash"], columns["split"]
    inside = {name: hashes[sets == code] for code, name in enumerate(SPLITS)}
    labels = columns.get("label", np.zeros(len(hashes), np.int8))
    order = np.lexsort((labels, hashes))  # samples that are identical stand together, by label
    same = hashes[order][1:] == hashes[order][:-1]
    torn = np.unique(hashes[order][1:][same & (labels[order][1:] != labels[order][:-1])])
    return {
        "val_in_train": int(np.isin(inside["val"], inside["train"]).sum()),
        "test_in_train": int(np.isin(inside["test"], inside["train"]).sum()),
        "test_in_val": int(np.isin(inside["test"], inside["val"]).sum()),
        "repeated_in_train": len(inside["train"]) - len(np.unique(inside["train"])),
        "groups_with_two_labels": len(torn),
    }


def _labels(part: Any, columns: dict[str, np.ndarray], where: str) -> dict[str, dict[str, int]]:
    """Samples of each class in each split; a class without training samples is an error."""
    if not part.CLASSES:
        return {}
    labels, sets = columns["label"], columns["split"]
    counts = {
        split: {name: int(((labels == k) & (sets == code)).sum()) for k, name in enumerate(part.CLASSES)}
        for code, split in enumerate(SPLITS)
    }
    for name, count in counts["train"].items():
        if not count:
            raise InputError(
                where, f"class {name}", "samples in the training set", "none", "Check the labels and split."
            )
    return counts
