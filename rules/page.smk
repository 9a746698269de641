# One page of all results, for those who do not use Snakemake.

from geoml import page, texts


rule results_page:
    input:
        tables=TABLES,
        figures=FIGURES,
        bundles=BUNDLES,
        predictions=PREDICTIONS,
        code=code("geoml.page"),
        templates=list(map(os.path.relpath, page.TEMPLATES)),
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
        # Functions: the words are read for this job alone, not whenever a job on the cluster parses the rules.
        tasks=lambda wildcards: {task: page.content(task, TASKS[task]) for task in TASKS},
        others=lambda wildcards: {name: texts.table(name) for name in ["devices", *(["export"] if EXPORTS else [])]},
    message:
        "Results page"
    script:
        "../workflow_scripts/results_page.py"
