"""Networks for seismic patches: a training step and predictions, taking turns, and ResNet-50 beside them."""

import argparse
from typing import Any

from common import fit, line, turns

NETWORKS = ("v1_search", "v1_tf2", "v1_valid", "mobilenet_v2", "resnet50")
BATCH = 64


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    import numpy as np

    from geoml.backend import use_device
    from geoml.macs import macs
    from geoml.train import compiled

    use_device("cpu")
    settings = fit(batch_size=BATCH, learning_rate=1e-4, clip_value=10)
    meta: dict[str, Any] = {"dataset": "none", "input_shape": [48, 48]}
    networks = [
        compiled("patchnet", {"model": name, "args": {}, "fit": settings, "augment": {}}, meta, 0)[0]
        for name in NETWORKS
    ]
    x = np.random.default_rng(0).normal(0, 0.3, (BATCH, 112, 112, 1)).astype(np.float32)
    y = np.eye(2, dtype=np.float32)[np.arange(BATCH) % 2]
    works = {
        "training step, batch 64": (BATCH, lambda network: network.train_on_batch(x, y)),
        "prediction, batch 64": (BATCH, lambda network: network.predict_on_batch(x)),
        "prediction, batch 1": (20, lambda network: [network.predict_on_batch(x[:1]) for _ in range(20)]),
    }
    for words, (patches, work) in works.items():
        times = turns(rounds, *(lambda network=network, work=work: work(network) for network in networks))
        print(f"{words}, median of {rounds} rounds:")
        for name, network, spent in zip(NETWORKS, networks, times.T, strict=True):
            line(f"{name}, {macs(network) / 1e6:,.0f} M operations", patches / np.median(spent), "patches/CPU s")
            line("  against ResNet-50", float(np.median(times[:, -1] / spent)), "times")


if __name__ == "__main__":
    main()
