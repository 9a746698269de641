"""What the report says in words: the methods, from the configuration and what was run, and captions."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from geoml import registry, texts
from geoml.config import table_names, trains
from geoml.files import read_json
from geoml.table_page import read

Run = tuple[str, str, int]  # data set, variant, seed


class Wildcards(Protocol):
    """Snakemake's, or a dictionary."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Names and values."""


_SPLIT = {
    "group": "Whole groups (events, experiments) are in one set",
    "id": "Samples are split at random, so samples of one group can be on both sides",
    "official": "The sets are those that the data, or their recipe, came with",
}


class Report:
    """The words of the report; everything is read when it is asked for, and what is not there is left out."""

    def __init__(self, config: dict[str, Any], runs: Callable[[str], list[Run]], results: str = "results") -> None:
        """Remember what to describe.

        Args:
            config: Resolved configuration.
            runs: Gives the runs of a task.
            results: Folder of the results.
        """
        self._tasks = config["tasks"]
        self._title = config["title"]
        self._runs = runs
        self._results = Path(results)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # The configuration that it is kept in travels to every job, none of which writes a report.
        return dict, ()

    def category(self, wildcards: Wildcards) -> str:
        """The title of the task that a result is of."""
        task = self._task(dict(wildcards.items()))
        return texts.of(task)["TITLE"] if task else "All tasks"

    def subcategory(self, wildcards: Wildcards) -> str:
        """The kind of result."""
        of = dict(wildcards.items())
        if "run" in of:
            return f"Runs on {of['run'].split('/')[1]}"
        return next(kind for name, kind in _KINDS.items() if name in of)

    def labels(self, wildcards: Wildcards) -> dict[str, str]:
        """What tells a result from the others of its kind."""
        of = dict(wildcards.items())
        if "page" in of:
            return {"table": of["page"]}
        labels = {"figure": of["figure"].replace("_", " ")}
        if "prediction" in of:
            labels |= {"prediction": of["prediction"]}
        if "run" in of:
            _, _, variant, seed = of["run"].split("/")
            labels |= {"model": variant, "seed": seed.removeprefix("seed")}
        return labels

    def caption(self, wildcards: Wildcards) -> str:
        """What a result shows, what to look for, and whether the data are synthetic."""
        of = dict(wildcards.items())
        task = self._task(of)
        if "page" in of:
            name = of["page"]
            parts = [texts.table(name, task), self._synthetic_table(name)]
            parts += ["An empty cell was not measured. Click on a heading to sort."]
            return _escape(" ".join(filter(None, parts)))
        assert task is not None
        parts = [texts.figure(of["figure"], task)]
        if "run" in of:
            _, dataset, variant, seed = of["run"].split("/")
            parts += [f"{variant}, trained on {dataset}, {seed.replace('seed', 'seed ')}."]
            parts += ["Synthetic data." if self._synthetic(task, dataset) else ""]
        elif "prediction" not in of:
            synthetic = [self._synthetic(task, dataset) for dataset in self._tasks[task]["datasets"]]
            parts += [
                "Synthetic data." if all(synthetic) else "Some of the data are synthetic." if any(synthetic) else ""
            ]
        return _escape(" ".join(filter(None, parts)))

    def methods(self) -> str:
        """The methods section in reStructuredText."""
        blocks = [_heading(self._title, "="), _escape(_WHERE), self._left_out()]
        for task in self._tasks:
            blocks += [_heading(texts.of(task)["TITLE"], "-"), _escape(texts.of(task)["ABOUT"]), *self._of_task(task)]
        blocks += [_heading("Intervals and comparisons", "-"), _escape(_INTERVALS)]
        blocks += [_heading("Software and machines", "-"), *self._machines()]
        return "\n\n".join(filter(None, blocks)) + "\n"

    @cached_property
    def _records(self) -> dict[tuple[str, Run], dict[str, Any]]:
        """What every finished training wrote of itself."""
        found = {}
        for task in self._tasks:
            for run in self._runs(task):
                if record := self._read("models", task, *_folders(run), "training.json"):
                    found[task, run] = record
        return found

    def _read(self, *parts: str) -> dict[str, Any]:
        """A JSON file of the results; empty of one that is missing or broken."""
        try:
            return dict(read_json(self._results.joinpath(*parts)))
        except (OSError, ValueError, TypeError):
            return {}

    def _task(self, of: Mapping[str, str]) -> str | None:
        if "page" in of:
            return next((task for task in self._tasks if of["page"] in table_names(task, self._tasks[task])), None)
        return of.get("task") or of["run"].split("/")[0]

    def _synthetic(self, task: str, dataset: str) -> bool:
        entry = self._tasks[task]["datasets"][dataset]
        members = entry.get("members", [])
        return entry["source"] == "synthetic" or any(self._synthetic(task, member) for member in members)

    def _synthetic_table(self, name: str) -> str:
        _, rows = read(self._results / "tables" / f"{name}.csv")
        sources = {row.get("data_source") for row in rows} - {"", None}
        if "synthetic" not in sources:
            return ""
        return "Synthetic data." if sources == {"synthetic"} else "Some rows are of synthetic data."

    def _left_out(self) -> str:
        """What of the workflow has been run, and what is missing."""
        runs = {task: self._runs(task) for task in self._tasks}
        total, done = sum(map(len, runs.values())), len(self._records)
        names = [name for task in self._tasks for name in table_names(task, self._tasks[task])] + ["devices"]
        absent = [name for name in names if not (self._results / "tables" / f"{name}.html").is_file()]
        untested = [
            "/".join((task, *_folders(run)))
            for task, run in self._records
            if not self._results.joinpath("evaluation", task, *_folders(run), "figures").is_dir()
        ]
        undrawn = [task for task in self._tasks if registry.has_part(task, "figures")]
        undrawn = [task for task in undrawn if not (self._results / "figures" / task).is_dir()]
        lines = [f"{done:,} of {total:,} trainings of this configuration have been run."]
        for task, of_task in runs.items():
            left = [run for run in of_task if (task, run) not in self._records]
            if left and len(left) < len(of_task):
                shown = _some("/".join(_folders(run)) for run in left)
                lines.append(f"Left out of {task}, not run: {len(left):,} of {len(of_task):,} trainings ({shown}).")
            elif left:
                lines.append(f"Left out, not run: all of {task}.")
        if untested:
            lines.append(f"Left out, trained but not tested: {_some(untested)}.")
        if absent:
            lines.append(f"Left out, not made: the tables {', '.join(absent)}.")
        if undrawn:
            lines.append(f"Left out, not drawn: the comparisons of {', '.join(undrawn)}.")
        return "\n".join(f"- {_escape(line)}" for line in lines)

    def _of_task(self, task: str) -> list[str]:
        settings = self._tasks[task]
        variants = {name: variant for name, variant in settings["variants"].items() if variant["datasets"]}
        networks = [variant for name, variant in variants.items() if trains(task, variant)]
        alike = {
            key: _same(entry.get(key, {}) for entry in settings["datasets"].values()) for key in ("split", "prepare")
        }
        alike |= {key: _same(variant.get(key, {}) for variant in networks) for key in ("fit", "augment")}
        if "by" not in alike["split"]:
            alike["split"] = {}
        blocks = ["**Data.**" + _split(alike["split"]) + _sentence("Prepared with", alike["prepare"])]
        # One line for all folds of a data set: they differ only in what is tested.
        first = (name for name, entry in settings["datasets"].items() if entry.get("fold", [0])[0] == 0)
        blocks += [_bullets(self._data(task, name, alike) for name in first)]
        trained = _sentence("Networks are trained with", alike["fit"]) + _sentence("Augmented with", alike["augment"])
        seeds = ", ".join(map(str, settings["seeds"]))
        blocks += [
            f"**Models.**{trained} Seeds: {seeds}.",
            _bullets(self._model(task, name, alike) for name in variants),
        ]
        for name, search in settings["searches"].items():
            of = {key: value for key, value in search.items() if key not in ("space", "fit", "dataset")}
            blocks += [f"**Search** ``{name}`` on ``{search['dataset']}``.{_sentence('It has', of)}"]
        return [*blocks, f"**Scores.** {', '.join(f'``{name}``' for name in settings['columns'])}."]

    def _data(self, task: str, name: str, alike: dict[str, dict[str, Any]]) -> str:
        entry = self._tasks[task]["datasets"][name]
        made = self._read("data", task, name, "dataset.json")
        source = {
            "synthetic": f"synthetic, {entry.get('rows', 0):,} samples made by geoml, seed {entry.get('seed')}",
            "pool": f"{', '.join(f'``{member}``' for member in entry.get('members', []))} together",
        }.get(entry["source"], f"from ``{entry.get('path') or entry.get('url')}``, read as ``{entry.get('reader')}``")
        text = f"``{entry.get('base', name)}``: {source}."
        if "fold" in entry:
            text += f" In {entry['fold'][1]} folds, each tested once; of the first:"
        if sizes := made.get("split_samples"):
            groups = made.get("split_groups") or {}
            counts = (
                f"{n:,} {part}" + (f" ({groups[part]:,} groups)" if groups.get(part, n) != n else "")
                for part, n in sizes.items()
            )
            text += f" Samples: {', '.join(counts)}."
        if rejected := made.get("rejected"):
            text += " Left out: " + ", ".join(f"{n:,} {_escape(why)}" for why, n in rejected.items()) + "."
        text += _split(_other(entry.get("split", {}), alike["split"]))
        text += _sentence("Prepared with", _other(entry.get("prepare", {}), alike["prepare"]))
        if made.get("citation") and not self._synthetic(task, name):
            text += " " + _escape(made["citation"])
        if made.get("fingerprint"):
            text += f" Fingerprint ``{made['fingerprint'][:12]}``."
        return text

    def _model(self, task: str, name: str, alike: dict[str, dict[str, Any]]) -> str:
        variant = self._tasks[task]["variants"][name]
        records = [record for (of, run), record in self._records.items() if of == task and run[1] == name]
        sizes = sorted({record["parameters"] for record in records if record.get("parameters")})
        text = f"``{name}``" + ("" if variant["model"] == name else f", model ``{variant['model']}``")
        text += f", {' or '.join(f'{size:,}' for size in sizes)} parameters" if sizes else ""
        entries = self._tasks[task]["datasets"]
        datasets = dict.fromkeys(entries[dataset].get("base", dataset) for dataset in variant["datasets"])
        text += f", trained on {', '.join(f'``{dataset}``' for dataset in datasets)}."
        own = {**variant["args"], **{key: variant[key] for key in ("init_from", "best_of") if variant.get(key)}}
        text += _sentence("With", own)
        if trains(task, variant):
            text += _sentence("Trained with", _other(variant["fit"], alike["fit"]))
            text += _sentence("Augmented with", _other(variant.get("augment", {}), alike["augment"]))
        elif variant["fit"]["train_share"] != 1:
            text += _sentence("Fitted with", {"train_share": variant["fit"]["train_share"]})
        cut = sum(record.get("stopped_by") == "epochs" for record in records)
        return text + (f" {cut} of {len(records)} trainings ended with the last configured epoch." if cut else "")

    def _machines(self) -> list[str]:
        records = list(self._records.values())
        if not records:
            return ["Nothing has been trained yet."]
        devices, systems, threads = (
            "; ".join(sorted({", ".join(str(record[key]) for key in keys if key in record) for record in records}))
            for keys in (("device_name", "device"), ("cpu", "platform"), ("threads",))
        )
        minutes = sum(record.get("wall_s") or 0 for record in records) / 60
        versions: dict[str, set[str]] = {}
        for record in records:
            for package, version in record.get("versions", {}).items():
                versions.setdefault(package, set()).add(version)
        software = ", ".join(f"{package} {' and '.join(sorted(found))}" for package, found in versions.items())
        trained = f"{len(records):,} trainings took {minutes:,.1f} minutes in sum, on {devices}"
        lines = [f"{trained}; threads a training: {threads or 1}.", f"Machines: {systems}.", f"Software: {software}."]
        return [_escape(line) for line in lines]


_SHARES = {"val": "validation", "test": "testing"}
_KINDS = {"page": "Tables", "prediction": "Predictions", "task": "Comparisons"}
_WHERE = (
    "Below: how it was done. On the left: of every task its tables, comparisons and figures of single trainings; the "
    "second sign beside each opens its caption. Statistics: how long the jobs took."
)
_INTERVALS = (
    "Intervals are 95 %, from resampling whole groups (events, experiments, pictures) of the test set. Differences to "
    "the best model are paired: both are scored on the same resamples, and only a difference whose interval leaves out "
    "0 tells two models apart. Published figures stand in columns of their own and were obtained on other test sets. "
    "Data marked synthetic were made by geoml: scores on them say how models compare on that recipe, not how they do "
    "on real records or pictures."
)


def _folders(run: Run) -> tuple[str, str, str]:
    dataset, variant, seed = run
    return dataset, variant, f"seed{seed}"


def _some(names: Iterable[str]) -> str:
    """The first few of many names."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _same(settings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Settings that all have alike."""
    first, *others = list(settings) or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _other(settings: Mapping[str, Any], alike: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are not those that all have."""
    return {key: value for key, value in settings.items() if key not in alike}


def _sentence(start: str, values: Mapping[str, Any]) -> str:
    """A sentence of settings, with a space before it; nothing without any. What is switched off is left out."""
    shown = {key: value for key, value in values.items() if value or (key == "seed" and value is not None)}
    said = ", ".join(f"``{key}`` {_escape(_said(value))}" for key, value in shown.items())
    return f" {start} {said}." if said else ""


def _split(settings: Mapping[str, Any]) -> str:
    """How samples are divided, as far as the settings say it."""
    by = settings.get("by")
    text = ""
    if isinstance(by, list):
        text = f" Test samples share no {' and no '.join(by)} with those of training."
    elif by:
        text = f" {_SPLIT.get(by, f'Split by {by}')}."
    shares = [f"{settings[key]:.0%} for {name}" for key, name in _SHARES.items() if settings.get(key)]
    text += f" {' and '.join(shares)}." if shares and by != "official" else ""
    if "duplicates" in settings:
        verb = "kept" if settings["duplicates"] == "keep" else "dropped"
        text += f" Samples that are the same are {verb}."
    return _escape(text) and " " + _escape(text) + (f" Seed {settings['seed']}." if "seed" in settings else "")


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_said(inner)}" for key, inner in value.items()) + ")"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _heading(text: str, line: str) -> str:
    return f"{_escape(text)}\n{line * (2 * len(text) + 1)}"


def _escape(text: str) -> str:
    """Plain text in reStructuredText: nothing in it is markup."""
    text = " ".join(text.split())
    for sign in "\\*`_|":
        text = text.replace(sign, f"\\{sign}")
    return text
