"""SeismicPatchNet on a small machine: windows per second, memory and answers of every way to judge a line; one thread.

The ways take turns, each in a process of its own, which says how large it was at most:

- ``keras``: the network on 63 windows a step, as the original did;
- ``sliding``: the exported network, window by window, float32 and int8;
- ``convolutional``: the exported network over tiles, float32 and int8. It is timed on the whole line.

Last the program of a bundle judges the whole line, if it can by tiles, as with NumPy and the runtime alone.
The networks are trained for a minute first, so that their decisions are not all alike.
"""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = ("v1_valid", "v1_search")
PATCHES, EPOCHS, RATE = 640, 4, 1e-3  # of the training
CALIBRATION = 64  # patches
TRACES, SAMPLES = 1200, 400
PART = 120  # traces that all ways judge
BATCH = 63
GAIN, DECISIONS, MEMORY = 10, 0.99, 120
PROGRAM = """
import sys
sys.modules |= dict.fromkeys(["matplotlib", "tqdm"])
sys.path.insert(0, sys.argv[1])
from geoml_pi.edge import main
assert main(["patchnet", sys.argv[2], "-o", sys.argv[3], "--model", sys.argv[4]]) == 0
from geoml.provenance import peak_memory_mb
print(peak_memory_mb())
"""


def prepared(folder: Path) -> Path:
    """A prepared set of synthetic patches, all but the last for training."""
    from geoml.store import Block, StoreWriter
    from geoml.tasks.patchnet import task
    from geoml.tasks.patchnet.synthetic import samples

    made, columns = samples(0, "train", np.arange(PATCHES))
    names = np.arange(PATCHES).astype("U")
    with StoreWriter(folder) as writer:
        writer.append(Block(made, {"id": names, "group": names, "label": columns["label"]}))
        table = writer.columns()
        table["split"] = (np.arange(len(table["id"])) == len(table["id"]) - 1).astype(np.int8)
        meta = {"task": "patchnet", "dataset": "bench", "data_source": "synthetic", "citation": "", "prepare": {}}
        writer.finish(table, meta | {"split": {}, "measured": task.measure(made, np.arange(PATCHES))})
    return folder


def trained(name: str, data: Path, path: Path) -> Path:
    """A network of the family after a short training."""
    import keras

    from geoml import models
    from geoml.store import Store
    from geoml.tasks.patchnet import task
    from geoml.tasks.patchnet.patches import network_input

    store = Store(data)
    rows = store.rows("train")
    x = network_input(store.inputs[rows], store.meta["measured"]["scale"])
    keras.utils.set_random_seed(0)
    network = models.build("patchnet", name, {}, x.shape[1:])
    network.compile(keras.optimizers.Adam(RATE), "categorical_crossentropy", metrics=["accuracy"])
    history = network.fit(x, np.eye(2)[task.truth(store, rows)], batch_size=32, epochs=EPOCHS, verbose=0)
    print(f"  trained to an accuracy of {history.history['accuracy'][-1]:.3f}", flush=True)
    run = {"task": "patchnet", "dataset": "bench", "variant": name, "seed": 0}
    meta = models.describe(run, {"model": name, "args": {}}, task, store.meta) | task.calibrate(None, store)
    models.save(path, network, meta)
    return path


def exported(path: Path, data: Path) -> dict[str, Path]:
    """The files of a trained network by format."""
    from geoml.export.network import to_onnx
    from geoml.export.quantize import quantize

    files = {"keras": path, "float32": path.with_name("model.onnx"), "int8": path.with_name("model.int8.onnx")}
    to_onnx(path, files["float32"])
    made = quantize(files["float32"], data, files["int8"], CALIBRATION)
    assert made["status"] == "made", made["status"]
    return files


def program(files: dict[str, Path], folder: Path) -> None:
    """Print how large the program of a bundle is at most on the whole line."""
    from geoml.export import bundle

    for name, text in bundle._program("patchnet"):
        path = folder / "bundle" / bundle.PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    card = {"task": "patchnet", "method": "", "bundle": [files["float32"].name]}
    (folder / "bundle/card.json").write_text(json.dumps(card))
    for kind in ("float32", "int8"):
        _, words = common.python(PROGRAM, folder / "bundle", folder / "line.npy", folder / "out", files[kind])
        memory = float(words.splitlines()[-1])
        common.line(f"the program, {kind}: peak memory", memory, "MB", f"<= {MEMORY}", memory <= MEMORY)


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

    found = run(part[:, :48] if engine == "sliding" else part)  # not timed: some is done once
    timed = part if engine == "sliding" else line
    start = time.process_time()
    mapped = run(timed)
    seconds = time.process_time() - start
    grid = mapped.grid if engine == "sliding" else found.grid
    np.save(folder / f"{file.name}.{engine}.npy", grid)
    return {"rate": mapped.windows / seconds, "memory": peak_memory_mb(), "windows": mapped.windows}


def compare(path: Path, data: Path, folder: Path, rounds: int) -> None:
    """Measure and print all ways of a trained network."""
    from geoml.tasks.patchnet import section

    files = exported(path, data)
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
    if found["float32", "convolutional"][0]:  # by which the program judges; else it would take minutes
        program(files, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
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
    for name in options.networks:
        with common.workspace() as folder:
            np.save(folder / "line.npy", line.line(TRACES, SAMPLES).amplitudes)
            print(f"{name}:", flush=True)
            data = prepared(folder / "data")
            compare(trained(name, data, folder / "model.keras"), data, folder, options.rounds)


if __name__ == "__main__":
    main()
