# From a trained network to what other machines run: ONNX, TFLite, checks against the network, a bundle for a Raspberry Pi.
# An export is named by its task (the best network, chosen inside the job) or by a run.

from geoml import texts

EXPORT = "results/export/{export}"


rule export_onnx:
    input:
        models=ancient(exportable),
        records=lambda wildcards: [str(Path(path).with_name("training.json")) for path in exportable(wildcards)],
        table=export_table,
        code=lambda wildcards: code(
            "geoml.export.network",
            "geoml.export.choose",
            f"geoml.tasks.{task_of_export(wildcards)}.task",
        ),
    output:
        model=f"{EXPORT}/model.onnx",
        choice=f"{EXPORT}/choice.json",
    log:
        "logs/export_onnx/{export}.log",
    benchmark:
        "results/benchmarks/export_onnx/{export}.jsonl"
    group:
        job_of_export
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(4000),
        runtime=more_each_try(20),
    params:
        rule=lambda wildcards: export_settings(wildcards, "by", "smallest", "where"),
        bases=lambda wildcards: bases(task_of_export(wildcards)),
    message:
        "Export {wildcards.export} to ONNX"
    script:
        "../workflow_scripts/export_onnx.py"


rule quantize:
    input:
        model=f"{EXPORT}/model.onnx",
        choice=f"{EXPORT}/choice.json",
        data=export_data,
        code=lambda wildcards: code("geoml.export.quantize", f"geoml.tasks.{task_of_export(wildcards)}.task"),
    output:
        record=f"{EXPORT}/onnx_int8.json",
    log:
        "logs/quantize/{export}.log",
    benchmark:
        "results/benchmarks/quantize/{export}.jsonl"
    group:
        job_of_export
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(30),
    params:
        settings=lambda wildcards: export_settings(wildcards, "calibration"),
    message:
        "Quantise {wildcards.export} to int8"
    script:
        "../workflow_scripts/quantize.py"


rule export_tflite:
    input:
        choice=f"{EXPORT}/choice.json",
        data=export_data,
        code=lambda wildcards: code("geoml.export.tflite", f"geoml.tasks.{task_of_export(wildcards)}.task"),
    output:
        record=f"{EXPORT}/tflite.json",
    log:
        "logs/export_tflite/{export}.log",
    benchmark:
        "results/benchmarks/export_tflite/{export}.jsonl"
    group:
        job_of_export
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(30),
    params:
        settings=lambda wildcards: export_settings(wildcards, "calibration"),
    message:
        "Export {wildcards.export} to TFLite"
    script:
        "../workflow_scripts/export_tflite.py"


rule check_export:
    input:
        choice=f"{EXPORT}/choice.json",
        onnx=f"{EXPORT}/model.onnx",
        records=multiext(f"{EXPORT}/", "onnx_int8.json", "tflite.json"),
        data=export_data,
        code=lambda wildcards: code(
            "geoml.export.card",
            "geoml.export.check",
            "geoml.export.model_card",
            f"geoml.tasks.{task_of_export(wildcards)}.task",
            *registry.scores(task_of_export(wildcards)).values(),
        ),
    output:
        card=f"{EXPORT}/card.json",
        words=f"{EXPORT}/MODEL_CARD.md",
        speed=f"{EXPORT}/speed.json",
    log:
        "logs/check_export/{export}.log",
    benchmark:
        "results/benchmarks/check_export/{export}.jsonl"
    group:
        job_of_export
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(8000),
        runtime=more_each_try(60),
    params:
        settings=lambda wildcards: export_settings(wildcards, "max_loss", "bundle"),
        score=lambda wildcards: TASKS[task_of_export(wildcards)]["columns"][0],
        # not the captions, which change more often and are not on the card
        words=lambda wildcards: {
            name: texts.of(task_of_export(wildcards))[name] for name in ("TITLE", "ABOUT", "LIMITS")
        },
    message:
        "Compare the exported files of {wildcards.export} with the network"
    script:
        "../workflow_scripts/check_export.py"


rule bundle:
    input:
        card="results/export/{task}/card.json",
        words="results/export/{task}/MODEL_CARD.md",
        records=multiext("results/export/{task}/", "onnx_int8.json", "tflite.json"),
        onnx="results/export/{task}/model.onnx",
        code=lambda wildcards: bundle_files(wildcards.task),
    output:
        archive="results/export/pi/geoml-pi-{task}.tar.gz",
    log:
        "logs/bundle/{task}.log",
    benchmark:
        "results/benchmarks/bundle/{task}.jsonl"
    group:
        lambda wildcards: job_of_tables(wildcards.task)
    conda:
        "../environment.yml"
    resources:
        mem_mb=more_each_try(2000),
        runtime=more_each_try(10),
    message:
        "Bundle {wildcards.task} for a Raspberry Pi"
    script:
        "../workflow_scripts/bundle.py"


rule export_table:
    input:
        cards=expand(f"{EXPORT}/card.json", export=EXPORTS),
        speeds=expand(f"{EXPORT}/speed.json", export=EXPORTS),
        code=code("geoml.export.card"),
    output:
        table="results/tables/export.csv",
        page="results/tables/export.html",
    log:
        "logs/export_table.log",
    benchmark:
        "results/benchmarks/export_table.jsonl"
    localrule: True
    conda:
        "../environment.yml"
    message:
        "Table export"
    script:
        "../workflow_scripts/export_table.py"
