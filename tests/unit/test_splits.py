"""Splits by group: never divided, the same for any order, and an error rather than an empty set."""

from typing import Any

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.splits import TEST, TRAIN, UNUSED, VAL, assign, check

RULE: dict[str, Any] = {"by": "group", "val": 0.1, "test": 0.2, "seed": 0, "where": "toy/dots"}


def table(groups: int = 300, each: int = 3) -> dict[str, np.ndarray]:
    """Samples of ``each`` a group, five stations, times that go with the group's number."""
    n = groups * each
    group = np.repeat(np.arange(groups), each)
    return {
        "group": np.char.add("event", group.astype("U")),
        "station": np.char.add("ST.", (np.arange(n) % 50).astype("U")),
        "time": group.astype(float),
    }


def divided(names: np.ndarray, split: np.ndarray) -> bool:
    return any(len(np.unique(split[names == name])) > 1 for name in np.unique(names))


def test_groups_stay_together_in_about_the_asked_shares():
    columns = table()
    split = assign(columns, **RULE)
    assert split.dtype == np.int8 and not divided(columns["group"], split)
    shares = np.bincount(split) / len(split)
    assert np.allclose(shares, [0.7, 0.1, 0.2], atol=0.06)


def test_the_split_does_not_depend_on_the_order_or_on_other_groups():
    columns = table()
    split = assign(columns, **RULE)
    order = np.random.default_rng(0).permutation(len(split))
    assert (assign({name: values[order] for name, values in columns.items()}, **RULE) == split[order]).all()
    half = slice(0, len(split) // 2)
    assert (assign({name: values[half] for name, values in columns.items()}, **RULE) == split[half]).all()


def test_another_seed_gives_another_split():
    assert (assign(table(), **RULE) != assign(table(), **RULE | {"seed": 1})).any()


def test_groups_that_share_an_input_go_together():
    columns = table()
    alone = assign(columns, **RULE)
    first, second = (int(np.flatnonzero(alone == code)[0]) for code in (TRAIN, TEST))
    pairs = [(columns["group"][first], columns["group"][second]), ("event0", "an event of which nothing is left")]
    split = assign(columns, **RULE, linked={"group": pairs})
    assert split[first] == split[second] and not divided(columns["group"], split)
    as_bytes = {name: values.astype("S") if values.dtype.kind == "U" else values for name, values in columns.items()}
    encoded = [(a.encode(), b.encode()) for a, b in pairs]
    assert (assign(as_bytes, **RULE, linked={"group": encoded}) == split).all()


def test_by_station():
    columns = table()
    split = assign(columns, **RULE | {"by": "station"})
    assert not divided(columns["station"], split) and divided(columns["group"], split)


def test_by_time_the_newest_groups_are_the_test_set():
    columns = table()
    columns["time"] += np.tile([0.0, 0.4, 0.2], 300)
    split = assign(columns, **RULE | {"by": "time"})
    assert not divided(columns["group"], split)
    train, val, test = (columns["time"][split == code] for code in (TRAIN, VAL, TEST))
    assert train.max() < val.min() and val.max() < test.min()
    assert np.allclose(np.bincount(split) / len(split), [0.7, 0.1, 0.2], atol=0.01)
    columns["time"][5] = np.nan
    with pytest.raises(InputError, match="a time for every sample, got 1 without one"):
        assign(columns, **RULE | {"by": "time"})


def test_an_official_test_set_is_kept():
    columns = table()
    official = np.repeat(np.arange(300) % 5 == 0, 3)
    columns["official_split"] = np.where(official, "test", "train")
    split = assign(columns, **RULE)
    assert ((split == TEST) == official).all()
    assert 0.05 < (split[~official] == VAL).mean() < 0.16
    columns["official_split"][1] = "train"
    with pytest.raises(InputError, match=r"no value in both .* got 1 in both, such as 'event0'"):
        assign(columns, **RULE)


def test_a_column_that_is_not_there_is_named():
    columns = table()
    del columns["station"]
    with pytest.raises(InputError, match=r"split\.by: expected a column of the table: group, time, got 'station'"):
        assign(columns, **RULE | {"by": "station"})


def test_an_empty_set_is_an_error():
    with pytest.raises(
        InputError, match=r"samples in the .* set, got none \(different values of group: 1\).*another split\.seed"
    ):
        assign(table(groups=1), **RULE)


def test_check_finds_a_divided_group():
    with pytest.raises(InputError, match="'b' in two"):
        check(np.array(["a", "b", "b", "c"]), np.array([0, 1, 2, 2]), "toy")


def test_the_folds_of_a_set_test_every_group_once_and_share_out_every_class():
    columns = table() | {"label": np.repeat(np.arange(300) % 3, 3)}
    found = [assign(columns, **RULE, fold=(k, 5)) for k in range(5)]
    tested = np.stack([split == TEST for split in found])
    assert (tested.sum(axis=0) == 1).all()
    for split in found:
        assert not divided(columns["group"], split)
        for label in range(3):
            shares = np.bincount(split[columns["label"] == label], minlength=3) / 300
            assert np.allclose(shares, [0.7, 0.1, 0.2], atol=0.03)


def test_the_official_split_is_taken_as_it_is_and_must_be_whole():
    columns = table(4, 1) | {"id": np.arange(4), "official_split": np.array(["train", "val", "test", "test"])}
    rule = RULE | {"by": "official"}
    assert assign(columns, **rule).tolist() == [TRAIN, VAL, TEST, TEST]
    with pytest.raises(InputError, match="put into val"):
        assign(columns | {"official_split": np.array(["train", "test", "test", "test"])}, **rule)
    with pytest.raises(InputError, match="1 without"):
        assign(columns | {"official_split": np.array(["train", "val", "test", "?"])}, **rule)


def crossed(events: int = 40, stations: int = 10) -> dict[str, np.ndarray]:
    event, station = np.divmod(np.arange(events * stations), stations)
    return {"group": np.char.add("event", event.astype("U")), "station": np.char.add("ST", station.astype("U"))}


def test_with_two_columns_the_test_set_is_new_in_both_and_the_rest_is_not_used():
    columns = crossed()
    split = assign(columns, **RULE | {"by": ["group", "station"], "seed": 4})
    for key in ("group", "station"):
        tested = np.unique(columns[key][split == TEST])
        assert not np.isin(tested, columns[key][(split == TRAIN) | (split == VAL)]).any()
    assert not np.intersect1d(columns["group"][split == TRAIN], columns["group"][split == VAL]).size
    alone = assign(columns, **RULE | {"seed": 4})
    assert (alone[split == VAL] == VAL).all() and (alone[split == TEST] == TEST).all()
    assert set(np.unique(split)) == {UNUSED, TRAIN, VAL, TEST}


def test_folds_over_two_columns_test_every_event_once_at_stations_that_training_has_not_seen():
    columns = crossed()
    folds = [assign(columns, **RULE | {"by": ["group", "station"]}, fold=(k, 5)) for k in range(5)]
    tested = np.stack([split == TEST for split in folds])
    assert tested.sum(axis=0).max() == 1 and len(np.unique(columns["group"][tested.any(axis=0)])) == 40
    for split in folds:
        train = split == TRAIN
        assert not np.isin(columns["station"][split == TEST], columns["station"][train]).any()


@pytest.mark.parametrize("k", range(5))
def test_fewer_stations_than_folds_is_an_error_of_every_fold(k: int):
    with pytest.raises(InputError, match=r"dots: folds: expected at most 3, the different values of station, got 5"):
        assign(crossed(stations=3), **RULE | {"by": ["group", "station"]}, fold=(k, 5))


def test_a_set_of_two_columns_that_stays_empty_is_an_error_with_the_count_of_both():
    with pytest.raises(InputError, match=r"in the test set.*none \(different values of group: 40, station: 1\)"):
        assign(crossed(stations=1), **RULE | {"by": ["group", "station"]})


def test_an_official_test_set_must_keep_its_stations_to_itself():
    columns = crossed()
    columns["official_split"] = np.where(np.isin(columns["group"], ["event0", "event1"]), "test", "")
    with pytest.raises(InputError, match="ST0"):
        assign(columns, **RULE | {"by": ["group", "station"]})


def test_unused_samples_may_be_of_any_group():
    groups = np.array(["a", "a", "b", "c", "c"])
    check(groups, np.array([TRAIN, UNUSED, VAL, TEST, UNUSED]), "toy")
    with pytest.raises(InputError, match="'a' in two"):
        check(groups, np.array([TRAIN, VAL, VAL, TEST, UNUSED]), "toy")
