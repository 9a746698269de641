# One job a run: data set x variant x seed. Networks are trained, estimators fitted.


rule train:
    input:
        # The small dataset.json holds the fingerprint: data that are prepared again to the same samples retrain nothing.
        data=f"{DATA}/dataset.json",
        arrays=ancient(multiext(f"{DATA}/", "inputs.npy", "samples.h5")),
        init_from=start_weights,
        best=best_found,
        code=training_code,
    output:
        model=f"results/models/{RUN}/model.keras",
        history=f"results/models/{RUN}/history.csv",
        record=f"results/models/{RUN}/training.json",
    log:
        f"logs/train/{RUN}.log",
    benchmark:
        f"results/benchmarks/train/{RUN}.jsonl"
    wildcard_constraints:
        variant=NETWORKS,
    group:
        job_of_run
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(lambda wildcards: minutes(wildcards.task, wildcards.variant)),
        gpu=gpus(DEVICE),
    params:
        variant=variant,
        device=DEVICE,
        checkpoint=f"checkpoints/{RUN}.npz",
        events=f"results/tensorboard/{RUN}",
    message:
        "Train {wildcards.variant} on {wildcards.dataset} (seed {wildcards.seed})"
    script:
        "../workflow_scripts/train.py"


rule fit:
    input:
        data=f"{DATA}/dataset.json",
        arrays=ancient(multiext(f"{DATA}/", "inputs.npy", "samples.h5")),
        code=training_code,
    output:
        model=f"results/models/{RUN}/model.skops",
        record=f"results/models/{RUN}/training.json",
    log:
        f"logs/fit/{RUN}.log",
    benchmark:
        f"results/benchmarks/fit/{RUN}.jsonl"
    wildcard_constraints:
        variant=ESTIMATORS,
    group:
        job_of_run
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(20),
    params:
        variant=variant,
    message:
        "Fit {wildcards.variant} to {wildcards.dataset} (seed {wildcards.seed})"
    script:
        "../workflow_scripts/fit.py"


rule time_training:
    input:
        data=f"{DATA}/dataset.json",
        arrays=ancient(multiext(f"{DATA}/", "inputs.npy", "samples.h5")),
        best=best_found,
        code=lambda wildcards: sorted({*training_code(wildcards), *code("geoml.timing")}),
    output:
        timing="results/timing/{task}/{dataset}/{variant}/{device}.json",
    log:
        "logs/time_training/{task}/{dataset}/{variant}/{device}.log",
    benchmark:
        "results/benchmarks/time_training/{task}/{dataset}/{variant}/{device}.jsonl"
    group:
        job_of_timing
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(20),
        gpu=lambda wildcards: gpus(wildcards.device),
    params:
        variant=variant,
    message:
        "Time {wildcards.variant} on {wildcards.dataset} with {wildcards.device}"
    script:
        "../workflow_scripts/time_training.py"


# One job for all networks of a task: they take turns, so that a busy machine is as slow for each.
rule time_networks:
    input:
        data=lambda wildcards: f"results/data/{wildcards.task}/{next(iter(TASKS[wildcards.task]['datasets']))}/dataset.json",
        best=lambda wildcards: [
            f"{search_folder(wildcards.task, settings['best_of'])}/best.json"
            for settings in networks(wildcards.task).values()
            if "best_of" in settings
        ],
        code=lambda wildcards: code(
            "geoml.timing",
            f"geoml.tasks.{wildcards.task}.task",
            *(
                f"geoml.tasks.{wildcards.task}.models.{settings['model']}"
                for settings in networks(wildcards.task).values()
            ),
        ),
    output:
        timing="results/timing/{task}/networks.json",
    log:
        "logs/time_networks/{task}.log",
    benchmark:
        "results/benchmarks/time_networks/{task}.jsonl"
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(60),
    params:
        variants=lambda wildcards: networks(wildcards.task),
        searched=lambda wildcards: [
            name for name, settings in networks(wildcards.task).items() if "best_of" in settings
        ],
    message:
        "Time the networks of {wildcards.task} side by side"
    script:
        "../workflow_scripts/time_networks.py"
