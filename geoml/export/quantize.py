"""ONNX in int8: weights and activations, with ranges from training samples."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from geoml import registry, runtimes
from geoml.errors import InputError
from geoml.files import atomic, checksum
from geoml.store import Store

_HEAVY = ["Conv", "MatMul", "Gemm"]  # what gains from int8; recurrent layers, softmax and all else stay float32
_BETWEEN = ["MaxPool", "AveragePool", "Concat", "Add", "Relu"]  # what need not leave int8, of pictures
_BATCH = 16  # of samples whose ranges are looked at together


class Recorder:
    """A model that keeps what its network is asked."""

    def __init__(self, model: Any) -> None:
        self.model, self.meta = model, model.meta
        self.asked: list[np.ndarray] = []

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        """What the model says."""
        self.asked.append(x.astype(np.float32))
        return self.model.infer(x, batch_size)


def open_data(meta: dict[str, Any], data: Path) -> Store:
    """The prepared set that a model was trained on.

    Args:
        meta: What the model says of itself.
        data: Folder of the set.

    Raises:
        InputError: another task's set, or another split.
    """
    store = Store(data)
    if store.meta["task"] != meta["task"]:
        raise InputError(data, "task", f"a prepared set of {meta['task']}", store.meta["task"])
    if store.meta["split_hash"] != meta["split_hash"]:
        raise InputError(data, "split", "the split the model was trained with", "another one", "Train again.")
    return store


def network_inputs(model: Any, store: Store, split: str, samples: int) -> np.ndarray:
    """(n, ...) float32: what the network of a model is given for samples of a split, evenly spread.

    Args:
        model: Of a task, loaded.
        store: Its prepared set.
        split: ``train``, ``val`` or ``test``.
        samples: At most; a task may ask its network about a sample more than once.

    Raises:
        InputError: there are none.
    """
    rows = store.rows(split)
    if not len(rows) or samples < 1:
        raise InputError(store.folder, split, "at least one sample", f"{len(rows)}, of which {samples} are wanted")
    rows = rows[np.linspace(0, len(rows) - 1, min(samples, len(rows))).round().astype(int)]
    recorder = Recorder(model)
    registry.load_task(model.meta["task"]).outputs(recorder, store.inputs[rows])
    return np.concatenate(recorder.asked)


def quantize(model: Path, data: Path, out: Path, samples: int) -> dict[str, Any]:
    """Make an ONNX file's int8 twin (static, per channel, QDQ); the same inputs give the same bytes.

    Args:
        model: ``model.onnx`` of ours.
        data: Folder of the prepared set that it was trained on; its training samples give the ranges.
        out: ``model.int8.onnx``; what is there of before is removed where it cannot be made.
        samples: How many training samples.

    Returns:
        ``status``: ``made`` or why not; ``bytes``, ``sha256``, ``calibration_samples``.

    Raises:
        InputError: the model or the data cannot be used.
    """
    exported = runtimes.load(model)
    store = open_data(exported.meta, data)
    inputs = network_inputs(exported, store, "train", samples)
    result = {"status": "made", "bytes": None, "sha256": None,
              "calibration_samples": min(samples, len(store.rows("train")))}  # fmt: skip
    try:
        with atomic(out) as temporary:
            _convert(model, inputs, temporary)
            runtimes.load(temporary).infer(inputs[:1])
    except InputError:
        out.unlink(missing_ok=True)
        raise
    except Exception as error:  # of many kinds, of the quantiser's own
        out.unlink(missing_ok=True)
        return result | {"status": f"not made: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}
    return result | {"bytes": out.stat().st_size, "sha256": checksum(out)}


def _convert(model: Path, inputs: np.ndarray, out: Path) -> None:
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source = onnx.load(model)
    given = source.graph.input[0]
    size = given.type.tensor_type.shape.dim[0].dim_value or _BATCH

    class Samples(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[np.ndarray] = (inputs[i : i + size] for i in range(0, len(inputs), size))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {given.name: batch}

    traces = inputs.ndim == 3
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "made.onnx"
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            made,
            Samples(),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,  # int8 here is up to three times as slow, and further off
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            # Normalisation stands apart in networks on traces; in int8 it would be ten times as slow.
            op_types_to_quantize=_HEAVY if traces else _HEAVY + _BETWEEN,
            nodes_to_exclude=_first(onnx.load(prepared).graph, traces=traces),
        )
        result = onnx.load(made)
    del result.metadata_props[:]
    result.metadata_props.extend(source.metadata_props)
    out.write_bytes(result.SerializeToString(deterministic=True))


def _first(graph: Any, *, traces: bool) -> list[str]:
    """Names of the nodes that see the input itself, which stay float32.

    Of traces also the first convolutions: what matters in a wave is small beside its largest amplitude, and lost in
    256 steps of it. Those of pictures are the dearest part, and what pictures hold is 256 steps already.
    """
    later: set[str] = set()  # tensors that some convolution or matrix has made
    names = []
    for node in graph.node:
        heavy = node.op_type in _HEAVY
        if later.isdisjoint(node.input) and (traces or not heavy):
            names.append(node.name)
        if heavy or not later.isdisjoint(node.input):
            later.update(node.output)
    return names
