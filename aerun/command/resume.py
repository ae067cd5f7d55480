"""`aerun resume RUN`: continue an interrupted run from its folder."""

import argparse
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.logs import log_into, log_to_terminal
from aerun.report import terminal
from aerun.runs.folder import Folder


def run(argv: list[str]) -> int:
    """The verb."""
    args = _parser().parse_args(argv)
    folder = Folder(args.run.resolve())
    config = folder.config()
    if args.epochs is None and folder.read().get("status") == "completed":
        print(f"{args.run} is complete: nothing to resume. More epochs: aerun resume {args.run} --epochs N")
        return 0
    if args.epochs is not None:
        _lengthen(config, args.epochs)
    log_to_terminal()
    with log_into(folder.path / "aerun.log"):
        _go_on(folder, config, args)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aerun resume",
        description="Continue an interrupted run from its last checkpoint, in its own folder and with its own settings.",
        epilog="example: aerun resume outputs/runs/2026-01-31_12-00-00_model=sparse",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--epochs", type=int, help="train up to this many epochs in all instead of the run's own number")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    return parser


def _lengthen(config: dict[str, Any], epochs: int) -> None:
    before = config["trainer"]["max_epochs"]
    if epochs < before:
        raise AerunError(f"--epochs {epochs}: this run is set to {before}; only more can be asked for.")
    config["trainer"]["max_epochs"] = epochs


def _go_on(folder: Folder, config: dict[str, Any], args: argparse.Namespace) -> None:
    # deferred: keeps --help without torch
    from aerun.command.train import command, stop_on_signals
    from aerun.inference.restore import TRUSTED
    from aerun.train import train

    stop_on_signals()
    typed = str(folder.read("run.json").get("command") or command())
    try:
        found = train(config, folder.path, typed, resume=True, trusted=(*TRUSTED, *args.trust))
    except KeyError as e:
        raise AerunError(f"{folder.path / 'config.yaml'}: damaged: {e} is missing.") from e
    terminal.results(found, f"{config['model']['name']} (resumed)", args.run)
