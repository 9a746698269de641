# A trained model on a user's own files.


rule predict:
    input:
        files=lambda wildcards: prediction(wildcards)["inputs"],
        tables=lambda wildcards: [
            prediction(wildcards)[key] for key in ("picks", "reversals") if key in prediction(wildcards)
        ],
        model=lambda wildcards: model_file(wildcards.task, prediction(wildcards)["model"]),
        code=lambda wildcards: code("geoml.predict", f"geoml.tasks.{wildcards.task}.predict"),
    output:
        folder=directory("results/predictions/{task}/{prediction}"),
    log:
        "logs/predict/{task}/{prediction}.log",
    benchmark:
        "results/benchmarks/predict/{task}/{prediction}.jsonl"
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(120),
    params:
        settings=lambda wildcards: prediction(wildcards),
    message:
        "Predict {wildcards.prediction} with {wildcards.task}"
    script:
        "../workflow_scripts/predict.py"
