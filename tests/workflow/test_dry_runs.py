"""The workflow as delivered: every configuration and profile gives the jobs it should, and the rules are clean."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

EXPORTS = ("export_onnx", "quantize", "export_tflite", "check_export", "bundle")
CONFIGS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def snakemake(folder: Path, *arguments: object) -> str:
    """Output of Snakemake in an empty folder without the user's own settings."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def jobs(output: str) -> dict[str, int]:
    """Number of jobs by rule of a dry-run."""
    table = re.search(r"^job +count\n[- ]+\n(.+?)\n\n", output, re.MULTILINE | re.DOTALL)
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.MULTILINE)} if table else {}


@pytest.mark.parametrize("config", CONFIGS)
def test_every_configuration_gives_its_runs(config: str, tmp_path: Path):
    content = yaml.safe_load((ROOT / "config" / config).read_text())
    runs = prepared = 0
    for task in content["tasks"].values():
        parts = {name: entry.get("folds", 1) for name, entry in task["datasets"].items()}
        prepared += sum(parts.values())
        for variant in task["variants"].values():
            runs += len(task.get("seeds", [0])) * sum(parts[name] for name in variant.get("datasets", parts))
    found = jobs(snakemake(tmp_path, "-n", "--quiet", "rules", "--configfile", ROOT / "config" / config))
    assert found.get("train", 0) + found.get("fit", 0) == found["evaluate"] == runs
    assert found["prepare_dataset"] == prepared
    best = len(content["tasks"]) if "train" in found else 0
    assert [found.get(rule, 0) for rule in EXPORTS] == [best] * len(EXPORTS)
    assert found.get("export_table", 0) == min(best, 1)


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_a_profile_changes_no_job(profile: str, tmp_path: Path):
    config = tmp_path / "small.yaml"
    task = {
        "seeds": [0, 1],
        "datasets": {
            "ins": {"source": "synthetic", "rows": 50},
            "pnw": {"source": "synthetic", "rows": 50},
            "both": {"source": "pool", "members": ["ins", "pnw"]},
        },
        "variants": {
            "pair": {"model": "cnn_ross", "datasets": ["ins", "both"]},
            "tuned": {"model": "cnn_ross", "datasets": ["pnw"], "init_from": "ins/pair/seed0"},
        },
    }
    config.write_text(yaml.safe_dump({"devices": ["cpu", "gpu"], "tasks": {"polarity": task}}))
    output = snakemake(tmp_path, "-n", "--profile", ROOT / "profiles" / profile, "--configfile", config)
    assert jobs(output) == {
        "generate_dataset": 2,
        "prepare_dataset": 3,
        "train": 6,
        "time_training": 6,
        "evaluate": 6,
        "comparison_table": 2,
        "devices_table": 1,
        "task_figures": 1,
        **dict.fromkeys(EXPORTS, 1),
        "export_table": 1,
        "results_page": 1,
        "all": 1,
        "total": 35,
    }


@pytest.mark.parametrize(("config", "most"), [("config.yaml", 21), ("paper.yaml", 450)])
def test_short_jobs_share_cluster_jobs(config: str, most: int, tmp_path: Path):
    output = snakemake(tmp_path, "-n", "--profile", ROOT / "profiles/slurm", "--configfile", ROOT / "config" / config)
    groups = re.findall(r"Group job (\w+)", output)
    alone = re.findall(r"^Job \d+: (?!Download|Draw|List|Rank|Results|Table)", output, re.MULTILINE)
    assert len(groups) == len(set(groups)) and len(groups) + len(alone) <= most < jobs(output)["total"] / 4
    # A run and its evaluation are in one job, and each in no other.
    runs = re.findall(r"^ +Job \d+: ((?:Train|Fit|Evaluate) .+)$", output, re.MULTILINE)
    assert len(runs) == len(set(runs)) == 2 * jobs(output)["evaluate"]


def test_trainings_that_start_from_another_one_are_cluster_jobs_of_their_own(tmp_path: Path):
    config = tmp_path / "linked.yaml"
    task = {
        "runtime": 10,
        "seeds": [0, 1],
        "datasets": {"ins": {"source": "synthetic", "rows": 50}},
        "variants": {
            "first": {"model": "cnn_ross"},
            "second": {"model": "cnn_ross", "init_from": "ins/first/seed0"},
            "third": {"model": "cnn_ross", "init_from": "ins/first/seed0"},
            "alone": {"model": "cnn_ross"},
        },
    }
    config.write_text(yaml.safe_dump({"tasks": {"polarity": task}}))
    output = snakemake(tmp_path, "-n", "--profile", ROOT / "profiles/slurm", "--configfile", config)
    groups = sorted(re.findall(r"Group job (\w+)", output))
    assert groups == [
        "data_polarity_0",
        *(f"linked_runs_polarity_{place}" for place in range(6)),
        "short_runs_polarity_0",
        "tables_polarity_0",
    ]


def test_an_export_on_request_is_made_of_its_run_alone(tmp_path: Path):
    target = "results/export/polarity/all/cnn_ross/seed0/card.json"
    found = jobs(snakemake(tmp_path, target, "-n", "--quiet", "rules", "--configfile", ROOT / "config/test.yaml"))
    once = ("train", "export_onnx", "quantize", "export_tflite", "check_export")
    assert found == {"generate_dataset": 4, "prepare_dataset": 5, **dict.fromkeys(once, 1), "total": 14}


def test_a_task_without_networks_is_not_exported(tmp_path: Path):
    config = tmp_path / "fitted.yaml"
    task = {
        "datasets": {"photos": {"source": "synthetic", "rows": 90, "reader": "images"}},
        "variants": {"forest": {"model": "shallow"}, "resnet9": {"model": "resnet9", "datasets": []}},
    }
    config.write_text(yaml.safe_dump({"tasks": {"folds": task}}))
    found = jobs(snakemake(tmp_path, "-n", "--quiet", "rules", "--configfile", config))
    assert found["fit"] == 1 and not {*EXPORTS, "export_table"} & set(found)


def test_exports_share_the_cluster_job_of_the_tables(tmp_path: Path):
    config = tmp_path / "small.yaml"
    task = {
        "datasets": {"ins": {"source": "synthetic", "rows": 50}},
        "variants": {"cnn_ross": {"model": "cnn_ross"}},
        "export": {"runs": ["ins/cnn_ross/seed0"]},
    }
    config.write_text(yaml.safe_dump({"tasks": {"polarity": task}}))
    output = snakemake(tmp_path, "-n", "--profile", ROOT / "profiles/slurm", "--configfile", config)
    of_group = {}
    for text in re.split(r"^.*(?=Group job )", output, flags=re.MULTILINE)[1:]:
        group = text.split()[2]
        of_group |= dict.fromkeys(re.findall(r"^ +Job \d+: (.+)$", text, re.MULTILINE), group)
    exports = [job for job in of_group if re.match("Export|Quantise|Compare|Bundle", job)]
    assert len(exports) == 2 * 4 + 1
    assert {of_group[job] for job in exports} == {of_group["Table polarity_compare"]}
    assert not re.findall(r"^Job \d+: (?:Export|Quantise|Compare|Bundle)", output, re.MULTILINE)


def test_the_default_is_taken_where_no_other_configuration_is_given_and_mixed_into_none(tmp_path: Path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    default = jobs(snakemake(tmp_path, "-n", "--quiet", "rules"))
    assert default == jobs(snakemake(tmp_path, "-n", "--quiet", "rules", "--configfile", "config/config.yaml"))
    other = tmp_path / "other.yaml"
    task = {
        "datasets": {"mine": {"source": "synthetic", "rows": 50, "reader": "pnw"}},
        "variants": {"cnn_ross": {"model": "cnn_ross"}},
    }
    other.write_text(yaml.safe_dump({"tasks": {"polarity": task}}))
    found = jobs(snakemake(tmp_path, "-n", "--quiet", "rules", "--configfile", other))
    assert found["train"] == 1 < default["train"]


def test_one_table_needs_only_its_own_task_and_a_typo_is_named(tmp_path: Path):
    arguments = ["--configfile", ROOT / "config/test.yaml"]
    found = jobs(snakemake(tmp_path, "results/tables/polarity_cross.csv", "-n", "--quiet", "rules", *arguments))
    assert found["comparison_table"] == 1 and "task_figures" not in found
    config = tmp_path / "typo.yaml"
    config.write_text((ROOT / "config/test.yaml").read_text().replace("{model: cnn_ross", "{model: cnn_rose"))
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "-n", "--configfile", config]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode != 0
    assert "Did you mean 'cnn_ross'?" in done.stdout + done.stderr and "typo.yaml" in done.stdout + done.stderr


def test_devices_are_compared_without_training_a_network_and_by_one_fold_of_each_data_set(tmp_path: Path):
    config = tmp_path / "folds.yaml"
    task = {
        "seeds": [0, 1],
        "datasets": {
            "whole": {"source": "synthetic", "rows": 90, "reader": "images"},
            "crossed": {"source": "synthetic", "rows": 90, "reader": "images", "folds": 3},
        },
        "variants": {"resnet9": {"model": "resnet9"}, "forest": {"model": "shallow", "datasets": ["whole"]}},
    }

    def planned(devices: list[str]) -> dict[str, int]:
        config.write_text(yaml.safe_dump({"devices": devices, "tasks": {"folds": task}}))
        arguments = ("results/tables/devices.csv", "-n", "--quiet", "rules", "--configfile", config)
        found = jobs(snakemake(tmp_path, *arguments))
        return {name: found[name] for name in ("train", "fit", "time_training") if name in found}

    assert planned(["gpu", "cpu"]) == {"fit": 2, "time_training": 4}
    assert planned(["cpu"]) == {"train": 8, "fit": 2}


def test_the_rules_are_clean():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(Path("/data/instance").exists(), reason="the data are there")
def test_validating_the_published_scale_says_where_missing_data_are_to_be_had():
    code = "import sys; from geoml.cli import main; sys.exit(main(['validate', 'config/paper.yaml']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 2
    assert "/data/instance: path: expected a folder" in done.stderr and "Instance_events_counts" in done.stderr


def test_a_new_picture_deep_in_a_folder_of_the_users_is_seen(tmp_path: Path):
    for split in ("TRAIN", "VAL", "TEST"):
        (tmp_path / "photos" / split / "box").mkdir(parents=True)
    config = tmp_path / "mine.yaml"
    task = {
        "datasets": {"mine": {"source": "path", "path": str(tmp_path / "photos"), "reader": "images"}},
        "variants": {"forest": {"model": "shallow"}},
    }
    config.write_text(yaml.safe_dump({"tasks": {"folds": task}}))
    target = ("data/folds/mine/linked.json", "--cores", 1, "--configfile", config)
    (tmp_path / "photos/TRAIN/box/a.png").touch()
    snakemake(tmp_path, *target)
    assert "Nothing to be done" in snakemake(tmp_path, "-n", *target)
    (tmp_path / "photos/TRAIN/box/b.png").touch()
    assert jobs(snakemake(tmp_path, "-n", *target)) == {"link_dataset": 1, "total": 1}
