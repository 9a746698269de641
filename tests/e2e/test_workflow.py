"""The whole workflow of config/test.yaml on the CPU, from nothing to tables, figures and report."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

RUNS = {
    ("ins", "bulid_pp_model"): 967_941,
    ("hinet", "bulid_pd_model"): 935_076,
    ("all", "cnn_ross"): 3_668_227,
    ("scsn", "pd_model"): 975_572,
}
OWN = {"ins", "hinet", "scsn", "pnw"}
SCORES = [f"{name}_{letter}" for name in ("precision", "recall", "f1") for letter in "udn"]


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-d", str(folder), *arguments]
    command += ["--configfile", str(ROOT / "config/test.yaml")]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    logs = (f"\n{path}\n{path.read_text()[-1500:]}" for path in (folder / "logs").rglob("*.log"))
    assert done.returncode == 0, done.stdout[-3000:] + "".join(logs)[-9000:]
    return done.stdout


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workflow")
    snakemake(folder, "--quiet")
    return folder


def test_the_comparison_has_a_row_a_run_with_the_columns_of_the_contract(finished: Path):
    table = rows(finished / "results/tables/polarity_compare.csv")
    assert {(row["dataset"], row["model"]): int(row["parameters"]) for row in table} == RUNS
    for row in table:
        for score in ("accuracy", "macro_f1", "strict_ud_accuracy", *SCORES):
            assert {score, f"{score}_ci_low", f"{score}_ci_high", f"{score}_seed_std"} <= set(row)
            assert row[score] == "" or 0 <= float(row[score]) <= 1
        assert row["data_source"] == "synthetic"
        assert float(row["train_cpu_s"]) > 0 and row["train_gpu_s"] == ""
        assert float(row["infer_windows_per_s"]) > 0 and int(row["epochs"]) == 1
        assert int(row["n_train"]) > 30 and int(row["n_test"]) > 10 and row["n_seeds"] == "1"
        assert {"published_precision", "published_strict_ud_accuracy", "published_source"} <= set(row)


def test_the_cross_table_has_every_pair(finished: Path):
    table = rows(finished / "results/tables/polarity_cross.csv")
    expected = {(model, own, other) for own, model in RUNS for other in OWN | {own}}
    assert {(row["model"], row["trained_on"], row["tested_on"]) for row in table} == expected
    for row in table:
        assert {"accuracy", "macro_f1", "strict_ud_accuracy"} <= set(row) and row["data_source"] == "synthetic"


def test_every_run_leaves_what_is_needed_to_judge_it(finished: Path):
    for dataset, model in RUNS:
        run = f"polarity/{dataset}/{model}/seed0"
        metrics = json.loads((finished / "results/evaluation" / run / "metrics.json").read_text())
        record = json.loads((finished / "results/models" / run / "training.json").read_text())
        data = json.loads((finished / "results/data/polarity" / dataset / "dataset.json").read_text())
        assert (metrics["data_source"], metrics["n_test"]) == ("synthetic", data["split_samples"]["test"])
        assert metrics["scores"]["accuracy"] == pytest.approx(
            sum(metrics["details"]["confusion"][k][k] for k in range(3)) / metrics["n_test"], abs=1e-6
        )
        assert (record["data_fingerprint"], record["split_hash"]) == (data["fingerprint"], data["split_hash"])
        assert record["run"]["seed"] == 0 and record["variant"]["model"] == model and record["device"] == "cpu"
        assert record["device_name"] and {"geoml", "python", "keras", "tensorflow", "numpy"} <= set(record["versions"])
        assert record["wall_s"] > 0 and record["cpu_s"] > 0 and record["peak_memory_mb"] > 50
        assert len(rows(finished / "results/models" / run / "history.csv")) == record["epochs"] == 1
        with gzip.open(finished / "results/evaluation" / run / "predictions.csv.gz", "rt") as file:
            predictions = list(csv.DictReader(file))
        tested = [row["split"] for row in predictions if row["tested_on"] == dataset]
        assert (tested.count("test"), tested.count("val")) == (metrics["n_test"], metrics["n_val"])
        drawn = {path.name for path in (finished / "results/evaluation" / run / "figures").glob("*.png")}
        assert {"confusion.png", "training.png", "snr.png", "pick_error.png", "reliability.png", "gallery.png"} <= drawn
        assert (finished / "results/benchmarks/train" / f"{run}.jsonl").exists()
    assert not list((finished / "checkpoints").rglob("*.npz")), "a finished training keeps no checkpoint"


def test_the_comparison_is_drawn_and_the_report_holds_it_all(finished: Path):
    figures = {path.name for path in (finished / "results/figures/polarity").iterdir()}
    assert {"cross_dataset.png", "cross_dataset.svg", "compare.png", "compare.svg"} <= figures
    snakemake(finished, "--report", "report.html")
    report = (finished / "report.html").read_text()
    for name in ("polarity_compare.csv", "polarity_cross.csv", "confusion.png", "cross_dataset.png"):
        assert name in report


EXPORTED = ("polarity", "folds", "slip", "tremor", "patchnet")
FORMATS = ["keras", "onnx", "onnx_int8", "tflite", "tflite_fp16", "tflite_int8"]
OF_EXPORTS = {
    "run", "bytes", "max_abs_diff", "agreement", "score", "value", "value_ci_low", "value_ci_high", "change",
    "change_ci_low", "change_ci_high", "latency_ms_p50", "latency_ms_p95", "samples_per_s", "peak_rss_mb", "threads",
    "runtime", "data_source", "n_train", "n_test", "n_seeds",
}  # fmt: skip


def test_the_best_network_of_every_task_is_exported_checked_and_bundled(finished: Path):
    table = rows(finished / "results/tables/export.csv")
    assert set(table[0]) > OF_EXPORTS
    assert {task: [row["format"] for row in table if row["task"] == task] for task in EXPORTED} == dict.fromkeys(
        EXPORTED, FORMATS
    )
    for row in table:
        folder = finished / "results/export" / row["task"]
        file = json.loads((folder / "card.json").read_text())["formats"][row["format"]]["file"]
        if row["status"].startswith("not made: "):
            assert len(row["status"]) > 15 and row["bytes"] == "" and not (folder / file).exists()
            continue
        assert row["status"] in ("checked", "bundled") or row["status"].startswith("loses ")
        assert float(row["value"]) + 1e-9 >= 0 and float(row["latency_ms_p50"]) > 0 and float(row["peak_rss_mb"]) > 20
        if file:
            assert int(row["bytes"]) == (folder / file).stat().st_size
        if row["format"] == "onnx":
            assert row["status"] == "bundled" and float(row["max_abs_diff"]) < 1e-3 and row["runtime"][:4] == "onnx"
    bundles = {path.name for path in (finished / "results/export/pi").iterdir()}
    assert bundles == {f"geoml-pi-{task}.tar.gz" for task in EXPORTED}


def test_the_exported_best_is_what_predictions_use(finished: Path):
    out = finished / "of_exported"
    inputs = sorted((finished / "data/folds/generated").rglob("*.png"))[:2]
    command = [sys.executable, "-c", "import sys; from geoml.cli import main; sys.exit(main())", "predict", "folds"]
    done = subprocess.run([*command, *map(str, inputs), "-o", str(out)], cwd=finished, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "using results/export/folds/model.onnx" in done.stdout
    assert len(rows(out / "folds.csv")) == 2


def test_nothing_is_left_to_do(finished: Path):
    assert "Nothing to be done" in snakemake(finished, "-n")


FOLDS = ["dataset", "learning", "model", "training", "colour", "split", "duplicates", "domain"]
MEASURED = ["accuracy", "balanced_accuracy", "f1", "time_cpu_s", "data_source", "n_train", "n_test", "n_seeds"]


def test_the_fold_table_has_what_was_measured_and_all_that_was_published(finished: Path):
    table = rows(finished / "results/tables/fold_compare.csv")
    assert len({tuple(row[name] for name in FOLDS) for row in table}) == len(table)
    done = [row for row in table if row["status"] == "measured"]
    assert {(row["dataset"], row["model"], row["training"]) for row in done} == {
        ("generated", "ResNet9", "untrained"),
        ("generated", "ResNet9", "modelled"),
        ("generated", "RandomForestClassifier", "fit"),
        ("crossed", "RandomForestClassifier", "fit"),
    }
    for row in done:
        assert all(row[name] for name in MEASURED) and row["data_source"] == "synthetic" and row["time_gpu_s"] == ""
        assert float(row["accuracy_ci_low"]) <= float(row["accuracy"]) <= float(row["accuracy_ci_high"])
    whole = next(row for row in done if row["dataset"] == "crossed" and row["split"] == "test")
    assert (whole["n_test"], whole["n_folds"]) == ("90", "2"), "every image is tested once"
    assert sum(bool(row["published_accuracy"]) for row in table) >= 74
    for row in table:
        if row["status"] == "not run":
            assert row["dataset"] == "published" and not any(row[name] for name in MEASURED)


def test_fold_figures_are_there_and_the_images_lie_in_the_published_layout(finished: Path):
    figures = {path.name for path in (finished / "results/figures/folds").iterdir()}
    assert {"compare_generated.png", "compare_crossed.svg"} <= figures
    for model, own in (("resnet9", "gradcam.png"), ("random_forest", "features.png")):
        drawn = {
            path.name for path in (finished / f"results/evaluation/folds/generated/{model}/seed42/figures").iterdir()
        }
        assert {"confusion.png", "reliability.png", "gallery.png", own} <= drawn
    assert (finished / "data/folds/generated/TRAIN/box").is_dir()
    assert not (finished / "data/folds/crossed_k0").exists(), "folds share their images"


def test_the_slip_table_has_both_splits_and_what_they_leak(finished: Path):
    table = rows(finished / "results/tables/slip_compare.csv")
    assert [(row["dataset"], row["model"], row["split"]) for row in table] == [
        (dataset, model, split)
        for dataset, models in (("experiments_published", ("ssf_cnn", "ridge")), ("experiments", ("gaussian", "ridge")))
        for split in ("train", "val", "test")
        for model in models
    ]
    for row in table:
        assert all(
            row[name] for name in ("loss", "mae", "rmse", "r2", "accuracy_2sd", "n_train", "n_test", "train_cpu_s")
        )
        assert float(row["mae_ci_low"]) <= float(row["mae"]) <= float(row["mae_ci_high"])
        assert row["data_source"] == "synthetic" and row["train_gpu_s"] == ""
        leaks = row["dataset"] == "experiments_published"
        assert (float(row["frames_in_train"]) > 0.5) == leaks and (float(row["experiments_in_train"]) == 1) == leaks
        published = {"train": "0.967", "val": "0.961", "test": "0.909"}[row["split"]]
        assert row["published_accuracy_2sd"] == (published if row["model"] == "ssf_cnn" else "")
    assert {row["parameters"] for row in table if row["model"] == "ssf_cnn"} == {"33933"}


def test_slip_figures_are_there_and_splits_share_their_files(finished: Path):
    figures = {path.name for path in (finished / "results/figures/slip").iterdir()}
    assert {"compare_experiments.png", "compare_experiments_published.svg", "leakage.png"} <= figures
    for run, own in (("experiments/gaussian", {"saliency.png", "training.png"}), ("experiments/ridge", set())):
        drawn = {path.name for path in (finished / f"results/evaluation/slip/{run}/seed0/figures").glob("*.png")}
        assert drawn == {"cross_plot.png", "efficiency_in_time.png", "intervals.png", "robustness.png"} | own
    assert len(list((finished / "data/slip/experiments").glob("*.mat"))) == 16
    assert not (finished / "data/slip/experiments_published").exists()


def test_the_tremor_tables_say_what_each_split_leaks_and_what_clusters_are(finished: Path):
    table = rows(finished / "results/tables/tremor_compare.csv")
    expected = [("tremor", "encoder"), ("tremor", "floor"), ("tremor_random", "convnet"), ("tremor_random", "floor")]
    assert sorted((row["dataset"], row["model"]) for row in table) == expected
    for row in table:
        for name in (
            "accuracy",
            "balanced_accuracy",
            "recall",
            "f1",
            "roc_auc",
            "pr_auc",
            "train_accuracy",
            "threshold",
        ):
            assert 0 <= float(row[name]) <= 1
        assert float(row["accuracy_ci_low"]) <= float(row["accuracy"]) <= float(row["accuracy_ci_high"])
        leaks = row["dataset"] == "tremor_random"
        assert (float(row["events_in_train"]) > 0.5) == leaks and (float(row["stations_in_train"]) == 1) == leaks
        assert row["data_source"] == "synthetic" and float(row["train_cpu_s"]) > 0 and row["train_gpu_s"] == ""
    assert {row["parameters"] for row in table if row["model"] == "convnet"} == {"178234"}
    clusters = rows(finished / "results/tables/tremor_clusters.csv")
    assert {row["model"] for row in clusters} == {"encoder"}
    assert {row["method"] for row in clusters} == {"kmeans_2", "kmeans", "gaussian_mixture", "hdbscan"}
    assert {"ari_label", "nmi_event", "purity_station", "silhouette"} <= set(clusters[0])


def test_tremor_figures_and_scalars_are_there(finished: Path):
    run = "tremor/tremor/encoder/seed0"
    drawn = {path.name for path in (finished / f"results/evaluation/{run}/figures").glob("*.png")}
    assert drawn == {
        "confusion.png", "curves.png", "traces.png", "training.png", "embedding_pca.png", "embedding_tsne.png",
        "neighbours.png",
    }  # fmt: skip
    assert {path.name for path in (finished / "results/figures/tremor").glob("*.*")} >= {"compare.png", "compare.svg"}
    assert list((finished / "results/tensorboard" / run).glob("events.out.tfevents.*"))
    assert len(list((finished / "data/tremor/tremor").rglob("*.sac"))) == 180


def test_the_search_table_has_a_row_a_candidate_and_its_best_is_trained(finished: Path):
    table = rows(finished / "results/tables/patchnet_search.csv")
    assert len({row["job_id"] for row in table}) == len(table) == 3
    for row in table:
        assert row["status"] == "done" and row["reason"] == "" and row["search"] == "halving"
        assert 0 <= float(row["val_accuracy_ci_low"]) <= float(row["val_accuracy"]) <= 1
        for name in ("n0", "n2", "b3_w", "b5_u4", "parameters", "macs", "seconds", "latency_ms", "mean top5"):
            assert float(row[name]) > 0
        assert row["data_source"] == "synthetic"
    assert sorted(int(row["epochs"]) for row in table) == [1, 1, 2], "one in three goes on to the second rung"
    assert sum(bool(row["rung1_val_accuracy"]) for row in table) == 1
    best = json.loads((finished / "results/search/patchnet/patches/halving/best.json").read_text())
    assert best["job_id"] == table[0]["job_id"]
    record = json.loads((finished / "results/models/patchnet/patches/best_found/seed0/training.json").read_text())
    assert record["variant"]["args"] == {"padding": "valid", "candidate": best["document"]}
    assert record["parameters"] == best["parameters"]
    assert (finished / "results/tables/patchnet_search_pairs.csv").read_text() == "dataset,budget,search,other\n"


def test_networks_that_were_not_trained_are_compared_by_size_and_speed(finished: Path):
    trained, counted = rows(finished / "results/tables/patchnet_compare.csv")
    assert (trained["model"], counted["model"]) == ("best_found", "mobilenet_v2")
    assert float(trained["accuracy_ci_low"]) <= float(trained["accuracy"]) <= float(trained["accuracy_ci_high"])
    assert counted["accuracy"] == counted["dataset"] == counted["n_test"] == ""
    assert counted["parameters"] == "2259970" and float(counted["macs"]) > 7e7
    for row in (trained, counted):
        assert float(row["patches_per_s"]) > 0 and float(row["patches_per_s_batch1"]) > 0 and float(row["size_mb"]) > 0
        assert row["speed_up_vs_resnet50"] == "", "there is no ResNet-50 in this configuration"
    assert trained["line_engine"] == "convolutional" and float(trained["engines_decisions"]) == 1
    assert [row["model"] for row in rows(finished / "results/tables/patchnet_cross.csv")] == ["best_found"]


def test_patchnet_figures_are_there(finished: Path):
    run = finished / "results/evaluation/patchnet/patches/best_found/seed0/figures"
    assert {path.name for path in run.glob("*.png")} == {"confusion.png", "training.png", "gallery.png", "line.png"}
    drawn = {path.name for path in (finished / "results/figures/patchnet").glob("*.*")}
    kinds = {"compare", *(f"search_{kind}_patches" for kind in ("front", "scores", "best", "rungs_halving"))}
    assert drawn >= {f"{kind}.{suffix}" for kind in kinds for suffix in ("png", "svg")}
