"""The command ``geoml``: train, predict, import-weights, search, validate and describe without Snakemake.

Nothing heavy is imported before a command needs it, so that ``geoml --help`` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from geoml import __version__, options, registry
from geoml.errors import InputError

_CONFIG = "config/config.yaml"
_FIT = ("epochs", "batch_size", "learning_rate", "schedule", "patience", "monitor", "monitor_mode", "loss")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when all went well, 2 when an input cannot be used."""
    options = _parser().parse_args(arguments)
    if "run" not in options:
        _parser().print_help()
        return 0
    try:
        options.run(options)
    except InputError as error:
        print(f"geoml: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("geoml: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="geoml", description="Deep learning in the geosciences, one model at a time.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    train = commands.add_parser("train", help="train one network on one data set of the configuration")
    train.set_defaults(run=_train)
    train.add_argument("task", choices=registry.tasks())
    train.add_argument("--dataset", required=True, help="name of a data set in the configuration")
    train.add_argument("--model_name", required=True, help="a file of geoml/tasks/TASK/models/")
    train.add_argument("--save_name", help="name of results/models/manual/NAME.keras (default: MODEL_DATASET)")
    train.add_argument("--GPU", "--gpu", metavar="NUMBER", help="train on this GPU; without it, on the CPU")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--init_from", type=Path, metavar="FILE", help="model file to start from (fine-tuning)")
    train.add_argument("--params", type=Path, metavar="FILE", help="parameter file of the original system (JSON)")
    train.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    for name in _FIT:
        train.add_argument(f"--{name}", help="as `fit` in the configuration (default: the task's)")
    _config(train)

    predict = commands.add_parser("predict", help="use a trained model on your own files")
    predict.set_defaults(run=_predict)
    predict.add_argument("task", choices=registry.tasks())
    predict.add_argument("--model", type=Path, metavar="FILE", help="model file (default: the task's exported best)")
    options.of_prediction(predict)

    weights = commands.add_parser("import-weights", help="make a model of the original system's published weights")
    weights.set_defaults(run=_import_weights)
    weights.add_argument("task", choices=[task for task in registry.tasks() if registry.has_part(task, "weights")])
    weights.add_argument("file", type=Path, metavar="FILE", help="weights as the original wrote them")
    weights.add_argument("-o", "--out", required=True, type=Path, metavar="MODEL", help="model file to write (.keras)")

    search = commands.add_parser("search", help="say where the architecture searches of a task stand")
    search.set_defaults(run=_search)
    search.add_argument("task", choices=[task for task in registry.tasks() if registry.has_part(task, "space")])
    search.add_argument(
        "--retry-failed", action="store_true", help="list the candidates that failed, to be tried again"
    )
    search.add_argument("--yes", action="store_true", help="with --retry-failed: forget their failures")
    _config(search)

    validate = commands.add_parser("validate", help="check a configuration and its data")
    validate.set_defaults(run=_validate)
    validate.add_argument("config", type=Path)

    describe = commands.add_parser("describe", help="say what is in a data set, preparing it if need be")
    describe.set_defaults(run=_describe)
    describe.add_argument("task", choices=registry.tasks())
    describe.add_argument("dataset", help="name of a data set in the configuration, or a folder")
    describe.add_argument("--reader", help="with a folder: file of geoml/tasks/TASK/datasets/ that reads it")
    _config(describe)
    return parser


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default=_CONFIG, help="configuration file (default: %(default)s)")


def _train(options: argparse.Namespace) -> None:
    from geoml import config, manual

    content = config.read(options.config)
    fit = {name: config.number(getattr(options, name)) for name in _FIT if getattr(options, name) is not None}
    path = manual.train(
        content, options.config, options.task, options.dataset, options.model_name, fit,
        save_name=options.save_name, seed=options.seed, gpu=options.GPU, init_from=options.init_from,
        params=options.params, threads=options.threads,
    )  # fmt: skip
    print(f"wrote {path}")


def _predict(given: argparse.Namespace) -> None:
    from geoml.predict import best_model, predict

    if not (model := given.model):
        model = best_model(given.task)
        print(f"using {model}")
    print(predict(given.task, given.inputs, given.out, model, **options.settings(given)))


def _import_weights(options: argparse.Namespace) -> None:
    if options.out.suffix != ".keras":
        raise InputError(options.out, "--out", "a model file to write (.keras)", options.out.suffix or "no suffix")
    print(registry.load_task(options.task, "weights").import_weights(options.file, options.out))


def _search(options: argparse.Namespace) -> None:
    from geoml import config, search_state

    content = config.resolve(config.read(options.config), options.config)["tasks"]
    if options.task not in content:
        raise InputError(options.config, "tasks", f"the task {options.task!r}", ", ".join(content))
    searches = content[options.task]["searches"]
    if not options.retry_failed:
        print("\n".join(search_state.report(options.task, searches)) or "no searches in the configuration")
        return
    lines = list(search_state.retry_failed(options.task, searches, really=options.yes))
    print("\n".join(lines) or "no candidate has failed")
    if lines and not options.yes:
        print("nothing was changed: give --yes, then run the workflow again")


def _validate(options: argparse.Namespace) -> None:
    from geoml import config, manual

    for line in manual.check(config.resolve(config.read(options.config), options.config)):
        print(line)


def _describe(options: argparse.Namespace) -> None:
    from geoml import config, manual

    content = config.read(options.config)
    print(manual.describe(content, options.config, options.task, options.dataset, options.reader))
