"""Training through geoml's own loop against the bare Keras step on a fixed batch, in windows per CPU second."""

import common  # noqa: I001  (first: it sets the number of threads)

import argparse

import numpy as np

from geoml.backend import use_device
from geoml.store import Store
from geoml.train import Batches, compiled, one_epoch

BATCH, STEPS = 256, 12
TARGET, SHARE, PEER = 1000, 0.9, 624
NETWORKS = ("bulid_pp_model", "bulid_pd_model", "pd_model", "cnn_ross")
AUGMENT = {"shift": 20, "flip": 0.5, "stretch": 0.15, "noise": 0.3, "amplitude": 0.0, "glitch": 0.05}


def measure(name: str, store: Store, rounds: int) -> None:
    """Print the rates of one network; loop and bare step take turns, so that both meet the same disturbances."""
    variant = {"model": name, "args": {}, "fit": common.fit(batch_size=BATCH), "augment": AUGMENT}
    network, part = compiled("polarity", variant, store.meta, seed=0)
    batches = Batches(store, part, network.output_names, variant, seed=0)
    fixed = next(batches.epoch(1))

    def bare() -> None:
        for _ in range(len(batches)):
            network.train_on_batch(*fixed)

    start = common.cpu_seconds(lambda: network.train_on_batch(*fixed))
    one_epoch(network, batches, 1)
    pairs = np.array(
        [
            (common.cpu_seconds(lambda n=n: one_epoch(network, batches, n)), common.cpu_seconds(bare))
            for n in range(2, rounds + 2)
        ]
    )
    whole, step = len(batches) * BATCH / np.median(pairs, axis=0)
    share = float(np.median(pairs[:, 1] / pairs[:, 0]))
    print(f"{name}, {network.count_params():,} parameters, batches of {BATCH}, median of {rounds} rounds:")
    first = name == "bulid_pp_model"
    common.line(
        "end to end, all augmentations", whole, "windows/CPU s", *((f">= {TARGET:,}", whole >= TARGET) if first else ())
    )
    common.line("the same, best round", len(batches) * BATCH / pairs[:, 0].min(), "windows/CPU s")
    common.line("bare Keras step", step, "windows/CPU s")
    common.line("share of the bare step, median of pairs", 100 * share, "%", f">= {100 * SHARE:.0f}", share >= SHARE)
    common.line("the first step, with tracing", start, "CPU s")
    if first:
        common.line("against the PyTorch peer (624 windows/CPU s)", whole / PEER, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=NETWORKS)
    options = parser.parse_args()
    use_device("cpu", 1)
    with common.workspace(0.1) as folder:
        common.store(folder, round(STEPS * BATCH / 0.9))
        for name in options.networks:
            measure(name, Store(folder), options.rounds)


if __name__ == "__main__":
    main()
