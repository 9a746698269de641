"""SeismicPatchNet on a small machine: windows per second, memory and answers of every way to judge a line; one thread.

The ways take turns, each in a process of its own, which says how large it was at most:

- ``keras``: the network on 63 windows a step, as the original did;
- ``sliding``: the exported network, window by window, float32 and int8;
- ``convolutional``: the exported network over tiles, float32 and int8. It is timed on a line six times as long.

Without --model a network is trained for a few minutes first, so that its decisions are not all alike.
"""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = ("v1_valid",)
PATCHES, EPOCHS, RATE = 1000, 6, 5e-4  # of the training
CALIBRATION = 64  # patches
TRACES, SAMPLES = 1200, 400
PART = 200  # traces that all ways judge
BATCH = 63
GAIN, DECISIONS, MEMORY = 10, 0.99, 120


def patches(name: str, count: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """What a network sees of synthetic patches, their labels, and the scale."""
    from geoml.tasks.patchnet.patches import network_input, scale_of
    from geoml.tasks.patchnet.synthetic import samples

    made, columns = samples(0, name, np.arange(count))
    scale = scale_of(made)
    return network_input(made, scale), columns["label"], scale


def trained(name: str, path: Path) -> Path:
    """A network of the family after a short training."""
    import keras

    from geoml import models, registry

    x, labels, scale = patches("train", PATCHES)
    keras.utils.set_random_seed(0)
    network = registry.load("patchnet", "models", name).build(x.shape[1:], 2)
    network.compile(keras.optimizers.Adam(RATE), "categorical_crossentropy", metrics=["accuracy"])
    history = network.fit(x, np.eye(2)[labels], batch_size=32, epochs=EPOCHS, verbose=0)
    print(f"  trained to an accuracy of {history.history['accuracy'][-1]:.3f}", flush=True)
    models.save(path, network, {"task": "patchnet", "model": name, "scale": list(scale)})
    return path


def exported(path: Path, folder: Path) -> dict[str, Path]:
    """The files of a trained network by format."""
    import onnx
    import tf2onnx
    from onnxruntime import quantization

    from geoml import models
    from geoml.runtimes import KEY
    from geoml.tasks.patchnet import task

    model = models.load(path)
    graph, _ = tf2onnx.convert.from_keras(task.exported(model.network), opset=18)
    files = {"keras": path, "float32": folder / "model.onnx", "int8": folder / "model.int8.onnx"}
    onnx.helper.set_model_props(graph, {KEY: json.dumps(model.meta)})
    onnx.save(graph, files["float32"])
    x, _, _ = patches("train", CALIBRATION)

    class Samples(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(x[:, None])

        def get_next(self) -> dict[str, np.ndarray] | None:
            one = next(self.left, None)
            return None if one is None else {graph.graph.input[0].name: one}

    quantization.quantize_static(
        files["float32"], files["int8"], Samples(), per_channel=True, activation_type=quantization.QuantType.QUInt8
    )
    return files


def judge(file: Path, engine: str, folder: Path) -> dict[str, Any]:
    """One way, in this process: its answers on the part, then its speed and memory."""
    from geoml.provenance import peak_memory_mb
    from geoml.tasks.patchnet import section

    if file.suffix == ".keras":
        from geoml import models
        from geoml.backend import use_device

        use_device("cpu", 1)
        model, batch = models.load(file), BATCH
    else:
        from geoml import runtimes

        model, batch = runtimes.load(file), None
    if engine not in section.engines_of(model):
        return {}
    line = np.load(folder / "line.npy")
    part = np.ascontiguousarray(line[:, :PART])

    def run(values: np.ndarray) -> section.Map:
        return section.probabilities(model, values, engine=engine, batch=batch)

    found = run(part[:, : PART // 4] if engine == "sliding" else part)  # not timed: some is done once
    timed = part if engine == "sliding" else line
    start = time.process_time()
    mapped = run(timed)
    seconds = time.process_time() - start
    grid = mapped.grid if engine == "sliding" else found.grid
    np.save(folder / f"{file.name}.{engine}.npy", grid)
    return {"rate": mapped.windows / seconds, "memory": peak_memory_mb(), "windows": mapped.windows}


def compare(path: Path, folder: Path, rounds: int) -> None:
    """Measure and print all ways of a trained network."""
    from geoml.tasks.patchnet import section

    files = exported(path, folder)
    ways = [("keras", "sliding")] + [(kind, engine) for engine in section.ENGINES[::-1] for kind in ("float32", "int8")]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            _, words = common.child(sys.executable, __file__, "--child", files[way[0]], way[1], folder)
            found[way].append(json.loads(words.splitlines()[-1]))
    first = np.array([one["rate"] for one in found[ways[0]]])
    expected = np.load(folder / f"{path.name}.sliding.npy")
    share = float((expected >= 0.5).mean())
    print(f"  {expected.size:,} windows on the part, {share:.1%} with a BSR; median of {rounds} rounds")
    for (kind, engine), measured in found.items():
        if not measured[0]:
            print(f"  {kind}, {engine}: not for this network")
            continue
        rates = np.array([one["rate"] for one in measured])
        memory = max(one["memory"] for one in measured)
        equal = section.agreement(expected, np.load(folder / f"{files[kind].name}.{engine}.npy"))
        fast = engine == "convolutional"
        common.line(f"{kind}, {engine} ({measured[0]['windows']:,} windows)", float(np.median(rates)), "windows/CPU s")
        gain = float(np.median(rates / first))
        common.line("  against keras", gain, "times", *((f">= {GAIN}", gain >= GAIN) if fast else ()))
        common.line("  peak memory", memory, "MB", *((f"<= {MEMORY}", memory <= MEMORY) if fast else ()))
        same = equal["decisions"]
        common.line("  equal decisions", same, "", *((f">= {DECISIONS}", same >= DECISIONS) if kind != "keras" else ()))
        print(f"    largest difference {equal['max_abs']:.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, nargs="+", default=[], metavar="FILE", help="trained models")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        file, engine, folder = options.child
        print(json.dumps(judge(Path(file), engine, Path(folder))))
        return
    from geoml.backend import use_device
    from geoml.tasks.patchnet import line

    use_device("cpu", 1)
    for name in options.model or NETWORKS:
        with common.workspace() as folder:
            np.save(folder / "line.npy", line.line(TRACES, SAMPLES).amplitudes)
            print(f"{name}:", flush=True)
            compare(name if isinstance(name, Path) else trained(name, folder / "model.keras"), folder, options.rounds)


if __name__ == "__main__":
    main()
