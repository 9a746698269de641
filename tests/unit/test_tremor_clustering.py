"""Clusters of embeddings and what they are made of, the classifier that fits into a model file, and the figures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.tremor import SAMPLES
from geoml.tasks.tremor.answers import classify, decision
from geoml.tasks.tremor.clustering import (
    classifier,
    cluster,
    draw_embedding,
    draw_neighbours,
    draw_tsne,
    neighbours,
)

METHODS = ["kmeans_2", "kmeans", "gaussian_mixture", "hdbscan"]


def blobs(count: int, each: int = 30, spread: float = 0.05, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings around ``count`` axes, of any length, and which axis each is at."""
    rng, which = np.random.default_rng(0), np.repeat(np.arange(count), each)
    return (np.eye(d)[which] + spread * rng.normal(size=(len(which), d))) * rng.uniform(0.5, 2, (len(which), 1)), which


def by_method(embedding: np.ndarray, **truths: np.ndarray) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in cluster(embedding, truths, 0)}


def test_clusters_of_the_label_are_found_and_are_not_those_of_the_station():
    embedding, label = blobs(2)
    found = by_method(embedding, label=label, station=np.tile(["A", "B", "C"], 20))
    assert list(found) == METHODS
    for row in found.values():
        assert row["clusters"] == 2 and row["silhouette"] > 0.8 and row["noise"] < 0.2
        assert min(row["ari_label"], row["nmi_label"], row["purity_label"]) > 0.75
        assert max(row["ari_station"], row["nmi_station"]) < 0.1 and row["purity_station"] < 0.5
    assert found["kmeans"]["ari_label"] == found["kmeans"]["nmi_label"] == found["kmeans"]["purity_label"] == 1


def test_the_number_of_clusters_is_found():
    embedding, which = blobs(4)
    found = by_method(embedding, event=which)
    assert [found[name]["clusters"] for name in METHODS] == [2, 4, 4, 4]
    assert found["kmeans"]["purity_event"] == 1
    assert found["kmeans_2"]["purity_event"] == 0.5


def test_the_length_of_an_embedding_does_not_matter():
    embedding, which = blobs(3)
    long = embedding * np.random.default_rng(1).uniform(0.1, 10, (len(embedding), 1))
    assert cluster(embedding, {"label": which}, 0) == cluster(long, {"label": which}, 0)


def test_noise_is_told_and_counts_as_one_more_cluster():
    embedding, which = blobs(2, each=40)
    lonely = np.random.default_rng(0).normal(size=(20, 5))
    found = by_method(np.vstack([embedding, lonely]), label=np.append(which, np.full(20, 2)))["hdbscan"]
    assert found["clusters"] == 2 and 0.1 < found["noise"] < 0.3
    assert found["purity_label"] > 0.9 and found["silhouette"] > 0.8


@pytest.mark.parametrize("n", [1, 12])
def test_what_is_undefined_in_a_single_cluster_is_nan(n: int):
    for row in cluster(np.ones((n, 4)), {"label": np.arange(n) % 2}, 0):
        assert (row["clusters"], row["noise"]) == (1, 0)
        assert np.isnan([row[name] for name in ("silhouette", "ari_label", "nmi_label", "purity_label")]).all()


def test_a_truth_of_one_value_has_nan_and_leaves_the_others():
    embedding, which = blobs(2)
    found = by_method(embedding, label=which, component=np.full(60, "BHZ"))["kmeans"]
    assert np.isnan([found["ari_component"], found["nmi_component"], found["purity_component"]]).all()
    assert found["ari_label"] == 1


def test_a_few_samples_can_be_clustered():
    rows = cluster(np.random.default_rng(0).normal(size=(3, 4)), {"label": np.array([0, 1, 1])}, 0)
    assert [row["method"] for row in rows] == METHODS
    assert rows[-1]["noise"] == 1 and np.isnan(rows[-1]["silhouette"])


def overlapping(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng, label = np.random.default_rng(0), np.arange(n) % 2
    return np.tanh(rng.normal(size=(n, 6)) + label[:, None]), label


def test_the_classifier_is_scikit_learns_with_its_defaults():
    from sklearn.svm import SVC

    x, y = overlapping()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    theirs = SVC().fit(unit[:80], y[:80])
    numbers = classifier(x[:80], y[:80], 0)
    assert decision(numbers, x) == pytest.approx(theirs.decision_function(unit), abs=1e-4)
    assert np.array_equal(decision(numbers, x[80:]) > 0, theirs.predict(unit[80:]) == 1)
    assert ((classify(numbers, x[80:])[:, 1] > 0.5) == y[80:]).mean() > 0.8


def test_the_classifier_survives_json_and_needs_no_scikit_learn():
    x, y = overlapping()
    numbers = classifier(x, y, 0)
    again = json.loads(json.dumps(numbers))
    assert np.array_equal(classify(again, x), classify(numbers, x))
    code = """
import json, sys, numpy as np
from geoml.tasks.tremor.answers import classify
p = classify(json.load(sys.stdin), np.ones((2, 6)))
assert not {"sklearn", "scipy", "matplotlib", "keras"} & set(sys.modules)
print(p[0, 1])
"""
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(numbers), text=True, capture_output=True)
    assert float(done.stdout) == pytest.approx(classify(numbers, np.ones((1, 6)))[0, 1]), done.stderr


def test_probabilities_rise_with_the_decision_and_are_as_frequent_as_they_say():
    x, y = overlapping(1200)
    numbers = classifier(x[:600], y[:600], 0)
    p = classify(numbers, x[600:])
    assert p.sum(axis=1) == pytest.approx(1)
    assert (np.diff(p[np.argsort(decision(numbers, x[600:])), 1]) >= 0).all()
    for low in (0, 0.25, 0.5, 0.75):
        inside = (p[:, 1] >= low) & (p[:, 1] < low + 0.25)
        assert y[600:][inside].mean() == pytest.approx(p[inside, 1].mean(), abs=0.12)


def test_probabilities_of_classes_that_are_far_apart_are_sure_but_not_infinitely():
    x, y = blobs(2)
    p = classify(classifier(x, y, 0), x)
    assert np.array_equal(p.argmax(axis=1), y)
    assert p.max(axis=1).min() > 0.95 and p.max() < 0.99  # 31 of 32, by Platt's targets


@pytest.mark.parametrize("label", [[0, 0, 0, 0], [0, 0, 0, 1]])
def test_too_few_samples_of_a_class_are_an_error(label: list[int]):
    with pytest.raises(InputError, match=r"label: expected 2 or more training samples of each class, got a class of"):
        classifier(np.eye(4), np.array(label), 0)


def test_a_collapsed_embedding_is_classified_by_the_classes_shares():
    p = classify(classifier(np.ones((30, 3)), np.arange(30) % 3 == 0, 0), np.ones((1, 3)))
    assert p[0, 1] == pytest.approx(1 / 3, abs=0.05)


def test_neighbours_agree_within_blobs_and_not_in_noise():
    embedding, which = blobs(2)
    assert neighbours(embedding, which) == 1
    assert neighbours(embedding, np.arange(60) % 2) < 0.75
    assert np.isnan(neighbours(embedding[:1], which[:1]))


def test_a_sample_is_not_its_own_neighbour_and_all_others_vote_where_they_are_few():
    embedding = np.array([[1, 0], [1, 0.1], [1, 0.3], [0, 1], [0.1, 1]])
    assert neighbours(embedding, np.array([0, 1, 1, 1, 1]), k=1) == 0.6  # of the first two each is the other's nearest
    assert neighbours(embedding, np.array([0, 0, 0, 1, 1])) == 0.6  # two of the rare class have all others against them


def drawn(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    names = np.char.add("event", (np.arange(n) % 9).astype("U"))
    return rng.normal(size=(n, 4)), {"label": np.arange(n) % 2, "event": names}


@pytest.mark.parametrize("n", [2, 40])
def test_figures_of_embeddings_are_drawn(n: int, tmp_path: Path):
    embedding, truths = drawn(n)
    by_epoch = {1: embedding, 5: embedding**2, 10: np.ones((n, 4))}
    draw_embedding([tmp_path / "pca.png"], by_epoch, truths, "all", "synthetic")
    draw_tsne([tmp_path / "tsne.png"], {1: embedding, 5: np.ones((n, 4))}, truths, "all", "synthetic")
    assert all(_has_colours(path) for path in tmp_path.iterdir()) and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("n", [2, 20])
def test_the_page_of_neighbours_reads_only_the_traces_it_draws(n: int, tmp_path: Path):
    embedding, truths = drawn(n)
    read = []

    class Waves:
        def __getitem__(self, row: int) -> np.ndarray:
            read.append(row)
            return np.random.default_rng(row).normal(size=SAMPLES)

    draw_neighbours([tmp_path / "near.png"], embedding, Waves(), truths, "all")
    assert _has_colours(tmp_path / "near.png")
    assert len(read) == (4 if n == 2 else 6 * 4)
    nearest = np.argsort(-(embedding @ embedding[read[0]]) / np.linalg.norm(embedding, axis=1))
    assert read[: min(n, 4)] == nearest[:4].tolist()


def _has_colours(path: Path) -> bool:
    from matplotlib.image import imread

    picture = imread(path)[..., :3]
    return bool((np.ptp(picture, axis=2) > 0.2).any())
