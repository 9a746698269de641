"""Training: what a batch holds, what a run leaves, and that a killed one ends as if nothing had happened."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import TOY, fit_settings, scalars_in, write_toy

from geoml import backend, checkpoint, models, registry, timing
from geoml import train as training
from geoml.errors import InputError
from geoml.provenance import cpu_name
from geoml.store import Store

FIT = fit_settings(epochs=6, batch_size=16, learning_rate=0.01, patience=0)
RUN = {"task": "toy", "dataset": "dots", "variant": "curved", "seed": 0}


def variant(model: str = "bent", **fit: Any) -> dict[str, Any]:
    return {"model": model, "args": {}, "fit": FIT | fit, "augment": {"noise": 0.1}}


def run(folder: Path, data: Path, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Train in this process; files go to ``folder``."""
    names = ("model.keras", "history.csv", "training.json", "checkpoint.npz")
    return training.train(RUN | more.pop("run", {}), settings, data, *(folder / name for name in names), **more)


def history(folder: Path) -> dict[str, list[float]]:
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def weights(folder: Path) -> np.ndarray:
    return np.concatenate([w.ravel() for w in models.load(folder / "model.keras").network.get_weights()])


@pytest.fixture
def data(keras_on_cpu: Any, toy_store: Path) -> Path:
    return toy_store


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Make the next training stop right after the checkpoint of an epoch."""
    keep = checkpoint.keep

    def stop(path: Path, key: str, network: Any, state: dict[str, Any], best: Any) -> None:
        keep(path, key, network, state, best)
        if len(state["history"]) == epoch:
            monkeypatch.setattr(checkpoint, "keep", keep)
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "keep", stop)


def test_learning_rates():
    assert {rate for epoch in range(1, 7) for rate in training.learning_rates(FIT, epoch, 3)} == {0.01}
    rates = [training.learning_rates(FIT | {"schedule": "cosine"}, epoch, 3)[0] for epoch in range(1, 7)]
    assert rates[0] == 0.01 and rates[3] == pytest.approx(0.005) and 0 < rates[5] < 0.001
    assert rates == sorted(rates, reverse=True)


def batches(store: Store, size: int = 32, seed: int = 0) -> training.Batches:
    part = SimpleNamespace(batch=lambda store, rows, outputs, rng, augment: rows)
    return training.Batches(store, part, ["side"], {"fit": FIT | {"batch_size": size}, "augment": {}}, seed)


def test_an_epoch_sees_every_row_in_batches_of_one_size(toy_store: Path):
    store = Store(toy_store)
    found = batches(store)
    epoch = list(found.epoch(1))
    assert [len(rows) for rows in epoch] == [32] * len(found) and len(found) == 4
    assert set(np.concatenate(epoch)) == set(store.rows("train")) and len(store.rows("train")) == 100
    assert len(next(iter(batches(store, size=1000).epoch(1)))) == 100, "a batch is not larger than the set"


def test_the_order_comes_from_seed_and_epoch_alone(toy_store: Path):
    store = Store(toy_store)
    first = np.concatenate(list(batches(store).epoch(3)))
    assert (np.concatenate(list(batches(store).epoch(3))) == first).all()
    assert (np.concatenate(list(batches(store).epoch(4))) != first).any()
    assert (np.concatenate(list(batches(store, seed=1).epoch(3))) != first).any()


def test_members_of_a_pool_give_the_same_number_of_samples(toy: str, tmp_path: Path):
    members = {"member": np.where(np.arange(200) < 30, "small", "large")}
    store = Store(write_toy(tmp_path / "pool", more=members))
    seen = []
    for epoch in range(1, 9):
        rows = np.concatenate(list(batches(store).epoch(epoch)))
        assert (store.samples["split"][rows] == 0).all() and len(rows) == 128
        assert (rows < 30).sum() == 64
        seen.append(rows)
    assert set(np.concatenate(seen)) == set(store.rows("train"))


def test_a_training_leaves_model_history_and_record(data: Path, tmp_path: Path):
    record = run(tmp_path, data, variant(learning_rate=0.05))
    assert record == json.loads((tmp_path / "training.json").read_text())
    assert (record["epochs"], record["stopped_by"], record["resumed"]) == (6, "epochs", 0)
    assert (record["parameters"], record["n_train"], record["n_val"], record["device"]) == (46, 100, 50, "cpu")
    meta = Store(data).meta
    assert (record["data_fingerprint"], record["split_hash"]) == (meta["fingerprint"], meta["split_hash"])
    assert record["variant"]["fit"]["learning_rate"] == 0.05 and record["run"] == RUN
    found = history(tmp_path)
    assert found["epoch"] == [1, 2, 3, 4, 5, 6] and found["loss"][-1] < found["loss"][0]
    assert {"learning_rate", "accuracy", "val_loss", "val_accuracy", "wall_s", "cpu_s"} <= set(found)
    model = models.load(tmp_path / "model.keras")
    assert model.meta["run"] == RUN and model.meta["classes"] == ["LEFT", "RIGHT"]
    assert model.meta["data_fingerprint"] == meta["fingerprint"] and model.meta["input_shape"] == [8]
    assert not (tmp_path / "checkpoint.npz").exists()


def test_the_best_epoch_is_kept_by_the_monitored_value(data: Path, tmp_path: Path):
    record = run(tmp_path, data, variant(monitor="val_loss", monitor_mode="max"))
    found = history(tmp_path)["val_loss"]
    assert record["best_epoch"] == 1 + int(np.argmax(found)) < 6
    store = Store(data)
    rows = store.rows("val")
    p = models.load(tmp_path / "model.keras").infer(store.inputs[rows])["side"]
    loss = -np.log(p[np.arange(len(rows)), store.samples["label"][rows]]).mean()
    assert loss == pytest.approx(max(found), rel=1e-3)


def test_the_same_seed_gives_the_same_network_and_another_does_not(data: Path, tmp_path: Path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, data, variant(epochs=2), run={"seed": seed})
    assert np.allclose(weights(tmp_path / "a"), weights(tmp_path / "b"), atol=1e-6)
    assert np.abs(weights(tmp_path / "a") - weights(tmp_path / "c")).max() > 0.1


def test_patience_stops_and_counts_across_an_interruption(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    never_better = variant(epochs=50, patience=4, learning_rate=1e-12)
    record = run(tmp_path / "whole", data, never_better)
    assert (record["epochs"], record["best_epoch"], record["stopped_by"]) == (5, 1, "patience")
    interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", data, never_better)
    record = run(tmp_path / "cut", data, never_better)
    assert (record["epochs"], record["best_epoch"], record["stopped_by"], record["resumed"]) == (5, 1, "patience", 1)


def test_a_checkpoint_of_other_settings_is_not_used(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", data, variant(learning_rate=0.5))
    record = run(tmp_path / "cut", data, variant())
    run(tmp_path / "whole", data, variant())
    assert record["resumed"] == 0 and record["epochs"] == 6
    assert np.allclose(weights(tmp_path / "cut"), weights(tmp_path / "whole"), atol=1e-5)


def test_a_checkpoint_of_other_data_is_not_used(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, variant())
    assert run(tmp_path, write_toy(tmp_path / "other/dots", seed=9), variant())["resumed"] == 0


@pytest.mark.parametrize("keep", [0, 50, 2000])
def test_a_broken_checkpoint_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int):
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, variant())
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"checkpoint\.npz: content: expected a checkpoint.*Delete it"):
        run(tmp_path, data, variant())
    assert not (tmp_path / "model.keras").exists()


def test_weights_to_start_from(data: Path, tmp_path: Path):
    run(tmp_path / "first", data, variant())
    source = tmp_path / "first/model.keras"
    run(tmp_path / "second", data, variant(epochs=1, learning_rate=1e-12), run={"seed": 5}, init_from=source)
    assert np.allclose(weights(tmp_path / "first"), weights(tmp_path / "second"), atol=1e-6)
    with pytest.raises(InputError, match="weights: expected those of line, got those of bent"):
        run(tmp_path / "third", data, variant("line"), init_from=source)
    with pytest.raises(InputError, match="no such file"):
        run(tmp_path / "third", data, variant(), init_from=tmp_path / "none.keras")
    assert not (tmp_path / "third/model.keras").exists()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what becomes NaN overflows on the way
def test_a_loss_that_is_no_number_is_an_error(data: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"toy/dots/curved/0: loss: expected a finite number, got nan"):
        run(tmp_path, data, variant(learning_rate=1e38))
    assert not (tmp_path / "model.keras").exists()


def test_an_unknown_monitor_is_named(data: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"monitor: expected one of .*val_accuracy.*, got 'val_acc'"):
        run(tmp_path, data, variant(monitor="val_acc"))


def test_a_gpu_that_is_not_there_is_an_error_before_anything_is_done(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(InputError, match=r"devices: gpu: expected a GPU that Keras can use, got none.*gpu\.lock"):
        backend.use_device("gpu")
    with pytest.raises(InputError, match="a GPU that Keras can use"):
        run(tmp_path / "none", data, variant(), device="gpu")
    with pytest.raises(InputError, match="a GPU that Keras can use"):
        timing.time_training(RUN, variant(), data, tmp_path / "none/gpu.json", device="gpu")
    assert not (tmp_path / "none").exists()


def test_timing_is_extrapolated_to_the_configured_epochs(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "_ENOUGH_S", np.inf)  # however slow the machine is
    settings = variant(epochs=500)
    found = timing.time_training(RUN, settings, data, tmp_path / "cpu.json", device="cpu")
    assert found == json.loads((tmp_path / "cpu.json").read_text())
    assert (found["device"], found["device_name"], found["threads"]) == ("cpu", cpu_name(), 1)
    assert (found["n_train"], found["data_source"], found["steps"]) == (100, "synthetic", 200)
    assert found["basis"] == "extrapolated" and found["seconds_per_step"] > 0
    assert found["seconds_per_epoch"] == pytest.approx(7 * found["seconds_per_step"])
    assert found["total_s"] == pytest.approx(500 * found["seconds_per_epoch"])


def test_slow_networks_are_timed_on_fewer_steps(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "_ENOUGH_S", 10)
    seconds = iter([0.0, 4.0, 8.0, 12.0, 12.0])
    monkeypatch.setattr(timing, "perf_counter", lambda: next(seconds))
    found = timing.time_training(RUN, variant(epochs=2), data, tmp_path / "cpu.json", device="cpu")
    assert (found["steps"], found["seconds_per_step"], found["total_s"]) == (3, 4, 2 * 7 * 4)


KILLED = f"""
import sys
from pathlib import Path
import geoml.tasks
from geoml import registry
registry._TASKS = Path({str(TOY / "geoml" / "tasks")!r})
geoml.tasks.__path__.append(str(registry._TASKS))
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_train import SLOW, run
run(Path(sys.argv[1]), Path(sys.argv[2]), SLOW)
"""
SLOW = variant(epochs=12, batch_size=1, schedule="cosine")


def test_a_killed_training_ends_as_if_nothing_had_happened(data: Path, tmp_path: Path):
    """Killed with SIGKILL in the middle of an epoch; tolerance 1e-4, as two processes do not agree bit for bit."""
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    tests = str(TOY.parent)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, cut, data], env=os.environ | {"PYTHONPATH": tests}, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and epochs_in(cut / "checkpoint.npz") < 3:
            time.sleep(0.002)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    finished = epochs_in(cut / "checkpoint.npz")
    assert 3 <= finished < 12 and not (cut / "model.keras").exists()
    record = run(cut, data, SLOW)
    assert (record["resumed"], record["epochs"]) == (1, 12)
    assert record["wall_s"] > sum(history(cut)["wall_s"][finished:]), "time before the kill counts"
    run(whole, data, SLOW)
    ours, theirs = history(cut), history(whole)
    for name in ("epoch", "learning_rate", "loss", "val_loss"):
        assert np.allclose(ours[name], theirs[name], rtol=1e-4), name
    assert np.allclose(weights(cut), weights(whole), atol=1e-4)


def test_of_two_processes_on_one_training_the_first_stops_and_the_last_writes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keep, written = checkpoint.keep, []

    def other_process(path: Path, key: str, network: Any, state: dict[str, Any], best: Any) -> None:
        keep(path, key, network, state, best)
        if len(state["history"]) == 2:
            monkeypatch.setattr(checkpoint, "keep", keep)
            run(tmp_path, data, variant())
            written.append((tmp_path / "model.keras").read_bytes())

    monkeypatch.setattr(checkpoint, "keep", other_process)
    with pytest.raises(InputError, match="This one stops and writes nothing"):
        run(tmp_path, data, variant())
    assert written == [(tmp_path / "model.keras").read_bytes()]
    record = json.loads((tmp_path / "training.json").read_text())
    assert (record["resumed"], record["epochs"]) == (1, 6) and history(tmp_path)["epoch"] == [1, 2, 3, 4, 5, 6]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "model.keras",
        "history.csv",
        "training.json",
    }


def epochs_in(checkpoint: Path) -> int:
    """Finished epochs in a checkpoint; 0 without one."""
    if not checkpoint.exists():
        return 0
    with np.load(checkpoint, allow_pickle=False) as saved:
        return len(json.loads(str(saved["state"]))["history"])


def test_one_cycle_is_the_published_one():
    fit = FIT | {"schedule": "one_cycle", "learning_rate": 0.0007, "epochs": 80}
    rates = np.concatenate([training.learning_rates(fit, epoch, 10) for epoch in range(1, 81)])
    assert rates[0] == pytest.approx(2.8e-5) and rates[239] == pytest.approx(0.0007) and rates.argmax() == 239
    assert rates[799] == pytest.approx(2.8e-9) and rates[519] == pytest.approx(0.00035, rel=0.01)


def test_the_rates_of_the_steps_reach_the_optimizer(data: Path, tmp_path: Path):
    still = run(tmp_path / "a", data, variant(epochs=1, schedule="one_cycle", learning_rate=1e-9))
    assert still["epochs"] == 1 and history(tmp_path / "a")["learning_rate"][0] < 1e-9
    fresh = training.compiled("toy", variant(), Store(data).meta, 0)[0].get_weights()
    assert np.allclose(weights(tmp_path / "a"), np.concatenate([w.ravel() for w in fresh]), atol=1e-6)


def test_l2_is_added_to_the_clipped_gradient(keras_on_cpu: Any):
    from geoml.optimizer import Adam

    found = keras_on_cpu.Variable(np.array([2.0, -4.0], np.float32))
    plain = keras_on_cpu.Variable(np.array([2.0, -4.0], np.float32))
    ours, theirs = Adam(0.01, l2=0.5, clipvalue=0.1), keras_on_cpu.optimizers.Adam(0.01)
    for gradient in ([0.05, 3.0], [-0.2, 0.02]):
        clipped = np.clip(gradient, -0.1, 0.1)
        theirs.apply([clipped + 0.5 * plain.numpy()], [plain])
        ours.apply([np.array(gradient, np.float32)], [found])
    assert np.allclose(found.numpy(), plain.numpy(), atol=1e-6)


def test_the_last_epoch_is_kept_where_that_is_asked(data: Path, tmp_path: Path):
    record = run(tmp_path, data, variant(keep="last", monitor="val_loss", monitor_mode="max"))
    assert record["best_epoch"] == 6 and record["best_score"] == pytest.approx(
        history(tmp_path)["val_loss"][-1], rel=1e-4
    )


def test_a_smaller_share_of_the_training_groups_is_part_of_a_larger(toy_store: Path):
    store = Store(toy_store)
    found = [set(training.training_rows(store, share, 0).tolist()) for share in (0.1, 0.5, 1)]
    assert [len(rows) for rows in found] == [10, 50, 100] and found[0] < found[1] < found[2]
    groups = store.samples["group"]
    assert not {groups[row] for row in found[1]} & {groups[row] for row in found[2] - found[1]}
    assert found[1] != set(training.training_rows(store, 0.5, 1).tolist())


def test_classes_can_be_drawn_equally_often(toy: str, tmp_path: Path):
    folder = write_toy(tmp_path / "dots")
    store = Store(folder)
    store.samples["label"][:] = np.arange(200) % 10 == 0
    part = SimpleNamespace(
        CLASSES=("left", "right"),
        batch=lambda store, rows, outputs, rng, augment: rows,
        truth=lambda store, rows: store.samples["label"][rows],
    )
    settings = {"fit": FIT | {"balance": True, "batch_size": 50}, "augment": {}}
    rows = np.concatenate(list(training.Batches(store, part, ["side"], settings, 0).epoch(1)))
    assert store.samples["label"][rows].sum() == 50 and len(rows) == 100


def test_mixed_precision_trains(data: Path, tmp_path: Path, keras_on_cpu: Any):
    try:
        record = run(tmp_path, data, variant(epochs=2, precision="mixed_bfloat16"))
        assert record["epochs"] == 2
    finally:
        keras_on_cpu.config.set_dtype_policy("float32")


def test_weights_of_a_backbone_need_a_network_with_one(data: Path, tmp_path: Path):
    (tmp_path / "imagenet.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="published backbone"):
        run(tmp_path, data, variant(), init_from=tmp_path / "imagenet.h5")


def test_a_killed_one_cycle_training_goes_on_at_its_rate(data: Path, tmp_path: Path, monkeypatch):
    settings = variant(schedule="one_cycle", epochs=4)
    whole = run(tmp_path / "whole", data, settings)
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", data, settings)
    assert run(tmp_path / "cut", data, settings)["resumed"] == 1 and whole["resumed"] == 0
    assert np.allclose(weights(tmp_path / "cut"), weights(tmp_path / "whole"), atol=1e-6)


def test_values_cannot_be_balanced_like_classes(toy_store: Path):
    part = SimpleNamespace(CLASSES=())
    with pytest.raises(InputError, match="balance: expected false: the task has no classes"):
        training.Batches(Store(toy_store), part, ["side"], {"fit": FIT | {"balance": True}, "augment": {}}, 0)


def test_what_a_task_keeps_of_an_epoch_is_in_the_record_also_after_an_interruption(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    part = registry.load_task("toy")

    def kept(epoch: int, answers: dict[str, np.ndarray]) -> Any:
        return [epoch, *answers["side"].shape] if epoch in (1, 3) else None

    monkeypatch.setattr(part, "by_epoch", kept, raising=False)
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, variant(epochs=4))
    record = run(tmp_path, data, variant(epochs=4))
    assert record["resumed"] == 1 and record["by_epoch"] == {"1": [1, 50, 2], "3": [3, 50, 2]}


def test_tensorboard_shows_every_step_and_epoch_of_a_training_that_was_cut(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = variant(epochs=3)
    settings["fit"] = settings["fit"] | {"tensorboard": True}
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, settings, events=tmp_path / "events")
    run(tmp_path, data, settings, events=tmp_path / "events")
    shown = scalars_in(tmp_path / "events")
    assert [step for step, _ in shown["Iter/train_loss"]] == list(range(1, 1 + 3 * 7))
    losses = np.array([value for _, value in shown["Iter/train_loss"]]).reshape(3, 7).mean(axis=1)
    assert np.allclose(losses, history(tmp_path)["loss"], atol=1e-4)
    assert np.allclose([v for _, v in shown["Accuracy/test"]], history(tmp_path)["val_accuracy"], atol=1e-4)
    run(tmp_path / "none", data, variant(epochs=1), events=None)
    assert not (tmp_path / "none" / "events").exists()
