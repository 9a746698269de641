"""The reader of patches: what it gives, what it leaves out, what it refuses."""

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.patchnet.datasets.patches import read
from geoml.tasks.patchnet.synthetic import generate


def patches(n, dtype=np.float32):
    return np.random.default_rng(n).normal(size=(n, 48, 48)).astype(dtype)


def pair(folder, name, values, table):
    np.save(folder / f"{name}.npy", values)
    (folder / f"{name}.csv").write_text(table, encoding="utf-8")


def test_a_users_pairs_are_read(tmp_path):
    a, b = patches(3), patches(2)
    rows = ["id,group,set,kind,label", "p1,line 7,train,cube,1", "p2,line 7,,cube,bsr", "p3,line 9,test,,no_bsr"]
    pair(tmp_path, "a", a, "\n".join(rows))
    pair(tmp_path, "b", b, "label,depth\n0,1.5\n1,2.5\n")
    first, second = read(tmp_path, {})
    np.testing.assert_array_equal(first.inputs, a)
    np.testing.assert_array_equal(second.inputs, b)
    assert first.columns["id"].tolist() == ["p1", "p2", "p3"]
    assert first.columns["group"].tolist() == ["line 7", "line 7", "line 9"]
    assert first.columns["official_split"].tolist() == ["train", "", "test"]
    assert first.columns["kind"].tolist() == ["cube", "cube", ""]
    assert first.columns["label"].tolist() == [1, 1, 0]
    assert second.columns["id"].tolist() == second.columns["group"].tolist() == ["b:0", "b:1"]
    assert second.columns["official_split"].tolist() == second.columns["kind"].tolist() == ["", ""]
    assert second.columns["label"].dtype == np.int8
    assert list(first.columns) == list(second.columns)


def test_synthetic_sets_are_read_back(tmp_path):
    generate(tmp_path, 40, 0, "patches")
    blocks = {block.columns["official_split"][0]: block for block in read(tmp_path, {})}
    assert set(blocks) == {"train", "val", "test"}
    for name, block in blocks.items():
        np.testing.assert_array_equal(block.inputs, np.load(tmp_path / f"{name}.npy"))
        assert block.columns["label"].tolist() == [kind == "bsr" for kind in block.columns["kind"].tolist()]
        assert block.columns["id"][1] == f"{name}:1"
        assert not block.rejected


def test_a_large_file_comes_in_blocks(tmp_path):
    n = 4096 + 5
    values = np.zeros((n, 48, 48), np.float16)
    values[:, 0, 0] = 1
    pair(tmp_path, "a", values, "label\n" + "0\n" * n)
    blocks = list(read(tmp_path, {}))
    assert [len(block.inputs) for block in blocks] == [4096, 5]
    assert blocks[1].columns["id"][0] == "a:4096"


def test_numbers_of_the_other_byte_order_are_turned(tmp_path):
    values = patches(2)
    pair(tmp_path, "a", values.astype(">f4"), "label\n0\n1\n")
    (block,) = read(tmp_path, {})
    np.testing.assert_array_equal(block.inputs, values)
    assert block.inputs.dtype.isnative


def test_dead_and_not_finite_patches_are_left_out(tmp_path):
    values = patches(4)
    values[0] = 3
    values[2, 5, 5] = np.nan
    values[3, 5, 5] = -np.inf
    pair(tmp_path, "a", values, "label,id\n0,w\n1,x\n0,y\n0,z\n")
    (block,) = read(tmp_path, {})
    assert block.columns["id"].tolist() == ["x"]
    np.testing.assert_array_equal(block.inputs, values[1:2])
    reason = "amplitudes that are not finite"
    assert block.rejected == [("w", "dead: one value everywhere"), ("y", reason), ("z", reason)]


@pytest.mark.parametrize(
    ("values", "table", "said"),
    [
        (patches(2), "label\n0\n", r"a.csv: rows: expected 2.* got 1"),
        (patches(2), "label\n0\n2\n", r"a.csv: label, line 3: expected 0, 1, no_bsr, bsr, got '2'"),
        (patches(2), "label\n0\n\n", r"a.csv: rows"),
        (patches(2), "label,set\n0,train\n1,trian\n", r"a.csv: set, line 3: .*train, val, test, got 'trian'"),
        (patches(2), "name\n0\n1\n", r"a.csv: columns: expected 'label'"),
        (patches(2)[:, :40], "label\n0\n1\n", r"a.npy: shape: .*\(2, 40, 48\)"),
        (patches(2)[..., None], "label\n0\n1\n", r"a.npy: shape"),
        (patches(2)[:0], "label\n", r"a.npy: shape: .*at least one"),
        (patches(2).astype(int), "label\n0\n1\n", r"a.npy: type: expected float16 or float32, got int64"),
        (patches(2).astype(complex), "label\n0\n1\n", r"a.npy: type: .*complex128"),
        (patches(2).astype(object), "label\n0\n1\n", r"a.npy: content: .*not pickled"),
    ],
)
def test_a_bad_pair_is_refused(tmp_path, values, table, said):
    pair(tmp_path, "a", values, table)
    with pytest.raises(InputError, match=said):
        list(read(tmp_path, {}))


def test_a_truncated_array_is_refused(tmp_path):
    pair(tmp_path, "a", patches(2), "label\n0\n1\n")
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-100])
    with pytest.raises(InputError, match=r"a.npy: content: expected a complete array"):
        list(read(tmp_path, {}))


@pytest.mark.parametrize(("lost", "said"), [("b.npy", "b.csv: patches: .*b.npy"), ("b.csv", "b.npy: table: .*b.csv")])
def test_half_a_pair_is_refused(tmp_path, lost, said):
    for name in "ab":
        pair(tmp_path, name, patches(2), "label\n0\n1\n")
    (tmp_path / lost).unlink()
    with pytest.raises(InputError, match=said):
        list(read(tmp_path, {}))


def test_files_of_different_types_are_refused(tmp_path):
    pair(tmp_path, "a", patches(1), "label\n0\n")
    pair(tmp_path, "b", patches(1, np.float16), "label\n1\n")
    with pytest.raises(InputError, match=r"types: expected one type .* float16, float32"):
        list(read(tmp_path, {}))


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(InputError, match="an empty folder"):
        list(read(tmp_path, {}))
