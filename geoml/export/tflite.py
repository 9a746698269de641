"""TFLite files of a trained network: float32, float16 and int8, for one sample at a time.

The converter can crash its process (it does so at int8 of recurrent networks), so it works in one of its own.
"""

import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from geoml import models, registry, runtimes
from geoml.errors import InputError
from geoml.export import FORMATS, child
from geoml.export.network import exported_meta
from geoml.export.quantize import network_inputs, open_data
from geoml.files import checksum
from geoml.store import Store

FILES = {name: file for name, file in FORMATS.items() if file.endswith(".tflite")}
LIMIT_S = 900.0


def convert(model: Path, data: Path, folder: Path, samples: int, limit_s: float = LIMIT_S) -> dict[str, dict[str, Any]]:
    """Make the TFLite files of a network; the same inputs give the same bytes.

    Args:
        model: ``model.keras``.
        data: Folder of the prepared set that it was trained on; its training samples give the ranges of int8.
        folder: Where the files of :data:`FILES` go; what is there of before is removed where one cannot be made.
        samples: How many training samples.
        limit_s: Seconds that a conversion may take.

    Returns:
        By format ``status``: ``made`` or why not; ``bytes``, ``sha256``, ``calibration_samples`` (of int8).

    Raises:
        InputError: the model or the data cannot be used.
    """
    if model.suffix != ".keras":
        raise InputError(model, "format", "a network (.keras)", f"{model.suffix or 'no suffix'}")
    rows = open_data(models.read_meta(model), data).rows("train")
    if not len(rows):
        raise InputError(data, "train", "at least one sample", "none")
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix=".tflite.", dir=folder) as name:
        work, left = Path(name), list(FILES)
        while left:
            crash = child.run("geoml.export.tflite", model, data, samples, work, *left, limit_s=limit_s)
            done = [format for format in left if (work / f"{format}.status").exists()]
            for format in done:
                status = (work / f"{format}.status").read_text(encoding="utf-8")
                found[format] = _placed(work / FILES[format], folder / FILES[format], status)
            left = left[len(done) :]
            if left:
                format = left.pop(0)
                found[format] = _placed(work / FILES[format], folder / FILES[format], f"not made: {crash}")
    found["tflite_int8"]["calibration_samples"] = min(samples, len(rows))
    return found


def _placed(made: Path, path: Path, status: str) -> dict[str, Any]:
    if status != "made":
        path.unlink(missing_ok=True)
        return {"status": status, "bytes": None, "sha256": None, "calibration_samples": None}
    os.replace(made, path)
    return {"status": status, "bytes": path.stat().st_size, "sha256": checksum(path), "calibration_samples": None}


def _work(model_path: Path, data: Path, samples: int, folder: Path, formats: list[str]) -> None:
    """Make files in ``folder``, and beside each, when that is decided, ``{format}.status``."""
    from geoml.backend import use_device

    use_device("cpu")
    import keras
    import tensorflow as tf

    model, store = models.load(model_path), Store(data)
    network = model.network
    given = network.inputs[0]
    shape = (1, *registry.load_task(model.meta["task"]).input_shape(store.meta))  # the network's may be open

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=given.name)])
    def answer(input: Any) -> dict[str, Any]:
        return models.by_name(network, network(input))  # nothing said of training, as an export wants

    saved = folder / "saved"
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serve", answer)
    archive.write_out(saved, verbose=False)
    meta = exported_meta(model_path) | {
        "inputs": {given.name: list(shape)},
        "outputs": {name: [1, *y.shape[1:]] for name, y in zip(network.output_names, network.outputs, strict=True)},
    }
    for format in formats:
        path = folder / FILES[format]
        try:
            inputs = network_inputs(model, store, "train", samples) if format == "tflite_int8" else None
            path.write_bytes(_converted(saved, format, inputs))
            with zipfile.ZipFile(path, "a") as attached:  # with the zip format's oldest time, always the same
                attached.writestr(zipfile.ZipInfo(runtimes.MEMBER), json.dumps(meta, indent=2))
            runtimes.load(path).infer(np.zeros(shape, np.float32))
            status = "made"
        except Exception as error:  # of many kinds, of the converter's own
            lines = str(error).splitlines() or [""]
            status = f"not made: {type(error).__name__}: {lines[0]}"
        (folder / f"{format}.status").write_text(status, encoding="utf-8")


def _converted(saved: Path, format: str, inputs: np.ndarray | None) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=["serve"])
    if format != "tflite":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if format == "tflite_fp16":
        converter.target_spec.supported_types = [tf.float16]
    if inputs is not None:
        converter.representative_dataset = lambda: ([x[None]] for x in inputs)
        kinds = tf.lite.OpsSet
        converter.target_spec.supported_ops = [kinds.TFLITE_BUILTINS_INT8, kinds.TFLITE_BUILTINS]
    return converter.convert()


if __name__ == "__main__":
    _work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
