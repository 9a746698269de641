# One job a run: data set x variant x seed. Networks are trained, estimators fitted.


rule train:
    input:
        # The small dataset.json holds the fingerprint: data that are prepared again to the same samples retrain nothing.
        data=f"{DATA}/dataset.json",
        arrays=ancient(multiext(f"{DATA}/", "inputs.npy", "samples.h5")),
        init_from=start_weights,
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
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(240),
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
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(60),
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
        code=training_code,
    output:
        timing="results/timing/{task}/{dataset}/{variant}/{device}.json",
    log:
        "logs/time_training/{task}/{dataset}/{variant}/{device}.log",
    benchmark:
        "results/benchmarks/time_training/{task}/{dataset}/{variant}/{device}.jsonl"
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(30),
        gpu=lambda wildcards: gpus(wildcards.device),
    params:
        variant=variant,
    message:
        "Time {wildcards.variant} on {wildcards.dataset} with {wildcards.device}"
    script:
        "../workflow_scripts/time_training.py"
