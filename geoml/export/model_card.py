"""The model card: what stands in ``card.json``, in words, with where the network must not be used."""

import json
from collections.abc import Mapping
from typing import Any

from geoml import registry
from geoml.export.card import Card

NAME = "MODEL_CARD.md"
_SYNTHETIC = (
    "Trained and tested on {source} data: its scores say nothing of real records. Take its answers for a trial, not "
    "for a finding."
)
_ENDED = {
    "epochs": "all that were asked for, so it may not have learnt all it could",
    "patience": "ended when the validation set no longer got better",
}
_ONNX = """```python
import numpy as np, onnxruntime

session = onnxruntime.InferenceSession("{file}")
x = np.zeros({shape}, np.float32)  # one sample, prepared as under "{heading}"
print(dict(zip([output.name for output in session.get_outputs()], session.run(None, {{"{name}": x}}))))
```"""
_IN_AND_OUT = "What goes in, what comes out"


def text(card: Card, words: Mapping[str, Any], training: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The model card of an export; the same inputs give the same text, so no times or machines are in it.

    Args:
        card: Content of ``card.json``.
        words: ``TITLE``, ``ABOUT`` and ``LIMITS`` of the task (:func:`geoml.texts.of`).
        training: Record of the training (``training.json``).
        data: Metadata of the prepared set that it was trained on.

    Returns:
        Markdown.
    """
    sections = {
        "What it is": _what(card, words),
        "What it was trained on": _trained_on(card, training, data),
        _IN_AND_OUT: _in_and_out(card),
        "How it was scored": _scored(card),
        "How to use it": _use(card),
        "Where it must not be used": _limits(card, words),
        "Where it comes from": _provenance(card, training),
    }
    lines = [f"# {words['TITLE']}: {_run(card)}", "", _source(card)]
    for heading, content in sections.items():
        lines += ["", f"## {heading}", "", *content]
    return "\n".join(lines) + "\n"


def _run(card: Card) -> str:
    run = card["run"]
    return f"{run['task']}/{run['dataset']}/{run['variant']}/seed{run['seed']}"


def _synthetic(card: Card) -> list[str]:
    """What always is to be said where any of the data are synthetic."""
    return [_SYNTHETIC.format(source=card["data_source"])] if "synthetic" in card["data_source"] else []


def _source(card: Card) -> str:
    said = _synthetic(card) or ["Trained and tested on real data, which are named below with their licence."]
    return f"**{said[0]}**"


def _what(card: Card, words: Mapping[str, Any]) -> list[str]:
    about = [words["ABOUT"], ""] if words["ABOUT"] else []
    return [*about, f"{_chosen(card['chosen'])} Method: {card['method'] or 'not said'}."]


def _chosen(chosen: Mapping[str, Any]) -> str:
    """By what rule it is this network."""
    if "table" not in chosen:
        return "A run that was asked for by its name."
    among = f"The best of {chosen['among']} networks" if chosen["among"] > 1 else "The only network that counted"
    on = " on validation data" if chosen["by"].startswith("val_") else ""
    return f"{among} in `{chosen['table']}`, by `{chosen['by']}`{on} ({chosen['value']:.3f})."


def _trained_on(card: Card, training: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    sizes, groups = data["split_samples"], data["split_groups"]
    synthetic = "synthetic" in card["data_source"]
    ended, kept = _ENDED[training["stopped_by"]], training["variant"]["fit"]["keep"]
    more = [f"- Started from: {_settings(training['started_from'])}"] if training["started_from"] else []
    return [
        f"- Data set: `{card['run']['dataset']}`, {card['data_source']}, read as `{data['reader']}`",
        f"- {'Generated in the formats and after the recipes of' if synthetic else 'To be cited'}: {card['citation']}",
        f"- Licence: {card['licence']}",
        f"- Training samples: {card['n_train']:,} of {data['samples']:,}; validation {sizes['val']:,}, "
        f"test {sizes['test']:,} (groups: {groups['train']:,}, {groups['val']:,}, {groups['test']:,})",
        f"- How test data were kept apart: {_split(data)}",
        f"- Seed: {card['run']['seed']}; {training['epochs']} epochs, {ended}; the {kept} one was kept",
        *more,
    ]


def _split(data: Mapping[str, Any]) -> str:
    """The split in words: what of one group, event or station stays on one side."""
    settings = data["split"]
    kinds = sorted({_by(one) for one in settings.get("members", [settings])})
    fold, same = data.get("fold"), data.get("duplicates", {}).get("test_in_train", 0)
    said = [*kinds, f"part {fold['fold'] + 1} of {fold['folds']} is the test set"] if fold else kinds
    return "; ".join([*said, f"**{same:,} test samples are identical to a training sample**"] if same else said)


def _by(settings: Mapping[str, Any]) -> str:
    by = settings["by"]
    if by == "official":
        return "the sets that the data set itself names"
    if by == "id":
        return "sample by sample at random: samples of one event, picture or experiment are on both sides"
    if by == "time":
        return "the newest groups are the test set"
    names = [by] if isinstance(by, str) else by
    named = ["group (event, experiment, source picture or line)" if name == "group" else name for name in names]
    return f"no {', and no '.join(named)} of the test set is in training"


def _in_and_out(card: Card) -> list[str]:
    lines = [f"- Input `{name}`: {_shape(shape)}, float32" for name, shape in card["inputs"].items()]
    lines += [f"- Output `{name}`: {_shape(shape)}" for name, shape in card["outputs"].items()]
    lines += [f"- Preparation (as in training; `geoml predict` does it): {_settings(card['prepare'])}"]
    classes = ", ".join(f"`{name}`" for name in card["classes"])
    lines += [f"- Classes, in the order of the output: {classes}" if classes else "- A value, no classes"]
    lines += [f"- Thresholds and temperature, from validation data: {_settings(card['thresholds'])}"]
    return [*lines, "- What else prediction needs stands in the files themselves, as their metadata"]


def _shape(shape: list[Any]) -> str:
    return " x ".join(map(str, shape))


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}` {_value(value)}" for name, value in settings.items()) or "none"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _scored(card: Card) -> list[str]:
    score = card["score"]
    lines = [
        f"On the whole test set: {card['n_test']:,} samples; intervals of 95 %, drawn over groups. Change: against the "
        "trained network on the same samples.",
        "",
        f"| file | {score} | change | decides alike | largest difference | kB | status |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in card["formats"].items():
        status = "in the bundle" if found["file"] in card["bundle"] else found["status"]
        cells = [
            f"`{found['file']}`" if found["file"] else "the trained network (Keras)",
            _interval(found, score, ".3f"),
            _interval(found, f"{score}_change", "+.3f") if name != "keras" else "",
            _number(found.get("agreement"), ".3f"),
            _number(found.get("max_abs_diff"), ".1e") if name != "keras" else "",
            _number(found.get("bytes") and found["bytes"] / 1000, ",.0f"),
            " ".join(status.replace("|", "/").split()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _interval(found: Mapping[str, Any], name: str, kind: str) -> str:
    """``0.850 (0.750 to 0.933)``; without its interval where that is undefined, empty where nothing was measured."""
    value, low, high = (found.get(f"{name}{end}") for end in ("", "_ci_low", "_ci_high"))
    if low is None or high is None:
        return _number(value, kind)
    return f"{_number(value, kind)} ({low:{kind}} to {high:{kind}})"


def _number(value: float | None, kind: str) -> str:
    return "" if value is None else f"{value:{kind}}"


def _use(card: Card) -> list[str]:
    """With geoml, in the bundle, and without either."""
    file, task = "model.onnx", card["task"]
    name, shape = next(iter(card["inputs"])), (1, *card["input_shape"])
    on_a_pi = [f"On a Raspberry Pi: the bundle `geoml-pi-{task}.tar.gz`, with its own README.", ""]
    with_geoml = [
        "With geoml, which reads your files, prepares them as in training, and applies thresholds and temperature "
        f"(`geoml predict {task} --help` says what it takes):",
        "",
        "```sh",
        f"geoml predict {task} INPUT... --model {file} -o out/",
        "```",
        "",
    ]
    lines = [
        *(with_geoml if registry.has_part(task, "predict") else []),
        *(on_a_pi if card["bundle"] else []),
        "The network alone, with NumPy and onnxruntime:",
        "",
    ]
    return lines + _ONNX.format(file=file, shape=shape, name=name, heading=_IN_AND_OUT).split("\n")


def _limits(card: Card, words: Mapping[str, Any]) -> list[str]:
    return [f"- {sentence}" for sentence in [*_synthetic(card), *words["LIMITS"]]]


def _provenance(card: Card, training: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in training["versions"].items())
    sums = [
        f"- sha256 of `{found['file']}`: `{found['sha256']}`"
        for found in card["formats"].values()
        if found["file"] and "sha256" in found
    ]
    return [
        f"- Run: `{_run(card)}`; exported by geoml {card['geoml']}",
        f"- Fingerprint of the data: `{card['data_fingerprint']}`; of the split: `{card['split_hash']}`",
        f"- sha256 of the trained network: `{card['model_sha256']}`",
        *sums,
        f"- Trained with: {versions}",
    ]
