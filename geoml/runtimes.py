"""Exported networks: ONNX and TFLite files that answer as the network did that they were made from.

What prediction needs travels inside: in ONNX files as metadata, in TFLite files as a zip archive at their end, as
TFLite's own metadata do. NumPy and the runtime are all that is needed here; no code in a file is ever run.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.logs import quiet

SUFFIXES = frozenset({".onnx", ".tflite"})
MEMBER = "geoml.json"  # of archives: the metadata
KEY = "geoml"  # of an ONNX file's metadata: the same
Call = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(eq=False)
class Exported:
    """An exported network and what it was made for.

    Attributes:
        meta: What the model file says of itself.
        call: Outputs by name of one batch.
        input_shape: (batch, ...); None where any size is taken.
        runtime: Name and version of what runs it.
    """

    meta: dict[str, Any]
    call: Call
    input_shape: tuple[int | None, ...]
    runtime: str

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        """Outputs by name for inputs (n, ...), ``batch_size`` at a time."""
        size = self.input_shape[0] or batch_size
        x = x.astype(np.float32, copy=False)
        pieces = [self.call(x[start : start + size]) for start in range(0, max(len(x), 1), size)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def load(path: str | Path, threads: int = 1) -> Exported:
    """The network of an ``.onnx`` or ``.tflite`` file of ours.

    Args:
        path: Of the file.
        threads: CPU threads for one answer.

    Raises:
        InputError: the file is missing, damaged or not ours, or its runtime is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "file", "an exported model (.onnx, .tflite)", "no such file")
    return (_onnx if path.suffix == ".onnx" else _tflite)(path, threads)


def read_meta(path: str | Path) -> dict[str, Any]:
    """What an exported file says of itself."""
    path = Path(path)
    if path.suffix == ".onnx" or not path.is_file():
        return load(path).meta
    return _attached(path)


def _onnx(path: Path, threads: int) -> Exported:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(path, "runtime", "the package onnxruntime", "it is not installed") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, of the runtime's own
        reason = str(error).splitlines()[0]
        raise InputError(path, "content", "an ONNX model, whole", reason, "Copy or export it again.") from None
    found = session.get_modelmeta().custom_metadata_map
    if KEY not in found:
        raise InputError(path, "metadata", f"those of a geoml model ({KEY!r})", ", ".join(found) or "none")
    names = [output.name for output in session.get_outputs()]
    given = session.get_inputs()[0]

    def call(x: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {given.name: x}), strict=True))

    shape = tuple(size if isinstance(size, int) else None for size in given.shape)
    return Exported(json.loads(found[KEY]), call, shape, f"onnxruntime {onnxruntime.__version__}")


def _tflite(path: Path, threads: int) -> Exported:
    meta = _attached(path)
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        raise InputError(path, "runtime", "the package ai-edge-litert", "it is not installed") from None
    try:
        with quiet():
            machine = interpreter.Interpreter(str(path), num_threads=threads)
            machine.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(path, "content", "a TFLite model, whole", error, "Copy or export it again.") from None
    given = machine.get_input_details()[0]
    # By the names that the network gave its outputs; the file's own order is by no rule.
    outputs = {name: output["index"] for name, output in machine.get_signature_runner().get_output_details().items()}

    def call(x: np.ndarray) -> dict[str, np.ndarray]:
        machine.set_tensor(given["index"], x)
        machine.invoke()
        return {name: machine.get_tensor(index) for name, index in outputs.items()}

    from importlib.metadata import version

    return Exported(meta, call, tuple(map(int, given["shape"])), f"ai-edge-litert {version('ai-edge-litert')}")


def _attached(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(MEMBER))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(path, "content", f"a geoml model (with {MEMBER} at its end)", error) from None
