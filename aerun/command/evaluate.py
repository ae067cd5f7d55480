"""`aerun evaluate RUN...`: what trained models are good for, beside the baselines that make it honest."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.logs import log_to_terminal
from aerun.core.text import say
from aerun.report import terminal
from aerun.runs.folder import Folder

if TYPE_CHECKING:
    from aerun.trained import Trained
from aerun.core.paths import say_data


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_args(argv)
    log_to_terminal()
    for path in args.runs:
        _one(path, args)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun evaluate",
        description="Ask trained runs what they are good for: each application is a table with the baselines that make it "
        "honest. Figures go into the run's evaluation.json and into TensorBoard.",
        epilog="example: aerun evaluate outputs/runs/2026-01-31_12-00-00_model=sparse --ask probe,retrieval",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of completed runs")
    parser.add_argument("--ask", metavar="NAMES", help="applications with commas between; all (the default): those that fit")
    parser.add_argument(
        "--pictures",
        metavar="NAMES",
        help="draw these (default, all, or names with commas between); asks nothing without --ask",
    )
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--data", metavar="PATH", help="where the data are now: the file, a folder that holds it, or a URL")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    parser.add_argument(
        "--list", action="store_true", help="say what each application asks and each picture shows, and why not of a run"
    )
    return parser


def _one(path: Path, args: argparse.Namespace) -> None:
    # deferred: keeps --help without torch
    from aerun.inference.loading import trained as load
    from aerun.runs.checkpoint import run_folder

    path = run_folder(path)
    say_data(Folder(path).config(), args.data)
    trained, folder = load(path, args.weights, args.trust, args.data)
    if args.list:
        _list(trained)
        return
    if args.pictures is not None:
        _draw(args.pictures.split(","), trained, path)
    if args.pictures is None or args.ask is not None:
        _ask((args.ask or "all").split(","), trained, folder, args.weights)


def _list(trained: "Trained") -> None:
    # deferred: keeps --help without torch
    from aerun import pictures
    from aerun.evaluate import applications

    for room in (applications, pictures):
        say(f"{'--ask' if room is applications else '--pictures'}")
        for name in room.names():
            why = room.unsupported_reason(name, trained.autoencoder, trained.dataset).rstrip(".")
            say(f"  {name:<16} {room.summary(name)}{f' (not here: {why})' if why else ''}")


def _draw(asked: list[str], trained: "Trained", path: Path) -> None:
    # deferred: keeps --help without torch
    from aerun import pictures
    from aerun.logger.several import Loggers
    from aerun.pictures.canvas.album import draw_all

    names = pictures.select_pictures(asked, trained.autoencoder, trained.dataset)
    loggers = Loggers.of_folder(path, Folder(path).config())
    for drawn in draw_all(names, trained, path, loggers):
        say(f"drawn {drawn}")
    loggers.close()


def _ask(asked: list[str], trained: "Trained", folder: Folder, weights: str) -> None:
    # deferred: keeps --help without torch
    from aerun.evaluate import applications
    from aerun.evaluate.suite import ask_all
    from aerun.inference.notes import cells_of
    from aerun.logger.rows import last_epoch
    from aerun.logger.several import Loggers

    names = applications.select_applications(asked, trained.autoencoder, trained.dataset)
    if not names:
        raise AerunError(f"{folder.path}: no application fits this run; --list says why.")
    say(f"{folder.path}, {weights} weights")
    metrics = ask_all(names, trained, terminal.application)
    kept = {k: v for k, v in folder.read("evaluation.json").items() if k.partition("/")[0] not in names}
    cells = cells_of(trained.dataset, trained.autoencoder.preparation, trained.data)
    counts = {f"data/{k}": n for k, n in trained.dataset.counts.items()}
    folder.evaluation({**kept, **metrics, **cells, **counts, "weights": weights})
    loggers = Loggers.of_folder(folder.path, folder.config())
    loggers.figures(metrics, last_epoch(folder.path))
    loggers.close()
    say(f"written to {folder.path / 'evaluation.json'}")
