# Names, paths and input functions. Only light modules here: every cluster job parses this file again.
import os
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from geoml import registry, search
from geoml.config import model_source, resolve, table_names, trains
from geoml.errors import InputError

try:
    CONFIG = resolve(config, " + ".join(map(str, workflow.configfiles)))
except InputError as error:
    raise WorkflowError(str(error))

TASKS = CONFIG["tasks"]
DEVICE = CONFIG["devices"][0]
RUN = "{task}/{dataset}/{variant}/seed{seed}"
DATA = "results/data/{task}/{dataset}"


def every(key):
    """Names under ``tasks.<task>.<key>`` of all tasks."""
    return sorted({name for settings in TASKS.values() for name in settings[key]})


def source_of(task, dataset):
    """Name of the source files of a data set; other splits of the same files share theirs."""
    return TASKS[task]["datasets"][dataset].get("files_of", dataset)


SOURCES = {task: {source_of(task, name): name for name in TASKS[task]["datasets"]} for task in TASKS}


wildcard_constraints:
    task="|".join(TASKS),
    dataset="|".join(every("datasets")),
    source="|".join(sorted({name for task in TASKS for name in [*SOURCES[task], *TASKS[task]["weights"]]})),
    variant="|".join(every("variants")),
    seed=r"\d+",
    table="|".join(name for task in TASKS for name in registry.names(task, "tables")) or "none",
    prediction="|".join(every("predictions")) or "none",
    search="|".join(every("searches")) or "none",
    rung=r"\d+",
    batch=r"\d+",
    device="cpu|gpu",
    export=f"({'|'.join(TASKS)})(/({'|'.join(every('datasets'))})/({'|'.join(every('variants'))})/seed[0-9]+)?",


def entry(wildcards):
    """Resolved configuration of a data set."""
    return TASKS[wildcards.task]["datasets"][wildcards.dataset]


def source_entry(wildcards):
    """Resolved configuration of source files: those of a data set, or published weights."""
    task, source = TASKS[wildcards.task], wildcards.source
    return task["weights"].get(source) or task["datasets"][SOURCES[wildcards.task][source]]


def variant(wildcards):
    """Resolved configuration of a variant, as far as it makes the result."""
    keep = ("model", "args", "fit", "augment", "init_from", "best_of")
    settings = TASKS[wildcards.task]["variants"][wildcards.variant]
    if not trains(wildcards.task, settings):
        return {
            **{key: settings[key] for key in ("model", "args")},
            "fit": {"train_share": settings["fit"]["train_share"]},
        }
    return {key: value for key, value in settings.items() if key in keep}


def runs(task):
    """``dataset, variant, seed`` of every run of a task."""
    return [
        (dataset, name, seed)
        for name, settings in TASKS[task]["variants"].items()
        for dataset in settings["datasets"]
        for seed in TASKS[task]["seeds"]
    ]


def of_runs(pattern, task):
    """A path pattern for every run of a task."""
    return [pattern.format(task=task, dataset=d, variant=v, seed=s) for d, v, s in runs(task)]


def task_of(table):
    """The task that makes a table."""
    return next(task for task in TASKS if table in registry.names(task, "tables"))


@cache
def code(*modules):
    """Files of geoml that a result depends on; Snakemake compares their content."""
    return [os.path.relpath(path) for path in registry.sources(*modules)]  # so that the project can be moved


def model_file(task, reference):
    """Path of a model given as a file or as a run."""
    source = model_source(reference)
    if source is None:
        return reference
    dataset, name, seed = source
    suffix = "keras" if trains(task, TASKS[task]["variants"][name]) else "skops"
    return f"results/models/{task}/{dataset}/{name}/seed{seed}/model.{suffix}"


def run_files(wildcards):
    """Model of a run, with the history of a network."""
    model = Path(model_file(wildcards.task, f"{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed}"))
    return [str(model)] + ([str(model.with_name("history.csv"))] if model.suffix == ".keras" else [])


def more_each_try(amount):
    """Twice, three times ... the amount when a job is tried again."""

    def resource(wildcards, attempt):
        return attempt * (amount(wildcards) if callable(amount) else amount)

    return resource


def published(task):
    """CSV files of a task: published figures, which its tables show."""
    return sorted(map(os.path.relpath, Path(workflow.basedir, "geoml", "tasks", task).glob("*.csv")))


def gpus(device):
    """GPUs that a job on ``device`` needs."""
    return 1 if device == "gpu" else 0


def source_marker(wildcards):
    """What a data set is prepared from: its own source, or the prepared members of a pool."""
    settings = entry(wildcards)
    kind = {"synthetic": "generated", "url": "fetched", "path": "linked"}
    if settings["source"] == "pool":
        return expand(
            "results/data/{task}/{member}/dataset.json",
            task=wildcards.task,
            member=settings["members"],
        )
    source = source_of(wildcards.task, wildcards.dataset)
    return [f"data/{wildcards.task}/{source}/{kind[settings['source']]}.json"]


def named_files(wildcards):
    """Files of the user's that the preparation of a data set names, such as a table of reversed stations."""
    values = entry(wildcards)["prepare"].values()
    return [value for value in values if isinstance(value, str) and Path(value).is_file()]


def folder_state(wildcards):
    """Sizes and times of what is directly in a user's folder, and times of the folders in it, three deep.

    A new file in any of these changes it.
    """
    folder = Path(source_entry(wildcards)["path"]).expanduser()
    state = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in folder.glob("*")}
    inside = [path for path in folder.glob("*") if path.is_dir()]
    for _ in range(2):
        inside = [Path(item.path) for path in inside for item in os.scandir(path) if item.is_dir()]
        state |= {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in inside}
    return {name: state[name] for name in sorted(state)}


def reader_code(wildcards):
    """Code that makes a prepared data set."""
    reader = entry(wildcards).get("reader")
    modules = ["geoml.prepare", f"geoml.tasks.{wildcards.task}.task"]
    return code(
        *modules,
        *([f"geoml.tasks.{wildcards.task}.datasets.{reader}"] if reader else []),
    )


def training_code(wildcards):
    """Code that makes a model."""
    settings = TASKS[wildcards.task]["variants"][wildcards.variant]
    model = settings["model"]
    return code(
        "geoml.train" if trains(wildcards.task, settings) else "geoml.fit",
        f"geoml.tasks.{wildcards.task}.task",
        f"geoml.tasks.{wildcards.task}.models.{model}",
    )


def start_weights(wildcards):
    """The model a run starts from, where it starts from one."""
    settings = TASKS[wildcards.task]
    reference = settings["variants"][wildcards.variant].get("init_from")
    if reference in settings["weights"]:
        weights = settings["weights"][reference]
        return [weights.get("path") or f"data/{wildcards.task}/{reference}/fetched.json"]
    return [model_file(wildcards.task, reference)] if reference else []


def test_sets(wildcards, kind):
    """Prepared data sets a run is tested on: all of its task; pools and folds are tested on by their own runs only."""
    datasets, own = TASKS[wildcards.task]["datasets"], wildcards.dataset
    others = {name for name, settings in datasets.items() if settings["source"] != "pool" and "fold" not in settings}
    names = [own] if "fold" in datasets[own] else [name for name in datasets if name in others | {own}]
    return [f"results/data/{wildcards.task}/{name}/{kind}" for name in names]


def search_folder(task, name):
    """Where the results of a search are."""
    return f"results/search/{task}/{TASKS[task]['searches'][name]['dataset']}/{name}"


def search_entry(wildcards):
    """Resolved configuration of a search."""
    return TASKS[wildcards.task]["searches"][wildcards.search]


def search_settings(wildcards, *keys):
    """The part of it that a job depends on."""
    return {key: search_entry(wildcards)[key] for key in keys}


def rung_files(wildcards, rung):
    """Results of all batches of a rung; none before the first."""
    folder = search_folder(wildcards.task, wildcards.search)
    number = search.batches(search_entry(wildcards), rung) if rung >= 0 else 0
    return [f"{folder}/rung{rung}/batch{batch}.jsonl" for batch in range(number)]


def every_batch(wildcards):
    """Results of all batches of a search."""
    return [path for rung in range(len(search_entry(wildcards)["rungs"])) for path in rung_files(wildcards, rung)]


def of_searches(task, name):
    """A file of every search of a task."""
    return [f"{search_folder(task, search)}/{name}" for search in TASKS[task]["searches"]]


def best_found(wildcards):
    """The best of a search, where the network of the variant is that."""
    search = TASKS[wildcards.task]["variants"][wildcards.variant].get("best_of")
    return [f"{search_folder(wildcards.task, search)}/best.json"] if search else []


def networks(task):
    """Variants of a task that are networks, as far as it makes their size and speed."""
    keys = ("model", "args", "best_of")
    return {
        name: {key: settings[key] for key in keys if key in settings}
        for name, settings in TASKS[task]["variants"].items()
        if trains(task, settings)
    }


def networks_timing(table):
    """Where the networks of a task were timed side by side, for tables that show it."""
    task = task_of(table)
    wanted = registry.constants(task, "tables", table).get("TIMED_NETWORKS", False)
    return [f"results/timing/{task}/networks.json"] if wanted else []


def timings(task):
    """Timings of every network on every device, where there are several to compare; one fold stands for all."""
    if len(CONFIG["devices"]) == 1:
        return []
    return [
        f"results/timing/{task}/{dataset}/{name}/{device}.json"
        for name, settings in TASKS[task]["variants"].items()
        if trains(task, settings)
        for dataset in settings["datasets"]
        if TASKS[task]["datasets"][dataset].get("fold", [0])[0] == 0
        for device in CONFIG["devices"]
    ]


def training_times(task):
    """What says how long the runs of a task take: timings alone for networks that were timed, so that devices compare."""
    timed = timings(task)
    return timed + [
        f"results/models/{task}/{dataset}/{name}/seed{seed}/training.json"
        for dataset, name, seed in runs(task)
        if not (timed and trains(task, TASKS[task]["variants"][name]))
    ]


def prediction(wildcards):
    """Configuration of a prediction."""
    return TASKS[wildcards.task]["predictions"][wildcards.prediction]


def bases(task):
    """Data set of each fold of one."""
    return {name: entry["base"] for name, entry in TASKS[task]["datasets"].items() if "fold" in entry}


def networks_trained(task):
    """Runs of a task that train a network, as data set/variant/seed."""
    return [f"{d}/{v}/seed{s}" for d, v, s in runs(task) if trains(task, TASKS[task]["variants"][v])]


def comparison(task):
    """The table that compares the networks of a task."""
    return [f"results/tables/{name}.csv" for name in registry.names(task, "tables") if name.endswith("_compare")]


def exported(task):
    """Exports of a task: that of its best network, and those of the runs on request."""
    best = [task] if networks_trained(task) and comparison(task) else []
    return best + [f"{task}/{run}" for run in TASKS[task]["export"]["runs"]]


def task_of_export(wildcards):
    """The task of an export, which is named by the task (its best network) or by a run."""
    return wildcards.export.split("/")[0]


def export_settings(wildcards, *keys):
    """The part of a task's ``export`` that a job depends on."""
    return {key: TASKS[task_of_export(wildcards)]["export"][key] for key in keys}


def exportable(wildcards):
    """Networks among which an export chooses: all of the task, or the run that it is of."""
    task, _, run = wildcards.export.partition("/")
    return [model_file(task, name) for name in ([run] if run else networks_trained(task))]


def export_data(wildcards):
    """Every prepared data set that these were trained on; which one it will be is not known before."""
    datasets = dict.fromkeys(path.split("/")[3] for path in exportable(wildcards))
    return [f"results/data/{task_of_export(wildcards)}/{dataset}/dataset.json" for dataset in datasets]


def export_table(wildcards):
    """The comparison table that an export chooses by; none for a run on request."""
    return comparison(wildcards.export) if wildcards.export in TASKS else []


def bundle_files(task):
    """What a bundle is made of beside the exported files: code, program, pinned packages, licence."""
    folder = Path(workflow.basedir)
    others = [folder / "LICENSE", folder / "requirements" / "cpu.lock", *(folder / "geoml" / "export" / "pi").iterdir()]
    return code("geoml.export.bundle", "geoml.edge", f"geoml.tasks.{task}.predict") + sorted(
        map(os.path.relpath, others)
    )


EXPORTS = [export for task in TASKS for export in exported(task)]
BUNDLES = [
    f"results/export/pi/geoml-pi-{task}.tar.gz"
    for task in TASKS
    if task in EXPORTS and registry.has_part(task, "predict")
]
TABLES = [f"results/tables/{table}.csv" for task in TASKS for table in table_names(task, TASKS[task])]
TABLES += ["results/tables/devices.csv", *(["results/tables/export.csv"] if EXPORTS else [])]
FIGURES = [f"results/figures/{task}" for task in TASKS if registry.has_part(task, "figures")]
PREDICTIONS = [f"results/predictions/{task}/{name}" for task in TASKS for name in TASKS[task]["predictions"]]
NETWORKS, ESTIMATORS = (
    "|".join(
        name
        for name in every("variants")
        if any(trains(task, TASKS[task]["variants"][name]) == kind for task in TASKS if name in TASKS[task]["variants"])
    )
    or "none"
    for kind in (True, False)
)
