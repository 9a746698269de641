# What `snakemake --report` shows: whatever there is of the results. Not outputs marked one by one in their rules, since
# the report then ends with an error as soon as one of them is missing.
from geoml.report import Report

config["report"] = Report(CONFIG, runs)


def reported(folder):
    """The folder of the results as an input that the report takes tables and figures of this configuration from."""
    any_run = "|".join(run for task in TASKS for run in of_runs(RUN, task))
    any_task = "|".join(TASKS)
    any_table = "|".join(Path(path).stem for path in TABLES)
    patterns = [
        f"tables/{{page,{any_table}}}.html",
        f"figures/{{task,{any_task}}}/{{figure}}.png",
        f"predictions/{{task,{any_task}}}/{{prediction}}/{{figure}}.png",
        f"evaluation/{{run,{any_run}}}/figures/{{figure}}.png",
    ]
    words = config["report"]
    return report(
        folder,
        "config/report/result.rst",
        words.category,
        words.subcategory,
        words.labels,
        patterns,
    )


# On a first run there is nothing yet.
REPORTED = [reported("results")] if os.path.isdir("results") else []
