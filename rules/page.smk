# One page of all results, for those who do not use Snakemake.


def page_of(task):
    """Tables of a task, and what its part of the page says of it."""
    settings = TASKS[task]
    sources = {entry.get("base", name): entry["source"] for name, entry in settings["datasets"].items()}
    searches = [f"{task}_{kind}" for kind in ("search", "search_pairs")] if settings["searches"] else []
    return {
        "tables": registry.names(task, "tables") + searches,
        "about": {
            "Data sets": ", ".join(f"{name} ({source})" for name, source in sources.items()),
            "Models": ", ".join(settings["variants"]),
            "Seeds": ", ".join(map(str, settings["seeds"])),
        },
    }


rule results_page:
    input:
        tables=TABLES + SEARCH_TABLES,
        figures=FIGURES,
        bundles=BUNDLES,
        code=code("geoml.page"),
        template=os.path.relpath(Path(workflow.basedir, "geoml", "page.html")),
    output:
        page="results/index.html",
    log:
        "logs/results_page.log",
    benchmark:
        "results/benchmarks/results_page.jsonl"
    localrule: True
    conda:
        "../environment.yml"
    params:
        title=CONFIG["title"],
        tasks={task: page_of(task) for task in TASKS},
        others=["devices", *(["export"] if EXPORTS else [])],
    message:
        "Results page"
    script:
        "../workflow_scripts/results_page.py"
