"""What is reported of tremor runs: scores, calibration, occlusion, traces to show, and the figures of a run."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit_settings

from geoml import config, metrics
from geoml.calibration import scaled
from geoml.evaluate import evaluate as evaluate_run
from geoml.evaluate import predict
from geoml.files import plain, write_json
from geoml.fit import fit
from geoml.models import Model, save
from geoml.predictions import Predictions, load
from geoml.store import Store, StoreWriter
from geoml.tasks.tremor import SAMPLES, task
from geoml.tasks.tremor.datasets.tree import block
from geoml.tasks.tremor.evaluation import SHOWN, evaluate, occlusion, scores_of
from geoml.tasks.tremor.figures import draw_run
from geoml.tasks.tremor.metrics import f1, pr_auc, precision, recall

N = 64  # half of the traces are for training, an eighth for validation, a quarter for testing, the rest unused
RUN = {"task": "tremor", "dataset": "bursts", "variant": "tried", "seed": 0}
CLASSES = task.CLASSES
FIGURES = {"curves", "confusion", "traces"}
OF_EMBEDDINGS = {"embedding_pca", "embedding_tsne", "neighbours"}
KINDS = ("noise", "tremor", "earthquake", "tremor", "", "tremor")


def two(p: Any) -> np.ndarray:
    """(n, 2) float32 probabilities of no tremor and tremor."""
    return np.column_stack([1 - np.asarray(p, float), p]).astype(np.float32)


def write_bursts(folder: Path, n: int = N) -> Path:
    """Noise, and in every second trace bursts, some too weak; six kinds, eight events, four stations."""
    rng, number = np.random.default_rng(0), np.arange(n)
    waves = rng.standard_normal((n, SAMPLES), np.float32)
    for row in range(1, n, 2):
        waves[row, 4000:4400] *= rng.uniform(1, 4)
    waves -= waves.mean(axis=1, keepdims=True)
    rows = [
        {"id": f"trace_{k}", "group": f"event_{k // 8}", "station": f"YY.S{k // 2 % 4}", "component": "BHZ",
         "label": k % 2, "kind": KINDS[k % 6], "distance_km": 3000.0 if k % 4 else np.nan, "start": 0.0, "rate_hz": 20,
         "flat_s": 0, "clipped_s": 0, "after_origin_s": 750.0}
        for k in number.tolist()
    ]  # fmt: skip
    with StoreWriter(folder) as writer:
        writer.append(block(list(waves / waves.std(axis=1, keepdims=True)), rows, []))
        table = writer.columns()
        table["split"] = np.array([0, 0, 0, 0, 1, 2, 2, -1], np.int8)[number // 2 % 8]
        meta = {"task": "tremor", "dataset": "bursts", "data_source": "synthetic", "citation": "", "fold": None}
        meta |= {"prepare": {"norm": "per_trace"}, "split": {"by": ["group", "station"]}}
        writer.finish(table, meta | {"audit": task.audit(table, "bursts")})
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(write_bursts(tmp_path_factory.mktemp("data") / "bursts"))


class Fake(Model):
    """A network whose p(tremor) is made of traces (n, 20000) by a function."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray], **meta: Any) -> None:
        network = type("Network", (), {"output_names": ["tremor"]})
        super().__init__(network, {"run": RUN, "temperature": 1.0, "threshold": 0.5} | meta)
        self.answer = answer

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        return {"tremor": two(self.answer(x[..., 0]))}


def by_peak(waves: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(6 - np.abs(waves).max(axis=1)))


def evaluated(model: Any, store: Store) -> tuple[dict[str, Any], dict[str, Any], dict[str, Predictions]]:
    sets = {name: predict(model, task, store, name) for name in ("test", "val", "train")}
    return *evaluate(model, store, *sets.values()), sets


def predictions(truth: Any, p: Any, group: Any = None) -> Predictions:
    truth = np.asarray(truth)
    return Predictions(np.arange(len(truth)) if group is None else group, truth.astype(np.int8), two(p), CLASSES)


def test_details_follow_from_the_predictions(store: Store):
    details, _, sets = evaluated(Fake(by_peak, threshold=0.3), store)
    for name, p in sets.items():
        said = np.maximum(p.output[np.arange(len(p)), p.truth], 1e-9)
        right = (p.output[:, 1] > 0.5) == (p.truth == 1)
        expected = {"n": len(p), "accuracy": right.mean(), "loss": -np.log(said).mean()}
        assert details["by_set"][name] == pytest.approx(expected, rel=1e-5)
    p = sets["test"]
    called, tremor = p.output[:, 1] >= 0.3, p.truth == 1
    at = details["at_threshold"]
    cells = [[(~called & ~tremor).sum(), (called & ~tremor).sum()], [(~called & tremor).sum(), (called & tremor).sum()]]
    assert np.array_equal(at["confusion"], cells) and details["threshold"] == 0.3
    assert at["precision"] == pytest.approx((called & tremor).sum() / called.sum())
    assert at["recall"] == pytest.approx((called & tremor).sum() / tremor.sum())
    assert at["accuracy"] == pytest.approx((called == tremor).mean())
    assert at["f1"] == pytest.approx(2 / (1 / at["precision"] + 1 / at["recall"]))
    assert np.array_equal(details["confusion"], p.confusion) and details["overlap"] == store.meta["audit"]
    assert details == json.loads(json.dumps(details, allow_nan=False))


@pytest.mark.parametrize("stratum", ["kind", "station", "component"])
def test_every_trace_is_of_one_kind_station_and_component(store: Store, stratum: str):
    details, _, sets = evaluated(Fake(by_peak, threshold=0.9), store)
    p, parts = sets["test"], details[f"by_{stratum}"]
    assert sum(part["n"] for part in parts.values()) == len(p)
    right = sum(part["n"] * part["accuracy"] for part in parts.values())
    assert right == pytest.approx((p.decided == p.truth).sum())
    right = sum(part["n"] * part["accuracy_at_threshold"] for part in parts.values())
    assert right == pytest.approx(((p.output[:, 1] >= 0.9) == (p.truth == 1)).sum())
    assert sum(part["n"] * part["tremor"] for part in parts.values()) == pytest.approx((p.truth == 1).sum())
    values = set(store.samples[stratum][store.rows("test")].tolist())
    assert set(parts) == {value or "not given" for value in values}


@pytest.mark.parametrize("t", [0.4, 3.0])
def test_the_calibration_is_shown_from_what_the_network_said_before_its_temperature(store: Store, t: float):
    bare, _, sets = evaluated(Fake(by_peak), store)
    warm, _, changed = evaluated(Fake(by_peak, temperature=t), store)
    assert np.allclose(changed["test"].output, scaled(sets["test"].output, t), atol=1e-6)
    for name in ("temperature", "ece_before", "ece_after"):
        assert warm["calibration"][name] == pytest.approx(bare["calibration"][name], rel=1e-3), name
    for before, again in zip(*(of["calibration"]["bins_before"] for of in (bare, warm)), strict=True):
        assert again == pytest.approx(before, rel=1e-4)


def test_scores_of_counts_by_hand():
    assert scores_of(np.array([[5, 1], [2, 4]])) == pytest.approx(
        {"accuracy": 9 / 12, "precision": 4 / 5, "recall": 4 / 6, "f1": 8 / 11}
    )
    assert np.isnan(scores_of(np.array([[5, 0], [2, 0]]))["precision"])
    assert np.isnan(scores_of(np.array([[5, 0], [0, 0]]))["f1"])


def test_a_threshold_that_nothing_reaches_gives_no_precision(store: Store):
    details, _, _ = evaluated(Fake(by_peak, threshold=1.5), store)
    assert details["at_threshold"]["precision"] is None and details["at_threshold"]["recall"] == 0


def test_the_traces_shown_go_from_the_surest_right_to_the_surest_wrong_of_each_class(store: Store):
    _, examples, sets = evaluated(Fake(by_peak), store)
    p, rows = sets["test"], store.rows("test")
    assert examples["label"].tolist() == [0] * (SHOWN // 2) + [1] * (SHOWN // 2)
    for label in (0, 1):
        sure = p.output[p.truth == label, label]
        shown = examples["label"] == label
        said = np.abs(1 - label - examples["probability"][shown])
        assert said[0] == pytest.approx(sure.max(), rel=1e-5) and said[-1] == pytest.approx(sure.min(), rel=1e-5)
    for k, name in enumerate(examples["id"]):
        (row,) = rows[store.samples["id"][rows] == name]
        assert np.array_equal(examples["waves"][k], store.inputs[row])
        assert examples["kind"][k] == store.samples["kind"][row]
    assert np.array_equal(examples["truth"], p.truth) and np.array_equal(examples["score"], p.output[:, 1])


def test_occlusion_finds_the_slice_that_the_answer_hangs_on():
    """The network says tremor by the largest of the samples from 7 * 20 s on; another hangs on the whole."""
    waves = 0.1 * np.random.default_rng(0).standard_normal((3, SAMPLES), np.float32)
    for row, place in enumerate((0, 7, 49)):
        waves[row, place * 400 + 200] = 6
    found = occlusion(Fake(by_peak), waves)
    assert found.shape == (3, 50) and found.argmax(axis=1).tolist() == [0, 7, 49]
    second = np.sort(np.abs(waves), axis=1)[:, -2]
    assert np.allclose(found.max(axis=1), 6 - second, atol=1e-3)  # the logit is the peak less 6
    assert np.abs(np.sort(found, axis=1)[:, :-1]).max() < 1e-5


def test_occlusion_says_what_speaks_against_tremor():
    waves = np.zeros((1, SAMPLES), np.float32)
    waves[0, 1300] = 3
    found = occlusion(Fake(lambda x: 1 / (1 + np.exp(np.abs(x).max(axis=1)))), waves)
    assert found[0].argmin() == 3 and found[0, 3] == pytest.approx(-3, abs=1e-4)
    assert occlusion(Fake(lambda x: np.full(len(x), 0.5)), waves).tolist() == [[0] * 50]


@pytest.mark.parametrize("sign", [-1, 1])
def test_occlusion_of_a_sure_answer_is_not_lost_in_rounding(sign: int):
    """Odds of e^22 and, without the slice, e^16 or less."""
    waves = np.zeros((1, SAMPLES), np.float32)
    waves[0, [1300, 9000]] = 22, 16

    class Sure(Fake):
        def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
            rare = np.exp(-np.abs(x[..., 0]).max(axis=1).astype(float))
            return {"tremor": np.column_stack([rare, 1 - rare][::sign]).astype(np.float32)}

    assert occlusion(Sure(by_peak), waves)[0, 3] == pytest.approx(6 * sign, abs=1e-3)


def test_precision_recall_and_f1_are_those_of_tremor():
    p = predictions([0, 0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9, 0.2])
    assert (precision.score(p), recall.score(p), f1.score(p)) == (0.5, 0.5, 0.5)
    nothing = predictions([0, 1], [0.1, 0.2])
    assert np.isnan(precision.score(nothing)) and recall.score(nothing) == 0
    assert np.isnan(recall.score(predictions([0, 0], [0.1, 0.9])))


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("weighted", [False, True])
def test_pr_auc_is_the_average_precision_of_scikit_learn(levels: int, weighted: bool):
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(levels)
    for _ in range(20):
        truth, score = rng.integers(0, 2, 60), rng.integers(0, levels, 60) / levels
        p = predictions(truth, score, np.arange(60) // 3)
        if weighted:
            p = p.drawn(rng.integers(0, 3, 20).astype(float))
        expected = average_precision_score(truth, p.output[:, 1], sample_weight=p.weight)
        assert pr_auc.score(p) == pytest.approx(expected, abs=1e-9)


def test_pr_auc_is_undefined_without_tremor_and_its_share_without_knowledge():
    assert np.isnan(pr_auc.score(predictions([0, 0], [0.1, 0.2])))
    assert np.isnan(pr_auc.score(predictions([0, 1], [0.1, 0.2]).drawn(np.array([1.0, 0.0]))))
    assert pr_auc.score(predictions([0, 0, 0, 1], [0.5] * 4)) == 0.25
    assert pr_auc.score(predictions([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])) == 1


def test_the_usual_columns_are_scores_of_the_task():
    p = predictions([0, 1, 1], [0.2, 0.7, 0.4])
    for name in config.task_schema("tremor")["usual"]["columns"]:
        assert np.isfinite(metrics.find("tremor", name, CLASSES)(p))


def drawn(folder: Path) -> set[str]:
    """Stems of the figures of a run; each is there as PNG and SVG."""
    names = {path.name for path in folder.iterdir() if path.stat().st_size > 5000}
    stems = {Path(name).stem for name in names}
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    return stems


def write_run(folder: Path, keras: Any, store: Store, output: str) -> Path:
    """A model file with its records: an untrained network, whose answers are calibrated."""
    keras.utils.set_random_seed(0)
    wave = keras.Input((SAMPLES, 1), name="waveform")
    x = keras.layers.AveragePooling1D(100)(keras.layers.Rescaling(1.0)(wave) ** 2)
    x = keras.layers.Concatenate()([keras.layers.GlobalMaxPooling1D()(x), keras.layers.GlobalAveragePooling1D()(x)])
    last = {"embedding": keras.layers.Dense(3, name="embedding"),
            "tremor": keras.layers.Dense(2, activation="softmax", name="tremor")}  # fmt: skip
    network = keras.Model(wave, last[output](x))
    meta = task.model_meta(store.meta) | {"run": RUN, "task": "tremor", "model": "convnet", "classes": list(CLASSES)}
    meta |= {"args": {}, "data_source": "synthetic", "split_hash": store.meta["split_hash"], "outputs": [output]}
    model = Model(network, meta)
    meta |= task.calibrate(model, store)
    folder.mkdir()
    save(folder / "model.keras", network, meta)
    answer = model.infer(store.inputs[store.rows("val")][..., None])[output].tolist()
    kept = {"1": answer, "5": answer} if output == "embedding" else {}
    record = {"variant": {"model": "convnet"}, "n_train": N // 2, "n_val": N // 8}
    write_json(folder / "training.json", record | {"by_epoch": kept})
    (folder / "history.csv").write_text(
        "epoch,learning_rate,loss,accuracy,val_loss,val_accuracy\n1,0.01,0.9,0.5,1,0.5\n2,0.01,0.5,0.7,0.8,0.6\n"
    )
    return folder / "model.keras"


@pytest.mark.parametrize("output", ["tremor", "embedding"])
def test_a_network_is_evaluated_with_predictions_of_all_sets_and_all_figures(
    keras_on_cpu: Any, store: Store, tmp_path: Path, output: str
):
    content = evaluate_run(
        write_run(tmp_path / "model", keras_on_cpu, store, output), [store.folder], tmp_path / "evaluation"
    )
    more = OF_EMBEDDINGS if output == "embedding" else set()
    assert drawn(tmp_path / "evaluation/figures") == FIGURES | {"training"} | more
    kept = load(tmp_path / "evaluation/predictions.csv.gz", CLASSES)
    assert [split for _, split in kept] == ["test", "val", "train"]
    for (_, split), p in kept.items():
        assert np.array_equal(p.id, store.samples["id"][store.rows(split)])
        assert content["details"]["by_set"][split]["accuracy"] == pytest.approx((p.decided == p.truth).mean())
    assert json.loads((tmp_path / "evaluation/metrics.json").read_text()) == content
    rows = content["details"].get("clusters", [])
    assert [row["method"] for row in rows] == (
        ["kmeans_2", "kmeans", "gaussian_mixture", "hdbscan"] if output == "embedding" else []
    )
    for row in rows:
        assert {f"{score}_{of}" for score in ("ari", "nmi", "purity") for of in ("label", "event", "station")} < set(
            row
        )


def test_waves_of_the_neighbours_are_read_only_when_they_are_drawn(keras_on_cpu: Any, store: Store, tmp_path: Path):
    from geoml import models

    _, examples, _ = evaluated(models.load(write_run(tmp_path / "model", keras_on_cpu, store, "embedding")), store)
    rows = store.rows("test")
    assert len(examples["test_waves"]) == len(rows)
    assert all(np.shares_memory(wave, store.inputs) for wave in examples["test_waves"])
    assert np.array_equal(examples["test_waves"], store.inputs[rows])
    assert np.array_equal(examples["val_event"], store.samples["group"][store.rows("val")])


def test_a_baseline_is_evaluated_without_occlusion_training_and_clusters(store: Store, tmp_path: Path):
    variant = {"model": "baseline", "args": {"classifier": "constant"}, "fit": fit_settings(), "augment": {}}
    fit(RUN, variant, store.folder, tmp_path / "model/model.skops", tmp_path / "model/training.json")
    content = evaluate_run(tmp_path / "model/model.skops", [store.folder], tmp_path / "evaluation")
    assert drawn(tmp_path / "evaluation/figures") == FIGURES and "clusters" not in content["details"]
    assert content["scores"]["roc_auc"] == 0.5 and content["details"]["at_threshold"]["recall"] == 1


def shown(n: int = 3, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Content and examples of a test set of n traces, the last of which alone is tremor."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) == n - 1
    p = predictions(truth, np.linspace(0.2, 0.8, n))
    p.strata = {"kind": np.array(["", "noise"])[truth.astype(int)]}
    parts = {"noise": {"n": 1, "accuracy": 1.0}, "not given": {"n": n - 1, "accuracy": 0.0}}
    bins = [{"n": n, "confidence": 0.7, "accuracy": 0.5}]
    fit_to = {"temperature": 1.0, "ece_before": 0.1, "ece_after": 0.1, "bins_before": bins, "bins_after": bins}
    details = {"threshold": 0.5, "confusion": p.confusion, "by_kind": parts, "calibration": fit_to}
    examples = {"label": truth.astype(np.int8), "probability": p.output[:, 1], "kind": np.full(n, ""),
                "distance_km": np.full(n, np.nan), "after_origin_s": np.full(n, np.nan), "by_epoch": {},
                "id": np.array([f"trace_{k}" for k in range(n)]), "score": p.output[:, 1], "truth": p.truth,
                "waves": rng.standard_normal((n, SAMPLES), np.float32)}  # fmt: skip
    content = {"run": RUN, "data_source": "synthetic", "n_test": n, "n_train": 5, "details": plain(details)}
    return content, examples | changes


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the visible axes of figures are titled with, from now on."""
    from matplotlib.figure import Figure

    seen: list[str] = []
    savefig = Figure.savefig

    def watched(self: Any, *args: Any, **kwargs: Any) -> None:
        if Path(args[0]).suffix == ".png":
            seen.extend(axes.get_title(loc="left") for axes in self.axes if axes.get_visible())
        savefig(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", watched)
    yield seen


def test_figures_of_few_traces_of_which_little_is_known(tmp_path: Path, titles: list[str]):
    """Three traces: a silent one with a long name, one that the surface waves cross, and one without saliency."""
    content, examples = shown()
    examples["waves"][0] = 0
    examples["id"] = np.array(["positive/" + "long" * 60 + "/end.sac", "b", "c"])
    examples["distance_km"][1], examples["after_origin_s"][1] = 3000, 750
    examples["saliency"] = np.float32([[1, -1] * 25, [-2] * 50, [0] * 50])
    draw_run(tmp_path, content, {}, examples)
    assert drawn(tmp_path) == FIGURES
    traces = [title for title in titles if "probability of tremor" in title]
    assert len(traces) == 3 and all("kind not given" in title for title in traces)
    assert all(len(line) <= 80 for title in traces for line in title.split("\n")) and "long/end.sac" in traces[0]
    assert sum("wrong" in title for title in traces) == sum((examples["probability"] > 0.5) != (examples["label"] == 1))


def test_an_answer_of_one_half_is_shown_as_it_is_counted(tmp_path: Path, titles: list[str]):
    """Equal probabilities decide for the first class, no tremor; here both traces are tremor."""
    content, examples = shown(2, probability=np.full(2, 0.5, np.float32), label=np.ones(2, np.int8))
    draw_run(tmp_path, content, {}, examples)
    assert [title.endswith("wrong") for title in titles if "probability of tremor" in title] == [True, True]
    assert predictions([0, 1], [0.5, 0.5]).decided.tolist() == [0, 0]


@pytest.mark.parametrize("scale", [1, 1e-9])
def test_the_spectrogram_does_not_depend_on_the_unit(scale: float):
    from matplotlib.figure import Figure

    from geoml.tasks.tremor import figures

    wave = np.random.default_rng(0).standard_normal(SAMPLES, np.float32)
    images = []
    for factor in (1, scale):
        axes = Figure().subplots()
        figures._draw_spectrogram(axes, wave * np.float32(factor))
        images.append(axes.images[0].get_array())
    assert np.allclose(images[0], images[1], atol=1e-2) and np.ptp(images[1]) > 20


def test_curves_go_through_the_counts_at_every_probability():
    from matplotlib.figure import Figure

    from geoml.tasks.tremor import figures

    left, right = Figure().subplots(1, 2)
    truth, score = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.7, 0.7, 0.7, 0.1])
    figures._draw_curves(left, right, truth, score, 0.8, "black")
    assert np.allclose(left.lines[0].get_xydata(), [[0, 0], [0, 0.5], [2 / 3, 1], [1, 1]])
    assert np.allclose(right.lines[0].get_xydata(), [[0.5, 1], [1, 0.5], [1, 0.4]])
    assert np.allclose(left.lines[2].get_xydata(), [[0, 0.5]]) and np.allclose(right.lines[2].get_xydata(), [[0.5, 1]])
