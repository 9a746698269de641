"""The patch task as the generic rooms see it: scale, batches, answers, splits of synthetic and of a user's patches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import config
from geoml.errors import InputError
from geoml.evaluate import predict
from geoml.models import Model
from geoml.prepare import prepare
from geoml.store import SPLITS, Store
from geoml.tasks.patchnet import task
from geoml.tasks.patchnet.patches import network_input, scale_of
from geoml.tasks.patchnet.synthetic import generate

STILL = {"mirror": False}
MIRRORED = {"mirror": True}


class Fake(Model):
    """A network that answers with a number of each patch."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray], **meta: Any) -> None:
        super().__init__(None, meta)
        self.answer = answer
        self.asked: list[np.ndarray] = []

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        assert x.shape[1:] == (112, 112, 1) and x.dtype == np.float32
        self.asked.append(x)
        p = self.answer(x[..., 0])
        return {"bsr": np.stack([1 - p, p], axis=1).astype(np.float32)}


def entry(source: Path, by: str = "official", **more: Any) -> dict[str, Any]:
    """One resolved data set on the files of a folder."""
    given = {"source": "path", "path": str(source), "reader": "patches", "split": {"by": by}, **more}
    patchnet = {"datasets": {"here": given}, "variants": {"v1": {"model": "v1_search"}}, "seeds": [0]}
    return config.resolve({"title": "t", "tasks": {"patchnet": patchnet}})["tasks"]["patchnet"]["datasets"]["here"]


def synthetic_entry(line: list[int]) -> dict[str, Any]:
    """One resolved synthetic data set with a line of this size."""
    patchnet = {"datasets": {"patches": {"source": "synthetic", "rows": 60, "generate": {"line": line}}}}
    patchnet |= {"variants": {"v1": {"model": "v1_search"}}, "seeds": [0]}
    return config.resolve({"title": "t", "tasks": {"patchnet": patchnet}})["tasks"]["patchnet"]["datasets"]["patches"]


def made(source: Path, folder: Path, by: str = "official", **more: Any) -> Store:
    prepare("patchnet", "here", entry(source, by, **more), source, folder)
    return Store(folder)


def write_pair(folder: Path, name: str, values: np.ndarray, rows: list[str], header: str = "label") -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{name}.npy", values)
    (folder / f"{name}.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 48, 48)).astype(np.float32)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """60 synthetic patches, prepared as they are set apart."""
    source = tmp_path_factory.mktemp("source")
    generate(source, 60, 0, "patches")
    return made(source, tmp_path_factory.mktemp("data") / "here")


def test_synthetic_patches_keep_their_sets_and_the_audit_counts_their_kinds(synthetic: Store):
    split = synthetic.samples["split"]
    assert [int((split == place).sum()) for place in range(3)] == [42, 9, 9]
    official = synthetic.samples["official_split"].astype("U")
    assert [SPLITS[place] for place in split] == official.tolist()
    kinds = synthetic.samples["kind"].astype("U").tolist()
    bsr = float((synthetic.samples["label"] == 1).mean())
    assert synthetic.meta["audit"] == {
        "share with a BSR": pytest.approx(bsr, abs=1e-4),
        **{f"{kind} patches": kinds.count(kind) for kind in sorted(set(kinds))},
    }
    assert kinds.count("bsr") == round(bsr * 60) == 31


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_the_scale_is_that_of_the_training_patches_only(tmp_path: Path, held_out: str):
    values, sets = noise(30), np.repeat([["train", "val", "test"]], 10, axis=0).ravel()
    values[sets == held_out] *= 1e4
    write_pair(tmp_path / "source", "a", values, [f"{i // 3 % 2},{name}" for i, name in enumerate(sets)], "label,set")
    store = made(tmp_path / "source", tmp_path / "data")
    assert tuple(store.meta["measured"]["scale"]) == scale_of(values[sets == "train"])
    assert store.meta["measured"]["scale"][1] < 5
    assert task.calibrate(None, store) == {"scale": store.meta["measured"]["scale"]}


def test_many_patches_are_measured_by_an_even_sample(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task, "_MEASURED", 4)
    values, train = noise(12), np.array([0, 2, 3, 5, 6, 8, 9, 11, 1])
    assert task.measure(values, train) == {"scale": list(scale_of(values[[0, 5, 9]]))}


def test_a_batch_has_the_rows_of_the_file_in_order_with_one_hot_labels(synthetic: Store):
    x, y = task.batch(synthetic, np.array([10, 2, 17, 3, 2]), ["bsr"], np.random.default_rng(0), STILL)
    order = [2, 2, 3, 10, 17]
    assert (x.shape, x.dtype, y.dtype) == ((5, 112, 112, 1), np.float32, np.float32)
    assert np.array_equal(x, network_input(synthetic.inputs[order], synthetic.meta["measured"]["scale"]))
    assert np.array_equal(y, np.eye(2)[[1, 1, 0, 0, 1]])
    assert synthetic.samples["label"][order].tolist() == [1, 1, 0, 0, 1]
    assert x.min() >= -1 and x.max() <= 1 and np.abs(x).max() > 0.5


def test_about_half_of_a_batch_is_mirrored_and_what_is_stored_is_not(synthetic: Store):
    rows = synthetic.rows("train")
    before = np.array(synthetic.inputs)
    still, labels = task.batch(synthetic, rows, ["bsr"], np.random.default_rng(0), STILL)
    x, y = task.batch(synthetic, rows, ["bsr"], np.random.default_rng(0), MIRRORED)
    same = np.array([np.array_equal(a, b) for a, b in zip(x, still, strict=True)])
    turned = np.array([np.allclose(a, b[:, ::-1], atol=1e-6) for a, b in zip(x, still, strict=True)])
    assert (same ^ turned).all() and 0.25 < turned.mean() < 0.75
    assert np.array_equal(y, labels) and np.array_equal(synthetic.inputs, before)


def test_validation_patches_are_not_changed(synthetic: Store):
    rows = synthetic.rows("val")
    x, targets = task.validation(synthetic, ["bsr"])
    assert np.array_equal(x, network_input(synthetic.inputs[rows], synthetic.meta["measured"]["scale"]))
    assert list(targets) == ["bsr"]
    assert np.array_equal(targets["bsr"], np.eye(2)[synthetic.samples["label"][rows]])


@pytest.mark.parametrize("n", [0, 1, 7, 8])
def test_answers_in_pieces_are_those_at_once(monkeypatch: pytest.MonkeyPatch, n: int):
    patches = noise(n)
    network = Fake(lambda x: 0.5 + x.mean(axis=(1, 2)), scale=[0.0, 2.0])
    at_once = task.outputs(network, patches)
    monkeypatch.setattr(task, "_PIECE", 4)
    network.asked = []
    assert np.array_equal(task.outputs(network, patches), at_once) and at_once.shape == (n, 2)
    assert max(map(len, network.asked)) <= 4


def test_patches_of_another_set_are_scaled_as_the_models_own(synthetic: Store, tmp_path: Path):
    """A set with ten times the amplitudes is not brought to the model's range: the user would not know either."""
    write_pair(tmp_path / "source", "a", 10 * noise(6), [f"{i % 2},{SPLITS[i // 2]}" for i in range(6)], "label,set")
    other = made(tmp_path / "source", tmp_path / "data")
    network = Fake(lambda x: np.abs(x).mean(axis=(1, 2)), scale=synthetic.meta["measured"]["scale"])
    for store in (synthetic, other):
        found = predict(network, task, store, "test")
        x = network_input(store.inputs[store.rows("test")], synthetic.meta["measured"]["scale"])
        assert np.allclose(found.output[:, 1], np.abs(x[..., 0]).mean(axis=(1, 2)), atol=1e-6)
    assert other.meta["measured"]["scale"][1] > 10 * synthetic.meta["measured"]["scale"][1]


def test_a_users_patches_without_sets_are_split_by_line(tmp_path: Path):
    rng = np.random.default_rng(1)
    rows = [f"{rng.integers(2)},line {rng.integers(12)}" for _ in range(80)]
    write_pair(tmp_path / "source", "mine", noise(80), rows, "label,group")
    store = made(tmp_path / "source", tmp_path / "data", "group")
    split, line = store.samples["split"], store.samples["group"]
    assert len(line) == 80 and set(split.tolist()) == {0, 1, 2}
    of = [set(line[split == place].tolist()) for place in range(3)]
    assert sum(map(len, of)) == len(set(line.tolist())) == 12
    assert store.meta["audit"]["unknown patches"] == 80


def test_a_users_patches_without_sets_have_no_official_split(tmp_path: Path):
    write_pair(tmp_path / "source", "mine", noise(6), ["0", "1"] * 3)
    with pytest.raises(InputError, match="official"):
        made(tmp_path / "source", tmp_path / "data")


def test_what_is_wrong_with_the_files_reaches_who_prepares_them(tmp_path: Path):
    write_pair(tmp_path / "source", "mine", noise(3), ["0", "gas", "1"])
    with pytest.raises(InputError, match=r"mine\.csv: label, line 3: expected 0, 1, no_bsr, bsr, got 'gas'"):
        made(tmp_path / "source", tmp_path / "data", "group")
    write_pair(tmp_path / "source", "mine", np.zeros((3, 48, 48), np.float32), ["0", "1", "1"])
    with pytest.raises(InputError, match=r"samples: .*none \(dead: one value everywhere\)"):
        made(tmp_path / "source", tmp_path / "data", "group")


def test_only_patches_of_48_samples_and_traces_are_taken():
    assert task.input_shape({"dataset": "here", "input_shape": [48, 48]}) == (112, 112, 1)
    with pytest.raises(InputError, match=r"here: input_shape: expected patches of 48 x 48, got \[64, 64\]"):
        task.input_shape({"dataset": "here", "input_shape": [64, 64]})


def test_validation_accuracy_is_the_share_of_right_answers():
    y = np.eye(2)[[0, 0, 1, 1]]
    said = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    assert task.monitor({"bsr": y}, {"bsr": said}) == {"accuracy": 0.75}


def test_a_line_too_short_for_a_bsr_is_refused_before_anything_is_trained(tmp_path: Path):
    with pytest.raises(InputError, match=r"generate\.line\.1: expected at least 240, got 239"):
        synthetic_entry([200, 239])
    assert synthetic_entry([48, 240])["generate"]["line"] == [48, 240]
