# Tables over all runs of a task, each with a page of its own beside it, and the figures drawn from them.


rule comparison_table:
    input:
        metrics=lambda wildcards: of_runs(f"results/evaluation/{RUN}/metrics.json", task_of(wildcards.table)),
        predictions=lambda wildcards: of_runs(f"results/evaluation/{RUN}/predictions.csv.gz", task_of(wildcards.table)),
        timing=lambda wildcards: timings(task_of(wildcards.table)),
        networks=lambda wildcards: networks_timing(wildcards.table),
        code=lambda wildcards: code(
            f"geoml.tasks.{task_of(wildcards.table)}.tables.{wildcards.table}",
            *registry.scores(task_of(wildcards.table)).values(),
        ),
        published=lambda wildcards: published(task_of(wildcards.table)),
    output:
        table="results/tables/{table}.csv",
        page="results/tables/{table}.html",
    log:
        "logs/comparison_table/{table}.log",
    benchmark:
        "results/benchmarks/comparison_table/{table}.jsonl"
    group:
        lambda wildcards: job_of_tables(task_of(wildcards.table))
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(60),
    params:
        task=lambda wildcards: task_of(wildcards.table),
        columns=lambda wildcards: TASKS[task_of(wildcards.table)]["columns"],
        runs=lambda wildcards: [list(run) for run in runs(task_of(wildcards.table))],
    message:
        "Table {wildcards.table}"
    script:
        "../workflow_scripts/comparison_table.py"


rule devices_table:
    input:
        records=lambda wildcards: [record for task in TASKS for record in training_times(task)],
        code=code("geoml.devices"),
    output:
        table="results/tables/devices.csv",
        page="results/tables/devices.html",
    log:
        "logs/devices_table.log",
    benchmark:
        "results/benchmarks/devices_table.jsonl"
    localrule: True
    conda:
        "../environment.yml"
    params:
        bases={task: bases(task) for task in TASKS},
    message:
        "Table devices"
    script:
        "../workflow_scripts/devices_table.py"


rule task_figures:
    input:
        tables=lambda wildcards: expand(
            "results/tables/{table}.csv",
            table=registry.names(wildcards.task, "tables")
            + ([f"{wildcards.task}_search"] if TASKS[wildcards.task]["searches"] else []),
        ),
        code=lambda wildcards: code(f"geoml.tasks.{wildcards.task}.figures"),
    output:
        figures=directory("results/figures/{task}"),
    log:
        "logs/task_figures/{task}.log",
    benchmark:
        "results/benchmarks/task_figures/{task}.jsonl"
    group:
        lambda wildcards: job_of_tables(wildcards.task)
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(2000),
        runtime=more_each_try(30),
    message:
        "Draw the comparison figures of {wildcards.task}"
    script:
        "../workflow_scripts/task_figures.py"
