"""A small network of the fold task with its prepared set, and its ONNX file: what the tests of exports start from."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MORE = {"input_shape": [16, 16, 3], "prepare": {"size": 16}, "temperature": 1.5}  # of the model file


@dataclass
class Made:
    """Files of one untrained network."""

    model: Path
    data: Path
    onnx: Path


def make(folder: Path, keras: Any) -> Made:
    """ResNet9 of width 2, with random weights, for 96 pictures of 16 x 16."""
    from geoml import models, registry
    from geoml.export.network import to_onnx
    from geoml.store import Store

    data = write_pictures(folder / "results/data/folds/generated")
    keras.utils.set_random_seed(0)
    network = models.build("folds", "resnet9", {"width": 2}, (16, 16, 3))
    run = {"task": "folds", "dataset": "generated", "variant": "small", "seed": 0}
    variant = {"model": "resnet9", "args": {"width": 2}}
    meta = models.describe(run, variant, registry.load_task("folds"), Store(data).meta) | MORE
    path = folder / "results/models/folds/generated/small/seed0/model.keras"
    models.save(path, network, meta)
    to_onnx(path, folder / "model.onnx")
    return Made(path, data, folder / "model.onnx")


def write_pictures(folder: Path, task: str = "folds", splits: tuple[int, ...] = (0, 0, 1, 2)) -> Path:
    """A prepared set of grey noise, darker or lighter by class; ``splits`` are repeated over the groups of two."""
    from geoml.store import Block, StoreWriter

    rng = np.random.default_rng(0)
    label = (np.arange(96) % 3).astype(np.int8)
    inputs = rng.integers(0, 86, (96, 16, 16, 3), dtype=np.uint8) + (85 * label[:, None, None, None]).astype(np.uint8)
    names = np.char.add("picture", np.arange(96).astype("U"))
    with StoreWriter(folder) as writer:
        writer.append(Block(inputs, {"id": names, "group": (np.arange(96) // 2).astype("U"), "label": label}))
        table = writer.columns()
        table["split"] = np.array(splits, np.int8)[np.arange(96) // 2 % len(splits)]
        content = {"task": task, "dataset": folder.name, "data_source": "synthetic", "citation": ""}
        writer.finish(table, content | {"prepare": {}, "split": {}})
    return folder


def to_onnx(model: Any, path: Path) -> Path:
    """A network of any metadata as ONNX, with these; the exporter itself asks for those of a trained one."""
    from geoml import runtimes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tf2onnx

        graph, _ = tf2onnx.convert.from_keras(model.network, opset=18)
    entry = graph.metadata_props.add()
    entry.key, entry.value = runtimes.KEY, json.dumps(model.meta)
    path.write_bytes(graph.SerializeToString())
    return path


def lean_packages(folder: Path) -> Path:
    """Fill a folder to import from with NumPy and onnxruntime, and nothing else."""
    import onnxruntime

    for package in (Path(np.__file__).parent, Path(onnxruntime.__file__).parent):
        for path in package.parent.glob(f"{package.name}*"):
            if path.name in (package.name, f"{package.name}.libs"):
                (folder / path.name).symlink_to(path)
    return folder
