# The executor of Slurm, and which jobs share a cluster job.
from geoml import slurm

if workflow.is_main_process:
    slurm.register()

# No cluster job is shorter than a minute without need; `group-components` of the profile says how many runs of a kind
# share one. A run's place is that in the configuration, not that in what is left to do: what goes on after an
# interruption shares a job with the same others.
SHORT = 60  # minutes of `runtime`


def minutes(task, name):
    """Time limit of a training of a variant."""
    return TASKS[task]["variants"][name].get("runtime", TASKS[task]["runtime"])


def kinds(task):
    """What the runs of a task are to a cluster: estimators, trainings linked by their models, short or other ones."""
    variants = TASKS[task]["variants"]
    sources = {name: model_source(settings.get("init_from", "")) for name, settings in variants.items()}
    # Of linked ones each is a job of its own: two jobs that hold several could wait for each other.
    linked = {name for name, source in sources.items() if source} | {source[1] for source in sources.values() if source}
    for dataset, name, seed in runs(task):
        if not trains(task, variants[name]):
            kind = "fits"
        elif name in linked:
            kind = "linked_runs"
        else:
            kind = "short_runs" if minutes(task, name) <= SHORT else "runs"
        yield (dataset, name, seed), kind


def places(task):
    """Kind and place in it of every run of a task."""
    counts, found = {}, {}
    for run, kind in kinds(task):
        found[run] = kind, counts.setdefault(kind, 0)
        counts[kind] += 1
    return found


PLACES = {task: places(task) for task in TASKS}


def shared(kind, name, place=0):
    """The cluster job of what has this place in its kind; none where the profile has no group-components."""
    sizes = workflow.group_settings.group_components
    if not sizes:
        return None
    group = f"{kind}_{name}_{place // sizes.get(kind, 1)}"
    workflow.parent_groupids[group] = kind
    return group


def job_of_run(wildcards):
    """Cluster job of a training, or a fit, and its evaluation."""
    kind, place = PLACES[wildcards.task][wildcards.dataset, wildcards.variant, int(wildcards.seed)]
    return shared(kind, wildcards.task, place)


def job_of_timing(wildcards):
    """Cluster job of the timing of a network; those of the other device need another kind of node."""
    place = timing_places(wildcards.task).get((wildcards.dataset, wildcards.variant), 0)
    return shared("timings", f"{wildcards.task}_{wildcards.device}", place)


def job_of_tables(task):
    """Cluster job of the tables and figures of a task; of many runs each takes its minute alone.

    Snakemake looks through all inputs of a group again whenever one of them is made.
    """
    return shared("tables", task) if len(PLACES[task]) <= 1000 else None


def job_of_export(wildcards):
    """Cluster job of an export: that of the tables, which alone is short too."""
    return job_of_tables(task_of_export(wildcards))


@cache
def timing_places(task):
    """Place of every timing among those of its device."""
    timed = dict.fromkeys(tuple(path.split("/")[-3:-1]) for path in timings(task))
    return {network: place for place, network in enumerate(timed)}


def synthetic(task, dataset):
    """Whether a data set is made here; these are small."""
    datasets = TASKS[task]["datasets"]
    members = datasets[dataset].get("members", [dataset])
    return all(datasets[member]["source"] == "synthetic" for member in members)


def job_of_data(task, dataset):
    """Cluster job that makes or prepares a data set: one a task for what is made here, one a source for others."""
    return shared("data", task if synthetic(task, dataset) else f"{task}_{source_of(task, dataset)}")
