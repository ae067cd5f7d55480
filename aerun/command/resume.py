"""`aerun resume RUN`: continue an interrupted run from its folder."""

import argparse
import logging
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.core.text import say


def run(argv: list[str]) -> int:
    """The verb."""
    parser = argparse.ArgumentParser(
        prog="aerun resume",
        description="Continue an interrupted run from its last checkpoint, in its own folder and with its own settings.",
        epilog="example: aerun resume outputs/runs/2026-01-31_12-00-00_model=sparse",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--epochs", type=int, help="train up to this many epochs in all instead of the run's own number")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    args = parser.parse_args(argv)

    from aerun.runs.folder import Folder

    folder = Folder(args.run.resolve())
    config, before = folder.config(), folder.read()
    if args.epochs is not None:
        if args.epochs < config["trainer"]["max_epochs"]:
            raise AerunError(
                f"--epochs {args.epochs}: this run is set to {config['trainer']['max_epochs']}; only more can be asked for."
            )
        config["trainer"]["max_epochs"] = args.epochs
    elif before.get("status") == "completed":
        say(f"{args.run} is complete: nothing to resume. More epochs: aerun resume {args.run} --epochs N")
        return 0
    _log_to(folder.path / "aerun.log")

    from aerun.command.train import command, stop_on_signals
    from aerun.inference.restore import TRUSTED
    from aerun.report import terminal
    from aerun.train import train

    stop_on_signals()
    typed = str(folder.read("run.json").get("command") or command())
    try:
        found = train(config, folder.path, typed, resume=True, trusted=(*TRUSTED, *args.trust))
    except KeyError as e:
        raise AerunError(f"{folder.path / 'config.yaml'}: damaged: {e} is missing.") from e
    terminal.results(found, f"{config['model']['name']} (resumed)", args.run)
    return 0


def _log_to(path: Path) -> None:
    """The same two places that a run's own logging has: the terminal and the run's log file."""
    logging.basicConfig(format="%(message)s", force=True)
    logging.getLogger().handlers[0].setLevel(logging.WARNING)
    try:
        handler = logging.FileHandler(path)
    except OSError as e:
        raise AerunError(f"cannot write to {path}: {e.strerror}.") from e
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("aerun").setLevel(logging.INFO)
    logging.getLogger("aerun").addHandler(handler)
