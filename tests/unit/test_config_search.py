"""What is wrong with a search is said before anything runs, with the place in the configuration."""

import copy
from typing import Any

import pytest

from geoml.config import resolve
from geoml.errors import InputError
from geoml.manual import check

SEARCH = "tasks.patchnet.searches.wide"


def config(search: dict[str, Any] | None = None, variant: dict[str, Any] | None = None) -> dict[str, Any]:
    """A configuration with one search and a variant that takes its best."""
    return {
        "tasks": {
            "patchnet": {
                "fit": {"learning_rate": 0.01},
                "datasets": {"patches": {"source": "synthetic", "rows": 100}},
                "searches": {"wide": {"dataset": "patches", "candidates": 9} | (search or {})},
                "variants": {"best": {"model": "searched", "best_of": "wide"} | (variant or {})},
            }
        }
    }


def refused(content: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        resolve(content)
    return str(error.value)


def test_a_search_is_completed_with_the_published_space_and_the_settings_of_its_task():
    content = config({"space": {"n0": [4, 8]}, "fit": {"batch_size": 8}})
    before = copy.deepcopy(content)
    found = resolve(content)["tasks"]["patchnet"]["searches"]["wide"]
    assert content == before
    assert found["space"]["n0"] == [4, 8] and found["space"]["k"] == [3, 4, 5, 6, 7]
    assert (found["fit"]["batch_size"], found["fit"]["learning_rate"], found["fit"]["clip_value"]) == (8, 0.01, 10)
    assert (found["rungs"], found["batch"], found["share"], found["patience"]) == ([60], 100, 0.5, 3)
    assert (found["model"], found["args"], found["augment"]) == ("searched", {}, {"mirror": False})


@pytest.mark.parametrize(
    ("search", "place", "says"),
    [
        ({"space": {"n1": [4, 8]}}, f"{SEARCH}.space: n1", "an unknown key"),
        ({"space": {"n0": [9, 8]}}, f"{SEARCH}.space: n0", "[9, 8]"),
        ({"space": {"n0": []}}, f"{SEARCH}.space: n0", "[]"),
        ({"space": {"k": [3]}}, f"{SEARCH}.space: k", "[3]"),
        ({"space": {"random_type": 2}}, f"{SEARCH}.space: random_type", "2"),
        ({"rungs": [4, 2]}, f"{SEARCH}: rungs", "rising"),
        ({"rungs": [2, 2]}, "wide.rungs", "unique"),
        ({"rungs": []}, "wide.rungs", "[]"),
        ({"dataset": "patchs"}, f"{SEARCH}: dataset", "Did you mean 'patches'?"),
        ({"model": "v1_search"}, f"{SEARCH}: model", "searched"),
        ({"args": {"pading": "valid"}}, f"{SEARCH}: args.pading", "Did you mean 'padding'?"),
        ({"limits": {"parameter": 5}}, "wide.limits", "parameter"),
        ({"candidates": 0}, "wide.candidates", "0"),
        ({"batch": 0}, "wide.batch", "0"),
        ({"share": 0}, "wide.share", "0"),
        ({"fit": {"epoch": 3}}, "wide.fit", "epoch"),
        ({"tolerances": 0.1}, "wide", "tolerances"),
    ],
)
def test_a_search_that_cannot_be_is_refused_and_its_place_named(search: dict[str, Any], place: str, says: str):
    content = config(search)
    content["tasks"]["patchnet"]["variants"] = {"plain": {"model": "v1_valid"}}
    message = refused(content)
    assert place in message and says in message


@pytest.mark.parametrize(
    ("variant", "place", "says"),
    [
        ({"best_of": "wild"}, "variants.best: best_of", "Did you mean 'wide'?"),
        ({"model": "v1_valid"}, "variants.best: model", "searched, which the search wide trained"),
    ],
)
def test_a_variant_names_a_search_and_its_model(variant: dict[str, Any], place: str, says: str):
    message = refused(config(variant=variant))
    assert place in message and says in message


def test_a_task_without_a_space_has_no_searches():
    task = {
        "datasets": {"ins": {"source": "synthetic", "rows": 50}},
        "searches": {"wide": {"dataset": "ins", "candidates": 9}},
        "variants": {"ross": {"model": "cnn_ross"}},
    }
    message = refused({"tasks": {"polarity": task}})
    assert "tasks.polarity" in message and "a task with a search space, got 'polarity'" in message


def test_a_check_of_a_configuration_says_how_many_jobs_a_search_is():
    found = resolve(config({"candidates": 2187, "rungs": [2, 6, 18, 60]}))
    assert "  search wide: 2187 candidates on patches, 34 jobs" in check(found)
