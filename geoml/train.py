"""Train one network: batches from the prepared store, one checkpoint an epoch, resume from the last."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import checkpoint as checkpoints
from geoml import models, registry
from geoml.errors import InputError
from geoml.files import atomic, checksum, write_json
from geoml.logs import log, progress
from geoml.provenance import Clock, peak_memory_mb, record
from geoml.scalars import Scalars
from geoml.splits import places
from geoml.store import Store

if TYPE_CHECKING:
    import keras


@dataclass
class State:
    """Where a training stands; all of it is in the checkpoint."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float | None = None
    seconds: dict[str, float] = field(default_factory=lambda: {"wall_s": 0.0, "cpu_s": 0.0})
    resumed: int = 0
    by_epoch: dict[str, Any] = field(default_factory=dict)  # what the task keeps of the answers after an epoch


def train(
    run: dict[str, Any],
    variant: dict[str, Any],
    data: Path,
    model_path: Path,
    history_path: Path,
    record_path: Path,
    checkpoint: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    init_from: Path | None = None,
    events: Path | None = None,
) -> dict[str, Any]:
    """Train a variant on a prepared data set, to its last epoch or until patience ends.

    A killed training that is started again with the same settings continues after its last finished epoch.

    Args:
        run: ``task``, ``dataset``, ``variant`` and ``seed``.
        variant: Resolved configuration: ``model``, ``args``, ``fit``, ``augment``.
        data: Folder of the prepared set.
        model_path: The best network by the monitored value, with its metadata.
        history_path: CSV, a row an epoch.
        record_path: JSON: configuration, versions, device, fingerprints, time and memory.
        checkpoint: Where the state is kept meanwhile (.npz); removed at the end.
        device, threads: See :func:`geoml.backend.use_device`.
        init_from: Model file whose weights are the start.
        events: Folder for TensorBoard, which is written with ``fit.tensorboard``.

    Returns:
        The content of ``record_path``.
    """
    from geoml.backend import use_device

    device_name = use_device(device, threads)
    clock = Clock()
    store, fit = Store(data), variant["fit"]
    network, part = compiled(run["task"], variant, store.meta, run["seed"])
    started_from = None if init_from is None else start_from(network, init_from)
    key = _key(run, variant, store.meta["fingerprint"], init_from)
    state, best = _resume(checkpoint, key, network)
    batches = Batches(store, part, network.output_names, variant, run["seed"])
    validation = part.validation(store, network.output_names)
    compared_by = _check_monitor(fit, validate(network, part, _first(validation), fit)[0])
    scalars = Scalars(events, len(state.history) * len(batches)) if events and fit["tensorboard"] else None
    before = dict(state.seconds)
    claim, stopped_by = checkpoints.Claim(checkpoint), "epochs"
    for epoch in range(len(state.history) + 1, fit["epochs"] + 1):
        if fit["patience"] and epoch - 1 - state.best_epoch >= fit["patience"]:
            stopped_by = "patience"
            break
        epoch_clock = Clock()
        rates = learning_rates(fit, epoch, len(batches))
        losses: list[float] = []
        trained = one_epoch(network, batches, epoch, rates, losses)
        validated, answers = validate(network, part, validation, fit)
        scores = trained | validated
        _finite(scores, run)
        if (kept := getattr(part, "by_epoch", lambda *_: None)(epoch, answers)) is not None:
            state.by_epoch[str(epoch)] = kept
        rate = float(rates.mean())
        state.history.append({"epoch": epoch, "learning_rate": rate, **scores, **epoch_clock.read()})
        monitored = scores[fit["monitor"]]
        sign = -1 if fit["monitor_mode"] == "min" else 1
        better = state.best_score is None or sign * monitored > sign * state.best_score
        if better or fit["keep"] == "last":
            state.best_score, state.best_epoch = monitored, epoch
            best = [variable.numpy() for variable in network.variables]
        if scalars:
            scalars.epoch(state.history[-1], losses)
        state.seconds = {name: round(before[name] + spent, 3) for name, spent in clock.read().items()}
        claim.check()
        checkpoints.keep(checkpoint, key, network, vars(state), best)
        log.info("epoch %d/%d  %s", epoch, fit["epochs"], "  ".join(f"{k} {v:.4f}" for k, v in scores.items()))
    if scalars:
        scalars.close()
    for variable, value in zip(network.variables, best, strict=True):
        variable.assign(value)
    meta = models.describe(run, variant, part, store.meta) | {
        "input_shape": list(part.input_shape(store.meta)),
        "outputs": list(network.output_names),
        "train_share": fit["train_share"],
    }
    meta |= part.calibrate(models.Model(network, meta), store)
    claim.check()
    models.save(model_path, network, meta)
    _write_history(history_path, state.history)
    content = record(
        run=run,
        variant=variant,
        started_from=started_from,
        device=device,
        device_name=device_name,
        threads=threads,
        data_fingerprint=store.meta["fingerprint"],
        split_hash=store.meta["split_hash"],
        data_source=store.meta["data_source"],
        epochs=len(state.history),
        best_epoch=state.best_epoch,
        best_score=state.best_score,
        val_score=state.history[state.best_epoch - 1][compared_by],
        stopped_by=stopped_by,
        resumed=state.resumed,
        parameters=network.count_params(),
        trainable_parameters=sum(int(np.prod(v.shape)) for v in network.trainable_variables),
        n_train=len(batches.rows),
        n_val=len(validation[0]),
        peak_memory_mb=peak_memory_mb(),
        by_epoch=state.by_epoch,
        **{name: round(before[name] + spent, 3) for name, spent in clock.read().items()},
    )
    write_json(record_path, content)
    checkpoints.remove(checkpoint)
    claim.release()
    return content


def compiled(task: str, variant: dict[str, Any], meta: dict[str, Any], seed: int) -> tuple["keras.Model", Any]:
    """A fresh network of a variant, ready to be trained, and the task's module."""
    import keras

    from geoml.optimizer import Adam

    part, fit = registry.load_task(task), variant["fit"]
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(fit["precision"])
    network = models.build(task, variant["model"], variant["args"], part.input_shape(meta))
    network.compile(
        optimizer=Adam(fit["learning_rate"], l2=fit["l2"], clipvalue=fit["clip_value"]),
        loss=part.losses(network.output_names, fit["loss"]),
        metrics=part.metrics(network.output_names),
    )
    network.optimizer.build(network.trainable_variables)
    return network, part


class Batches:
    """Batches of one epoch after another, each from (seed, epoch) alone, so that a resumed training sees the same.

    All batches have the same size: the last one is filled up from the epoch's beginning. Where the samples have a
    ``member`` column (a pooled set), every member gives the same number of samples; with ``fit.balance``, every class.
    """

    def __init__(self, store: Store, part: Any, outputs: list[str], variant: dict[str, Any], seed: int) -> None:
        fit = variant["fit"]
        self.store, self.part, self.outputs, self.augment, self.seed = store, part, outputs, variant["augment"], seed
        self.rows = training_rows(store, fit["train_share"], seed)
        self.size = min(fit["batch_size"], len(self.rows))
        if fit["balance"]:
            if not part.CLASSES:
                raise InputError("fit", "balance", "false: the task has no classes", "true")
            self._members = part.truth(store, self.rows)
        else:
            self._members = store.samples.get("member", np.zeros(store.meta["samples"], np.int8))[self.rows]

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def epoch(self, epoch: int) -> Any:
        """Yield ``(x, y)`` of every batch of an epoch, counted from 1."""
        rng = np.random.default_rng([self.seed, epoch])
        order = self._order(rng)
        for start in range(0, len(self) * self.size, self.size):
            rows = order[start : start + self.size]
            yield self.part.batch(self.store, rows, self.outputs, rng, self.augment)

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        members = np.unique(self._members)
        wanted = len(self) * self.size
        share = -(-wanted // len(members))
        drawn = [np.resize(rng.permutation(self.rows[self._members == member]), share) for member in members]
        return rng.permutation(np.concatenate(drawn))[:wanted] if len(members) > 1 else drawn[0]


def training_rows(store: Store, share: float, seed: int) -> np.ndarray:
    """Row numbers of the training samples, or of a share of their groups; a smaller share is part of a larger one."""
    rows = store.rows("train")
    if share == 1:
        return rows
    names, groups = np.unique(store.samples["group"][rows], return_inverse=True)
    place = np.argsort(np.argsort(places(names, f"share:{seed}")))
    kept = rows[place[groups] < max(1, round(share * len(names)))]
    return kept


def one_epoch(
    network: "keras.Model",
    batches: Batches,
    epoch: int,
    rates: np.ndarray | None = None,
    losses: list[float] | None = None,
) -> dict[str, float]:
    """Train on every batch of an epoch, each with its rate; training loss and metrics, means over the batches.

    The loss of every batch goes to the end of ``losses``.
    """
    steps: list[dict[str, Any]] = []
    for batch in progress(batches.epoch(epoch), len(batches), f"batches of epoch {epoch}"):
        if rates is not None and (not steps or rates[len(steps)] != rates[len(steps) - 1]):
            network.optimizer.learning_rate = rates[len(steps)]
        steps.append(one_step(network, batch))
        if losses is not None:
            losses.append(float(steps[-1]["loss"]))
    return {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}


def one_step(network: "keras.Model", batch: tuple[np.ndarray, Any]) -> dict[str, Any]:
    """One step of the optimizer; loss and metrics of its batch."""
    return network.train_on_batch(*batch, return_dict=True)


def learning_rates(fit: dict[str, Any], epoch: int, steps: int) -> np.ndarray:
    """(steps,) rate of every step of an epoch (from 1).

    ``constant``; ``cosine``: falls to zero along half a cosine, the same within an epoch; ``one_cycle`` (Smith & Topin
    2019): in the first 30 % of all steps up from 1/25 of the rate, then down to 1/10,000 of that, both along half a
    cosine.
    """
    top, epochs = fit["learning_rate"], fit["epochs"]
    if fit["schedule"] == "constant":
        return np.full(steps, top)
    if fit["schedule"] == "cosine":
        return np.full(steps, top * (1 + np.cos(np.pi * (epoch - 1) / epochs)) / 2)
    step, peak, last = np.arange(steps) + (epoch - 1) * steps, 0.3 * steps * epochs - 1, max(steps * epochs - 1, 1)
    up, down = step / max(peak, 1), np.clip((step - peak) / (last - peak), 0, 1)
    first, end = top / 25, top / 25e4
    return np.where(step <= peak, _between(first, top, up), _between(top, end, down))


def _between(start: float, end: float, share: np.ndarray) -> np.ndarray:
    return end + (start - end) * (1 + np.cos(np.pi * share)) / 2


def start_from(network: "keras.Model", path: Path) -> dict[str, Any]:
    """Take over the weights of a trained model of the same architecture, or of its published backbone (``.h5``).

    Returns:
        What the weights are, for the record.
    """
    if path.suffix == ".h5":
        _load_backbone(network, path)
        return {"weights": path.name, "sha256": checksum(path)}
    source = models.load(path)
    ours, theirs = ([tuple(weight.shape) for weight in n.weights] for n in (network, source.network))
    if ours != theirs:
        raise InputError(
            path, "weights", f"those of {network.name}", f"those of {source.network.name}, of other shapes"
        )
    network.set_weights(source.network.get_weights())
    log.info("start from the weights of %s", path)
    return {"run": source.meta.get("run"), "data_source": source.meta.get("data_source")}


def _load_backbone(network: "keras.Model", path: Path) -> None:
    if "backbone" not in (layer.name for layer in network.layers):
        raise InputError(path, "init_from", "a network with a published backbone", network.name)
    if not path.exists():
        raise InputError(path, "init_from", "a file of Keras weights (.h5)", "no such file")
    try:
        network.get_layer("backbone").load_weights(path)
    except (ValueError, OSError, KeyError, IndexError, AttributeError) as error:
        expected = f"the weights of the backbone of {network.name}"
        raise InputError(path, "weights", expected, str(error).splitlines()[0]) from error
    log.info("start from the backbone weights of %s", path)


def validate(
    network: "keras.Model", part: Any, validation: tuple, fit: dict[str, Any]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Scores of the validation samples, and the answers to them."""
    import keras

    x, y = validation
    outputs = models.infer(network, x, min(fit["batch_size"], 256))
    losses = {
        name: float(np.mean(keras.losses.get(loss)(y[name], outputs[name])))
        for name, loss in part.losses(network.output_names, fit["loss"]).items()
    }
    scores = {"val_loss": sum(losses.values())} | {f"val_{name}": v for name, v in part.monitor(y, outputs).items()}
    return scores, outputs


def _first(validation: tuple) -> tuple:
    x, y = validation
    return x[:1], {name: values[:1] for name, values in y.items()}


def _check_monitor(fit: dict[str, Any], scores: dict[str, float]) -> str:
    """Fail if there is no such value to choose the best epoch by; gives the one that runs are compared by."""
    if fit["monitor"] not in scores:
        raise InputError("fit", "monitor", f"one of {', '.join(scores)}", repr(fit["monitor"]))
    return next(name for name in scores if name != "val_loss")


def _finite(scores: dict[str, float], run: dict[str, Any]) -> None:
    bad = [name for name, value in scores.items() if not np.isfinite(value)]
    if bad:
        raise InputError("/".join(map(str, run.values())), bad[0], "a finite number", scores[bad[0]],
                         "Lower fit.learning_rate.")  # fmt: skip


def _key(run: dict[str, Any], variant: dict[str, Any], fingerprint: str, init_from: Path | None) -> str:
    text = json.dumps([run, variant, fingerprint, str(init_from)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _resume(path: Path, key: str, network: "keras.Model") -> tuple[State, list[np.ndarray]]:
    content, best = checkpoints.resume(path, key, network)
    if content is None:
        return State(), []
    state = State(**content)
    state.resumed += 1
    log.info("resumed after epoch %d from %s", len(state.history), path)
    return state, best


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    with atomic(path) as temporary:
        lines = [",".join(history[0])] + [",".join(f"{value:.6g}" for value in row.values()) for row in history]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
