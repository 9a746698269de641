"""The search space: what is refused, what candidates look like, how they are distributed."""

import json
import subprocess
import sys
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.search import job_id
from geoml.tasks.patchnet import topology
from geoml.tasks.patchnet.space import DEFAULT, check, draw, units

DRAWS = 10_000


@pytest.fixture(scope="module")
def drawn() -> list[dict[str, Any]]:
    return [draw(DEFAULT, 0, index) for index in range(DRAWS)]


def test_candidates_are_documents_of_the_family(drawn: list[dict[str, Any]]):
    for document in drawn:
        topology.check(document, "candidate")
        assert all(sum(block["u"]) == block["w"] and min(block["u"]) >= 2 for block in document["blocks"])


def test_candidates_stay_in_the_published_ranges_and_reach_their_ends(drawn: list[dict[str, Any]]):
    blocks = [block for document in drawn for block in document["blocks"]]
    for key, values in {
        "n0": [document["n0"] for document in drawn],
        "n2": [document["n2"] for document in drawn],
        "w": [block["w"] for block in blocks],
        "r": [block[key] for block in blocks for key in ("r1", "r2")],
        "kM": [block["kM"] for block in blocks],
    }.items():
        assert [min(values), max(values)] == DEFAULT[key]
        assert np.mean(values) == pytest.approx(np.mean(DEFAULT[key]), rel=0.02)


@pytest.mark.parametrize("key", ["k", "p"])
def test_all_pairs_are_as_likely(drawn: list[dict[str, Any]], key: str):
    found = Counter((document["blocks"][1][f"{key}1"], document["blocks"][1][f"{key}2"]) for document in drawn)
    pairs = list(combinations(DEFAULT[key], 2))
    assert set(found) == set(pairs)
    assert all(0.85 < found[pair] * len(pairs) / DRAWS < 1.15 for pair in pairs)


def test_half_of_the_candidates_share_their_kernels(drawn: list[dict[str, Any]]):
    alike = [
        len({tuple(block[key] for key in ("kM", "k1", "k2", "p1", "p2")) for block in document["blocks"]}) == 1
        for document in drawn
    ]
    own = [document["random_type"] for document in drawn]
    assert 0.48 < np.mean(own) < 0.52
    assert all(same for same, flag in zip(alike, own, strict=True) if not flag)
    assert np.mean([same for same, flag in zip(alike, own, strict=True) if flag]) < 0.01


def test_units_share_the_width_as_dirichlet_numbers_do(drawn: list[dict[str, Any]]):
    shares = np.array([np.array(block["u"]) / block["w"] for document in drawn for block in document["blocks"]])
    assert shares.mean(axis=0) == pytest.approx(0.2, abs=0.005)
    assert shares.std(axis=0) == pytest.approx(np.sqrt(4 / 25 / 6), abs=0.005)


def test_sizes_are_distributed_as_the_method_card_measured(drawn: list[dict[str, Any]]):
    millions = [topology.parameters(document) / 1e6 for document in drawn[:1000]]
    assert np.percentile(millions, [5, 25, 50, 75, 95]) == pytest.approx([0.87, 1.31, 1.62, 2.04, 2.76], rel=0.08)


def test_a_candidate_is_made_again_from_seed_and_number(drawn: list[dict[str, Any]]):
    assert draw(json.loads(json.dumps(DEFAULT)), 0, 777) == drawn[777]
    assert json.loads(json.dumps(drawn[777])) == drawn[777]
    assert len({job_id(document, 0) for document in drawn}) == DRAWS
    assert draw(DEFAULT, 1, 777) != drawn[777]


def test_a_wider_range_leaves_the_other_numbers_as_they_are(drawn: list[dict[str, Any]]):
    assert draw(DEFAULT | {"n0": [8, 16]}, 0, 5) == drawn[5] | {"n0": draw(DEFAULT | {"n0": [8, 16]}, 0, 5)["n0"]}


@pytest.mark.parametrize(
    ("w", "shares", "expected"),
    [
        (100, [0.1, 0.2, 0.3, 0.15, 0.25], [10, 20, 30, 15, 25]),
        (130, [3, 1, 1, 1, 3], [43, 16, 14, 14, 43]),  # 43.3 and 14.4: the first of the smallest gets what is missing
        (128, [1, 1, 1, 1, 1], [24, 26, 26, 26, 26]),  # 25.6: the first of the largest loses what is too much
        (128, [0, 0, 1, 1, 1], [2, 2, 42, 41, 41]),  # 0, 0, 42, 43, 43, and what is below 2 takes from the largest
        (10, [0, 0, 0, 0, 1], [2, 2, 2, 2, 2]),
        (10, [3, 3, 2, 2, 0], [2, 2, 2, 2, 2]),
    ],
)
def test_units_are_rounded_and_set_right_as_published(w: int, shares: list[float], expected: list[int]):
    assert units(w, shares) == expected


@pytest.mark.parametrize("w", [10, 11, 12, 17])
def test_the_narrowest_blocks_still_have_two_channels_a_unit(w: int):
    rng = np.random.default_rng(w)
    for shares in rng.exponential(size=(500, 5)):
        u = units(w, shares.tolist())
        assert sum(u) == w and min(u) >= 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": [1, 2]}, "depth: expected one of n0, n2, w, r, kM, k, p, random_type, got an unknown key"),
        ({"n0": [64, 32]}, r"n0: expected \[smallest, largest\], whole numbers of at least 1, got \[64, 32\]"),
        ({"n2": []}, r"n2: expected \[smallest, largest\]"),
        ({"n2": [0, 4]}, r"n2: expected \[smallest, largest\], whole numbers of at least 1"),
        ({"r": [16, 383, 400]}, r"r: expected \[smallest, largest\]"),
        ({"r": [1.5, 2]}, r"r: expected \[smallest, largest\]"),
        ({"kM": 2}, r"kM: expected \[smallest, largest\]"),
        ({"w": [9, 20]}, r"w: expected \[smallest, largest\], whole numbers of at least 10, got \[9, 20\]"),
        ({"k": [3]}, r"k: expected two or more different whole numbers of at least 1, got \[3\]"),
        ({"p": [2, 2]}, r"p: expected two or more different whole numbers of at least 1, got \[2, 2\]"),
        ({"p": [0, 2]}, "p: expected two or more different whole numbers"),
        ({"random_type": 1.1}, r"random_type: expected a probability, 0 to 1, got 1\.1"),
        ({"random_type": True}, "random_type: expected a probability, 0 to 1, got True"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_by_key(change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=f"^config.yaml: {message}"):
        check(DEFAULT | change, "config.yaml")


def test_a_missing_key_is_refused():
    with pytest.raises(InputError, match="kM: expected a value, got nothing"):
        check({key: value for key, value in DEFAULT.items() if key != "kM"}, "config.yaml")


def test_the_published_space_and_single_values_pass():
    check(DEFAULT, "config.yaml")
    single = {"n0": [8, 8], "n2": [8, 8], "w": [10, 10], "r": [4, 4], "kM": [2, 2], "k": [2, 3], "p": [3, 2]}
    check(single | {"random_type": 1}, "config.yaml")
    assert draw(single | {"random_type": 1}, 0, 0)["blocks"] == draw(single | {"random_type": 1}, 9, 9)["blocks"]


def test_importing_the_space_loads_nothing_heavy():
    code = "import sys, geoml.tasks.patchnet.space as s; sys.exit(bool({'numpy', 'keras', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
