"""The prepared set: what goes in comes out, duplicates are left out, and a broken one is never there."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_toy

from geoml import registry
from geoml.errors import InputError
from geoml.prepare import pool, prepare
from geoml.store import Block, Store, StoreWriter


def block(n: int, start: int = 0, rejected: list[tuple[str, str]] | None = None) -> Block:
    number = np.arange(start, start + n)
    inputs = np.random.default_rng(start).normal(size=(n, 5)).astype(np.float32)
    names = np.char.add("t", number.astype("U"))
    columns = {"id": names, "group": (number // 2).astype("U"), "label": (number % 3).astype(np.int8)}
    return Block(inputs, columns, rejected or [])


def written(folder: Path, *blocks: Block) -> Store:
    with StoreWriter(folder) as writer:
        for one in blocks:
            writer.append(one)
        columns = writer.columns()
        columns["split"] = (np.arange(writer.n) % 3).astype(np.int8)
        writer.finish(columns, {"dataset": "small"})
    return Store(folder)


def test_what_goes_in_comes_out(tmp_path: Path):
    first, second = block(10, rejected=[("x", "flat"), ("y", "P outside: 3")]), block(7, 10, [("z", "flat")])
    store = written(tmp_path / "set", first, block(0), second)
    assert isinstance(store.inputs, np.memmap) and store.inputs.dtype == np.float32
    assert (store.inputs == np.concatenate([first.inputs, second.inputs])).all()
    assert store.samples["id"].tolist() == [f"t{i}" for i in range(17)]
    assert store.samples["label"].dtype == np.int8
    assert store.rows("val").tolist() == [1, 4, 7, 10, 13, 16]
    assert store.rejected() == [("x", "flat"), ("y", "P outside: 3"), ("z", "flat")]
    meta = store.meta
    assert (meta["samples"], meta["input_shape"], meta["input_dtype"]) == (17, [5], "float32")
    assert meta["rejected"] == {"flat": 2, "P outside": 1} and meta["split_samples"] == {
        "train": 6,
        "val": 6,
        "test": 5,
    }
    assert [len(rows) for rows in store.blocks(np.arange(17), 6)] == [6, 6, 5]
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "dataset.json",
        "inputs.npy",
        "rejected.csv",
        "samples.h5",
    ]
    assert np.load(store.folder / "inputs.npy").shape == (17, 5), "an ordinary NumPy file"


def test_duplicates_are_left_out_within_and_across_blocks(tmp_path: Path):
    first, second = block(4), block(4, 4)
    first.inputs[3] = first.inputs[1]
    second.inputs[0] = first.inputs[0]
    store = written(tmp_path / "set", first, second)
    assert store.samples["id"].tolist() == ["t0", "t1", "t2", "t5", "t6", "t7"]
    assert store.rejected() == [(name, "duplicate of an earlier sample") for name in ("t3", "t4")]


def test_the_groups_of_duplicates_are_linked(tmp_path: Path):
    first, second = block(4), block(4, 4)
    second.inputs[0] = first.inputs[3]
    second.columns["group"][0] = "Ørsted"
    with StoreWriter(tmp_path / "set") as writer:
        writer.append(first)
        writer.append(second)
        assert writer.linked(writer.columns(), "group") == [(b"1", "Ørsted".encode())]


def test_the_fingerprint_follows_content_only(tmp_path: Path):
    one, again = written(tmp_path / "a", block(9)), written(tmp_path / "b", block(4), block(5, 4))
    same = written(tmp_path / "c", block(9))
    assert one.meta == same.meta
    assert one.meta["fingerprint"] != again.meta["fingerprint"], "other samples"
    changed = block(9)
    changed.columns["label"][0] = 2
    other = written(tmp_path / "d", changed)
    assert other.meta["fingerprint"] != one.meta["fingerprint"]
    assert other.meta["split_hash"] == one.meta["split_hash"]


@pytest.mark.parametrize("kind", ["shape", "dtype"])
def test_blocks_must_be_alike(tmp_path: Path, kind: str):
    other = block(3, 5)
    other.inputs = other.inputs[:, :4] if kind == "shape" else other.inputs.astype(np.float64)
    with pytest.raises(ValueError, match="in a set of float32"):
        written(tmp_path / "set", block(5), other)
    assert list((tmp_path / "set").iterdir()) == []


def test_an_error_leaves_the_old_set_or_nothing(tmp_path: Path):
    before = written(tmp_path / "set", block(5)).meta
    with pytest.raises(RuntimeError), StoreWriter(tmp_path / "set") as writer:
        writer.append(block(8, 100))
        raise RuntimeError
    store = Store(tmp_path / "set")
    assert store.meta == before and store.inputs.shape == (5, 5)
    assert len(list((tmp_path / "set").iterdir())) == 4


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_no_half_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(InputError, match="disk space"):
        written(tmp_path / "set", block(5))
    assert list((tmp_path / "set").iterdir()) == []


def test_nothing_without_the_marker_and_a_clear_error_for_a_cut_array(tmp_path: Path):
    with pytest.raises(InputError, match=r"dataset\.json.*no such file"):
        Store(tmp_path)
    store = written(tmp_path / "set", block(50))
    path = store.folder / "inputs.npy"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match=r"inputs\.npy.*Prepare the data set again"):
        _ = store.inputs
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"inputs\.npy.*Prepare the data set again"):
        _ = store.inputs
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects"):  # nothing in a file is ever executed
        _ = store.inputs


def test_a_cut_table_is_a_clear_error(tmp_path: Path):
    store = written(tmp_path / "set", block(50))
    path = store.folder / "samples.h5"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"samples\.h5.*Prepare the data set again"):
        _ = store.samples


ENTRY = {"source": "pool"}


def test_a_pool_keeps_splits_and_says_where_samples_are_from(toy: str, tmp_path: Path):
    members = [write_toy(tmp_path / "one", rows=100), write_toy(tmp_path / "two", rows=60, seed=1)]
    meta = pool(toy, "both", ENTRY, members, tmp_path / "both")
    both, one, two = Store(tmp_path / "both"), *map(Store, members)
    assert (both.inputs == np.concatenate([one.inputs, two.inputs])).all()
    assert both.samples["split"].tolist() == [*one.samples["split"], *two.samples["split"]]
    assert set(both.samples["member"]) == {"one", "two"} and both.samples["id"][0] == "one:dot0"
    assert meta["data_source"] == "synthetic" and meta["samples"] == 160
    assert meta["labels"]["train"] == {"LEFT": 42, "RIGHT": 42}  # of 100 samples 52, of 60 samples 32


def test_a_pool_of_sets_prepared_otherwise_is_refused(toy: str, tmp_path: Path):
    members = [write_toy(tmp_path / "one"), write_toy(tmp_path / "two", seed=1, prepare={"scale": 2})]
    with pytest.raises(InputError, match="sets prepared alike, got one and two differ"):
        pool(toy, "both", ENTRY, members, tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_a_pool_with_real_and_synthetic_data_says_so(toy: str, tmp_path: Path):
    members = [write_toy(tmp_path / "one"), write_toy(tmp_path / "two", seed=1, data_source="real")]
    assert pool(toy, "both", ENTRY, members, tmp_path / "both")["data_source"] == "synthetic and real"


def test_twins_between_members_do_not_cross_the_split(toy: str, tmp_path: Path):
    """The same samples in two members: the second is left out, so none is both trained and tested on."""
    members = [write_toy(tmp_path / "one", rows=100), write_toy(tmp_path / "two", rows=100)]
    pool(toy, "both", ENTRY, members, tmp_path / "both")
    both = Store(tmp_path / "both")
    assert both.meta["samples"] == 100 and len(np.unique(both.samples["hash"])) == 100


DOTS: dict[str, Any] = {"source": "synthetic", "reader": "dots", "prepare": {"scale": 1.0}}
SPLIT = {"by": "group", "val": 0.2, "test": 0.2, "seed": 0, "duplicates": "drop"}


def dots(folder: Path, labels: np.ndarray) -> Path:
    folder.mkdir()
    numbers = np.random.default_rng(0).normal(size=(len(labels), 8))
    np.save(folder / "dots.npy", np.column_stack([np.arange(len(labels)), labels, numbers]))
    return folder


def test_preparing_writes_what_can_be_known_of_the_set(toy: str, tmp_path: Path):
    source = dots(tmp_path / "source", np.arange(60) % 2)
    meta = prepare(toy, "dots", DOTS | {"split": SPLIT}, source, tmp_path / "dots")
    assert meta == Store(tmp_path / "dots").meta == json.loads((tmp_path / "dots/dataset.json").read_text())
    assert (meta["task"], meta["dataset"], meta["data_source"]) == ("toy", "dots", "synthetic")
    assert (meta["reader"], meta["citation"], meta["split"]) == ("dots", "Nobody, 2000", SPLIT)
    assert sum(meta["split_samples"].values()) == 60 and meta["labels"]["train"]["LEFT"] > 0


def test_an_empty_class_or_an_empty_source_is_an_error_and_leaves_nothing(toy: str, tmp_path: Path):
    entry = DOTS | {"split": SPLIT}
    with pytest.raises(InputError, match="toy/dots: class RIGHT: expected samples in the training set, got none"):
        prepare(toy, "dots", entry, dots(tmp_path / "one", np.zeros(60)), tmp_path / "dots")
    with pytest.raises(InputError, match="samples: expected at least one that can be used, got none"):
        prepare(toy, "dots", entry, dots(tmp_path / "no", np.zeros(0)), tmp_path / "dots")
    assert list((tmp_path / "dots").iterdir()) == []


def test_an_official_split_keeps_duplicates_and_marks_those_in_the_training_set(toy: str, tmp_path: Path, monkeypatch):
    inputs = np.arange(88, dtype=np.float32).reshape(11, 8)
    inputs[6], inputs[8], inputs[9] = inputs[0], inputs[1], inputs[7]
    sets = np.array(["train"] * 6 + ["val"] * 2 + ["test"] * 3)
    names = np.arange(11).astype("U")
    label = np.array([0, 1] * 4 + [0, 1, 0], np.int8)
    columns = {"id": names, "group": names, "label": label, "official_split": sets}
    reader = registry.load(toy, "datasets", "dots")
    monkeypatch.setattr(reader, "read", lambda source, settings: iter([Block(inputs, columns)]))
    entry = DOTS | {"split": SPLIT | {"by": "official", "duplicates": "keep"}}
    meta = prepare(toy, "dots", entry, tmp_path, tmp_path / "kept")
    assert Store(tmp_path / "kept").samples["in_train"].tolist() == [0] * 6 + [1, 0, 1, 0, 0]
    assert meta["duplicates"] == {
        "left_out_with_another_label": 0,
        "val_in_train": 1,
        "test_in_train": 1,
        "test_in_val": 1,
        "repeated_in_train": 0,
        "groups_with_two_labels": 1,
    }
    dropped = prepare(toy, "dots", DOTS | {"split": entry["split"] | {"duplicates": "drop"}}, tmp_path, tmp_path / "d")
    assert dropped["samples"] == 8 and dropped["duplicates"]["left_out_with_another_label"] == 1
