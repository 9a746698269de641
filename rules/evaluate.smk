# One job a run: test on the own data set and on all others, score, draw.


rule evaluate:
    input:
        model=ancient(run_files),
        record=f"results/models/{RUN}/training.json",
        data=lambda wildcards: test_sets(wildcards, "dataset.json"),
        arrays=ancient(lambda wildcards: test_sets(wildcards, "inputs.npy")),
        samples=ancient(lambda wildcards: test_sets(wildcards, "samples.h5")),
        code=lambda wildcards: code(
            "geoml.evaluate",
            *(f"geoml.tasks.{wildcards.task}.{part}" for part in ("task", "evaluation", "figures")),
        ),
    output:
        metrics=f"results/evaluation/{RUN}/metrics.json",
        predictions=f"results/evaluation/{RUN}/predictions.csv.gz",
        figures=directory(f"results/evaluation/{RUN}/figures"),
    log:
        f"logs/evaluate/{RUN}.log",
    benchmark:
        f"results/benchmarks/evaluate/{RUN}.jsonl"
    group:
        job_of_run
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(20),
    message:
        "Evaluate {wildcards.variant} trained on {wildcards.dataset} (seed {wildcards.seed})"
    script:
        "../workflow_scripts/evaluate.py"
