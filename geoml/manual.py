"""Single steps without Snakemake: train one network, look at a data set, check a configuration and its data."""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from geoml import config, registry, search, sources
from geoml.errors import InputError
from geoml.files import read_json
from geoml.logs import log_to
from geoml.prepare import prepare_from, prepared_from
from geoml.search_rank import with_best
from geoml.store import SPLITS, Block, Store


def train(
    content: dict[str, Any],
    where: object,
    task: str,
    dataset: str,
    model: str,
    fit: dict[str, Any],
    *,
    save_name: str | None = None,
    seed: int = 0,
    gpu: str | None = None,
    init_from: Path | None = None,
    params: Path | None = None,
    threads: int = 1,
) -> Path:
    """Train a network or fit an estimator to a data set of a configuration, preparing it first if that was not done.

    Args:
        content: Configuration as read; ``where`` is its name in errors.
        task, dataset, model: Names.
        fit: Differences from the task's ``fit``.
        save_name: Name of the model file; one that names another data set is refused.
        seed: Of the training.
        gpu: Number of the GPU to train on; None for the CPU.
        init_from: Model file to start from.
        params: Parameter file of the original, which ``fit`` goes before.
        threads: CPU threads.

    Returns:
        ``results/models/manual/{save_name}.keras`` (an estimator: ``.skops``); history and record are beside it.
    """
    from geoml.fit import fit as fit_run
    from geoml.train import train as train_run

    content = deepcopy(content)
    settings = _task(content, where, task)
    variants = settings.setdefault("variants", {})
    same: dict[str, Any] = next((v for v in variants.values() if v.get("model") == model), {"model": model})
    variants["manual"] = {**same, "fit": {**same.get("fit", {}), **fit}}
    if params:
        variants["manual"] = {"model": model, "params": str(params), "fit": fit}
    resolved = config.resolve(content, where)["tasks"][task]
    _known(dataset, resolved["datasets"], where, task)
    name = save_name or f"{model}_{dataset}"
    _refuse_other_dataset(name, dataset, list(resolved["datasets"]))
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    entry = resolved["variants"]["manual"]
    variant = {key: entry[key] for key in ("model", "args", "fit", "augment")}
    if of := entry.get("best_of"):
        folder = Path("results/search") / task / resolved["searches"][of]["dataset"] / of
        variant = with_best(variant, folder / "best.json")
    network = config.trains(task, variant)
    path = Path("results/models/manual") / f"{name}.{'keras' if network else 'skops'}"
    run = {"task": task, "dataset": dataset, "variant": name, "seed": seed}
    with log_to(None):
        data = prepared(task, dataset, resolved["datasets"])
        if not network:
            fit_run(run, variant, data, path, path.with_suffix(".training.json"))
            return path
        train_run(
            run,
            variant,
            data,
            path,
            path.with_suffix(".history.csv"),
            path.with_suffix(".training.json"),
            Path("checkpoints/manual") / f"{name}.npz",
            device="cpu" if gpu is None else "gpu",
            threads=threads,
            init_from=init_from,
            events=Path("results/tensorboard/manual") / name,
        )
    return path


def prepared(task: str, dataset: str, datasets: dict[str, Any]) -> Path:
    """Folder of a prepared set, made if it is not there or was made with other settings or from other files."""
    entry, folder = datasets[dataset], Path("results/data") / task / dataset
    if entry["source"] == "pool":
        needed = [prepared(task, member, datasets) / "dataset.json" for member in entry["members"]]
    else:
        needed = [_source(task, entry.get("files_of", dataset), entry)]
    marker = folder / "dataset.json"
    if marker.exists() and prepared_from(entry, read_json(marker)):
        newest = max(path.stat().st_mtime_ns for path in needed)
        if newest <= marker.stat().st_mtime_ns:
            return folder
    prepare_from(task, dataset, entry, needed, folder)
    return folder


def check(resolved: dict[str, Any]) -> list[str]:
    """Look at what a valid configuration points to; what is wrong is an :class:`InputError`.

    The first samples of every folder of the user's are read and checked. Downloads are not tried.

    Returns:
        A line a data set and a search.
    """
    lines = []
    for task, settings in resolved["tasks"].items():
        runs = sum(len(variant["datasets"]) for variant in settings["variants"].values()) * len(settings["seeds"])
        lines.append(f"{task}: {runs} runs, seeds {', '.join(map(str, settings['seeds']))}")
        for name, entry in settings["datasets"].items():
            fold, folds = entry.get("fold", (0, 0))
            if fold:
                continue  # the same files as the first
            what = {
                "synthetic": f"synthetic, {entry.get('rows')} samples",
                "pool": "pool of " + ", ".join(entry.get("members", [])),
                "url": f"{len(entry.get('files', []))} downloads",
                "path": str(entry.get("path")),
            }[entry["source"]]
            if entry["source"] == "path":
                with log_to(None):
                    sources.listing(Path(entry["path"]), _place(task, name, entry["reader"]))
                    block = _first(task, entry)
                what += f": {len(block.inputs)} samples read, {len(block.rejected)} left out, to begin with"
            lines.append(f"  {entry.get('base', name)}: {what}" + (f", in {folds} folds" if folds else ""))
        for name, entry in settings["searches"].items():
            jobs = sum(search.batches(entry, rung) for rung in range(len(entry["rungs"])))
            lines.append(f"  search {name}: {entry['candidates']} candidates on {entry['dataset']}, {jobs} jobs")
        for name, entry in settings["predictions"].items():
            for file in [*entry["inputs"], *(entry[key] for key in ("picks", "reversals") if key in entry)]:
                if not Path(file).exists():
                    raise InputError(f"tasks.{task}.predictions.{name}", "file", "a file or folder", f"no {file}")
    return lines


def describe(content: dict[str, Any], where: object, task: str, dataset: str, reader: str | None) -> str:
    """What is in a data set: counts, labels, label audit, ranges of every number, what was left out and why.

    Args:
        content: Configuration as read; ``where`` is its name in errors.
        task: Name of the task.
        dataset: Name of a data set in the configuration, or a folder of source files.
        reader: With a folder, which reader is to read it.
    """
    settings = _task(content, where, task)
    if Path(dataset).is_dir():
        name = Path(dataset).resolve().name.lower()
        entry = {"source": "path", "path": dataset} | ({"reader": reader} if reader else {})
        content = {"tasks": {task: settings | {"datasets": {name: entry}, "variants": {}}}}
        content["tasks"][task].pop("predictions", None)
        content["tasks"][task]["variants"] = {"none": {"model": registry.names(task, "models")[0]}}
    else:
        name = dataset
    resolved = config.resolve(content, where)["tasks"][task]["datasets"]
    _known(name, resolved, where, task)
    with log_to(None):
        if Path(dataset).is_dir():
            columns, rejected = _read_all(task, resolved[name])
        else:
            store = Store(prepared(task, name, resolved))
            columns, rejected = dict(store.samples), store.rejected()
    return _text(task, name, columns, rejected)


def _text(task: str, name: str, columns: dict[str, np.ndarray], rejected: list[tuple[str, str]]) -> str:
    part = registry.load_task(task)
    n = len(columns["id"])
    lines = [f"{task}/{name}: {n} samples of {len(np.unique(columns['group']))} groups, {len(rejected)} left out"]
    if part.CLASSES:
        counts = [f"{label} {(columns['label'] == k).sum()}" for k, label in enumerate(part.CLASSES)]
        lines.append("labels: " + ", ".join(counts))
    if "split" in columns:
        lines.append("split: " + ", ".join(f"{s} {(columns['split'] == k).sum()}" for k, s in enumerate(SPLITS)))
    for label, found in part.audit(columns, name).items():
        lines.append(f"audit {label}: {_plain(found)}")
    lines.append(f"{'column':<16}{'known':>8}{'5 %':>12}{'median':>12}{'95 %':>12}")
    for column, values in columns.items():
        if values.dtype.kind == "f":
            known = values[np.isfinite(values)]
            low, middle, high = np.percentile(known, [5, 50, 95]) if len(known) else (np.nan,) * 3
            lines.append(f"{column:<16}{len(known):>8}{low:>12.5g}{middle:>12.5g}{high:>12.5g}")
    reasons = {reason: sum(r == reason for _, r in rejected) for reason in sorted({r for _, r in rejected})}
    lines += [f"left out {count}: {reason}" for reason, count in reasons.items()]
    return "\n".join(lines)


def _place(task: str, name: str, reader: str) -> str:
    """A data set in the configuration and, where its format is a publisher's, where its files are to be had."""
    downloads = getattr(registry.load(task, "datasets", reader), "DOWNLOADS", [])
    return f"tasks.{task}.datasets.{name}" + "".join(f"; {url} has {what}" for url, what in downloads)


def _plain(found: Any) -> str:
    if not isinstance(found, dict):
        return str(found)
    known = {key: value for key, value in found.items() if value is not None}
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in known.items()
    )


def _source(task: str, dataset: str, entry: dict[str, Any]) -> Path:
    """Marker of the source files, which are made, downloaded or listed again if the marker is not of this entry."""
    kind = {"synthetic": "generated", "url": "fetched", "path": "linked"}[entry["source"]]
    marker = Path("data") / task / dataset / f"{kind}.json"
    if marker.exists() and read_json(marker) == sources.contents(entry, marker):
        return marker
    if entry["source"] == "synthetic":
        sources.generate(task, entry, marker)
    else:
        (sources.fetch if entry["source"] == "url" else sources.link)(entry, marker)
    return marker


def _first(task: str, entry: dict[str, Any]) -> Block:
    """First block of a folder that has a sample."""
    reader = registry.load(task, "datasets", entry["reader"])
    for block in reader.read(Path(entry["path"]), entry["prepare"]):
        if len(block.inputs):
            return block
    raise InputError(entry["path"], "samples", "at least one that can be used", "none")


def _read_all(task: str, entry: dict[str, Any]) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Table and rejects of a folder, read without keeping the samples."""
    reader = registry.load(task, "datasets", entry["reader"])
    tables, rejected = [], []
    for block in reader.read(Path(entry["path"]), entry["prepare"]):
        rejected += block.rejected
        if len(block.inputs):
            tables.append(block.columns)
    if not tables:
        reasons = "; ".join(sorted({reason for _, reason in rejected})[:5])
        raise InputError(
            entry["path"], "samples", "at least one that can be used", f"none of {len(rejected)} ({reasons})"
        )
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}, rejected


def _task(content: dict[str, Any], where: object, task: str) -> dict[str, Any]:
    if task not in content.get("tasks", {}):
        raise InputError(where, "tasks", f"the task {task!r}", ", ".join(content.get("tasks", {})))
    return content["tasks"][task]


def _known(dataset: str, datasets: dict[str, Any], where: object, task: str) -> None:
    if dataset not in datasets:
        hint = registry.closest(dataset, datasets)
        raise InputError(where, "dataset", f"a data set of tasks.{task}", repr(dataset), hint)


def _refuse_other_dataset(save_name: str, dataset: str, datasets: list[str]) -> None:
    words = save_name.lower().split("_")
    for other in datasets:
        if other != dataset and other in words and dataset not in words:
            raise InputError(
                "--save_name", save_name, f"a name that does not say {other!r}", f"--dataset {dataset}",
                "A model trained on one data set under the name of another would mislead everyone.",
            )  # fmt: skip
