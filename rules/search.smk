# Architecture searches: candidates are drawn once, trained in batches rung by rung, ranked to the best.

SEARCH = "results/search/{task}/{dataset}/{search}"


rule draw_candidates:
    input:
        code=lambda wildcards: code("geoml.search", f"geoml.tasks.{wildcards.task}.space"),
    output:
        candidates=f"{SEARCH}/candidates.jsonl",
    log:
        "logs/draw_candidates/{task}/{dataset}/{search}.log",
    benchmark:
        "results/benchmarks/draw_candidates/{task}/{dataset}/{search}.jsonl"
    localrule: True
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: search_settings(wildcards, "candidates", "space", "seed", "limits", "args"),
    message:
        "Draw the candidates of the search {wildcards.search}"
    script:
        "../workflow_scripts/draw_candidates.py"


rule search_batch:
    input:
        data=f"{DATA}/dataset.json",
        arrays=ancient(multiext(f"{DATA}/", "inputs.npy", "samples.h5")),
        candidates=f"{SEARCH}/candidates.jsonl",
        earlier=lambda wildcards: rung_files(wildcards, int(wildcards.rung) - 1),
        code=lambda wildcards: code(
            "geoml.search_batch",
            f"geoml.tasks.{wildcards.task}.task",
            f"geoml.tasks.{wildcards.task}.models.{search_entry(wildcards)['model']}",
        ),
    output:
        results=f"{SEARCH}/rung{{rung}}/batch{{batch}}.jsonl",
    log:
        "logs/search_batch/{task}/{dataset}/{search}/rung{rung}_batch{batch}.log",
    benchmark:
        "results/benchmarks/search_batch/{task}/{dataset}/{search}/rung{rung}_batch{batch}.jsonl"
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(720),
        gpu=gpus(DEVICE),
    params:
        settings=lambda wildcards: {
            key: value
            for key, value in search_entry(wildcards).items()
            if key not in ("space", "limits", "tolerance", "dataset")
        },
        device=DEVICE,
        work="checkpoints/search/{task}/{dataset}/{search}",
    message:
        "Train batch {wildcards.batch} of rung {wildcards.rung} of the search {wildcards.search}"
    script:
        "../workflow_scripts/search_batch.py"


rule rank_search:
    input:
        batches=every_batch,
        code=lambda wildcards: code("geoml.search_rank", f"geoml.tasks.{wildcards.task}.space"),
    output:
        ranking=f"{SEARCH}/ranking.csv",
        best=f"{SEARCH}/best.json",
    log:
        "logs/rank_search/{task}/{dataset}/{search}.log",
    benchmark:
        "results/benchmarks/rank_search/{task}/{dataset}/{search}.jsonl"
    localrule: True
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: search_settings(wildcards, "dataset", "args", "tolerance"),
        work="checkpoints/search/{task}/{dataset}/{search}",
        batches=lambda wildcards: [rung_files(wildcards, rung) for rung in range(len(search_entry(wildcards)["rungs"]))],
    message:
        "Rank the candidates of the search {wildcards.search}"
    script:
        "../workflow_scripts/rank_search.py"


rule search_table:
    input:
        rankings=lambda wildcards: of_searches(wildcards.task, "ranking.csv"),
        code=code("geoml.search_table"),
    output:
        table="results/tables/{task}_search.csv",
        page="results/tables/{task}_search.html",
        pairs="results/tables/{task}_search_pairs.csv",
        pairs_page="results/tables/{task}_search_pairs.html",
    log:
        "logs/search_table/{task}.log",
    benchmark:
        "results/benchmarks/search_table/{task}.jsonl"
    localrule: True
    conda:
        "../environment.yml"
    message:
        "Table of all candidates of {wildcards.task}"
    script:
        "../workflow_scripts/search_table.py"
