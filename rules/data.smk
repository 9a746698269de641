# From nothing, a download or a user's folder to prepared data sets.


rule generate_dataset:
    input:
        code=lambda wildcards: code(f"geoml.tasks.{wildcards.task}.synthetic"),
    output:
        marker="data/{task}/{source}/generated.json",
    log:
        "logs/generate_dataset/{task}/{source}.log",
    benchmark:
        "results/benchmarks/generate_dataset/{task}/{source}.jsonl"
    group:
        lambda wildcards: job_of_data(wildcards.task, SOURCES[wildcards.task][wildcards.source])
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(2000),
        runtime=more_each_try(30),
    params:
        entry=lambda wildcards: {
            key: source_entry(wildcards).get(key) for key in ("rows", "seed", "reader", "generate")
        },
    message:
        "Make synthetic {wildcards.source} data for {wildcards.task}"
    script:
        "../workflow_scripts/generate_dataset.py"


rule fetch_dataset:
    output:
        marker="data/{task}/{source}/fetched.json",
    log:
        "logs/fetch_dataset/{task}/{source}.log",
    retries: 3
    localrule: True
    conda:
        "../environment.yml"
    params:
        entry=lambda wildcards: {"files": source_entry(wildcards)["files"]},
    message:
        "Download {wildcards.source} for {wildcards.task}"
    script:
        "../workflow_scripts/fetch_dataset.py"


rule link_dataset:
    output:
        marker="data/{task}/{source}/linked.json",
    log:
        "logs/link_dataset/{task}/{source}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        entry=lambda wildcards: {"path": source_entry(wildcards)["path"]},
        state=folder_state,
    message:
        "List the files of {wildcards.source} for {wildcards.task}"
    script:
        "../workflow_scripts/link_dataset.py"


rule prepare_dataset:
    input:
        source=source_marker,
        named=named_files,
        code=reader_code,
    output:
        inputs=f"{DATA}/inputs.npy",
        samples=f"{DATA}/samples.h5",
        rejected=f"{DATA}/rejected.csv",
        meta=f"{DATA}/dataset.json",
    log:
        "logs/prepare_dataset/{task}/{dataset}.log",
    benchmark:
        "results/benchmarks/prepare_dataset/{task}/{dataset}.jsonl"
    group:
        lambda wildcards: job_of_data(wildcards.task, wildcards.dataset)
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(lambda wildcards: 30 if synthetic(wildcards.task, wildcards.dataset) else 240),
    params:
        entry=entry,
    message:
        "Prepare {wildcards.dataset} for {wildcards.task}"
    script:
        "../workflow_scripts/prepare_dataset.py"
