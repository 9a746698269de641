"""What is known of an export: its card, and the table of all of them."""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoml import registry, runtimes
from geoml.export import FORMATS
from geoml.files import checksum, plain, read_json

if TYPE_CHECKING:
    from pandas import DataFrame

_TIMED = ("latency_ms_p50", "latency_ms_p95", "samples_per_s", "peak_rss_mb", "load_s", "threads", "runtime")
_ABOUT = (
    "inputs", "outputs", "input_shape", "prepare", "classes", "licence", "citation", "method", "data_source",
    "data_fingerprint", "split_hash", "model_sha256", "geoml",
)  # fmt: skip

Card = dict[str, Any]


def card(
    choice: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    score: str,
    *,
    max_loss: float,
    bundle: Sequence[str],
) -> Card:
    """What an export says of itself; the same inputs give the same card, so no times are in it.

    Args:
        choice: What :func:`geoml.export.choose.choose` gave, with its ``run``.
        records: By format ``status``: ``made`` or why not.
        rows: What :func:`geoml.export.check.check` found.
        score: Name of the score that must not be lost.
        max_loss: How much of it a file may lose.
        bundle: Formats that are wanted in the bundle, the program's own first.

    Returns:
        Content of ``card.json``; ``formats`` has for each what was found, with a ``status`` in words: ``checked``,
        ``loses ...`` or why it was not made; ``bundle`` names the files that are to be bundled, none of a run on
        request. What is undefined is None.
    """
    checked = {row["format"]: row for row in rows}
    meta = runtimes.read_meta(checked["onnx"]["file"])
    formats: dict[str, dict[str, Any]] = {}
    for name in ("keras", *FORMATS):
        row = {key: value for key, value in checked.get(name, {}).items() if key not in (*_TIMED, "format", "file")}
        more = {"sha256": checksum(checked[name]["file"])} if row.get("status") == "checked" else {}
        if samples := records.get(name, {}).get("calibration_samples"):
            more["calibration_samples"] = samples
        status = row.get("status") or records[name]["status"]
        if isnan(lost := -row.get(f"{score}_change", 0)):
            status = f"{score} is undefined on this test set: not to be used"
        elif lost > max_loss:
            status = f"loses {lost:.4f} of {score}, more than {max_loss:g}: not to be used"
        formats[name] = row | {"status": status, "file": FORMATS.get(name)} | more
    training = read_json(Path(choice["model"]).with_name("training.json"))
    bundled = "table" in choice["chosen"] and registry.has_part(meta["task"], "predict")
    content = {
        "task": meta["task"],
        "run": choice["run"],
        "chosen": choice["chosen"],
        "score": score,
        "max_loss": max_loss,
        "formats": formats,
        "bundle": [FORMATS[name] for name in bundle if bundled and formats[name]["status"] == "checked"],
        "thresholds": {name: value for name, value in meta.items() if "threshold" in name or name == "temperature"},
        **{name: meta[name] for name in _ABOUT},
        "n_train": training["n_train"],
        "n_test": checked["keras"]["n_test"],
    }
    return plain(content)


def speeds(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By format what was timed: milliseconds, samples a second, memory; it depends on the machine."""
    return {row["format"]: {name: row[name] for name in _TIMED if name in row} for row in rows}


def table(cards: Iterable[Card], timed: Iterable[Mapping[str, Mapping[str, Any]]]) -> "DataFrame":
    """One row per export and format, the trained network first; a format that could not be made has its reason.

    ``value`` is that of the score which the column ``score`` names, on the whole test set; ``change`` is against the
    trained network on the same samples.
    """
    from pandas import DataFrame

    rows = []
    for of, times in zip(cards, timed, strict=True):
        score = of["score"]
        for name, found in of["formats"].items():
            ends = ("", "_ci_low", "_ci_high")
            rows.append(
                {
                    "task": of["task"],
                    "run": "/".join(map(str, of["run"].values())),
                    "format": name,
                    "status": "bundled" if found["file"] in of["bundle"] else found["status"],
                    "bytes": found.get("bytes"),
                    "max_abs_diff": found.get("max_abs_diff"),
                    "agreement": found.get("agreement"),
                    "score": score,
                    **{f"value{end}": found.get(f"{score}{end}") for end in ends},
                    **{f"change{end}": found.get(f"{score}_change{end}") for end in ends},
                    **{key: times.get(name, {}).get(key) for key in _TIMED},
                    "data_source": of["data_source"],
                    "n_train": of["n_train"],
                    "n_test": found.get("n_test"),
                    "n_seeds": 1,
                }
            )
    return DataFrame(rows)
