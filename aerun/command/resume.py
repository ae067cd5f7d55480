"""`aerun resume RUN`: continue an interrupted run from its folder."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from aerun.command.parser import Parser
from aerun.command.started import is_left_to_the_first
from aerun.core.durations import seconds_of
from aerun.core.errors import AerunError
from aerun.core.logs import log_to_terminal
from aerun.core.paths import say_data, with_data
from aerun.core.signals import stop_on_signals
from aerun.core.text import say
from aerun.report import banner, terminal
from aerun.runs.folder import Folder
from aerun.runs.log import log_into
from aerun.settings.borrowed import borrowed
from aerun.settings.shells import in_shell, retyped


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_args(argv)
    folder = Folder(args.run.resolve())
    config = folder.config()
    epochs = _epochs(folder, config)
    if args.time is not None:
        _give_time(config, args.time)
    if args.epochs is None and args.time is None and folder.read().get("status") == "completed":
        more = f"aerun resume {in_shell(str(args.run))} --epochs N{_more_time(folder)}"
        say(f"{args.run} is complete: nothing to resume. More epochs: {more}")
        return 0
    if args.epochs is not None:
        _lengthen(config, epochs, args.epochs)
    _refuse_lost_source(folder, config, args.run)
    if is_left_to_the_first([f"trainer.devices={config['trainer'].get('devices', 1)}"]):
        return 0
    say_data(config, args.data)
    log_to_terminal()
    with log_into(folder.path):
        _go_on(folder, with_data(config, args.data), args)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun resume",
        description="Continue an interrupted run from its last checkpoint, in its own folder and with its own settings.",
        epilog="example: aerun resume outputs/runs/2026-01-31_12-00-00_model=sparse",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--epochs", type=int, help="train up to this many epochs in all instead of the run's own number")
    parser.add_argument(
        "--time", metavar="TIME", help="train for so long in all, such as 20m, instead of the run's own trainer.max_time"
    )
    parser.add_argument("--data", metavar="PATH", help="where the data are now: the file, a folder that holds it, or a URL")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    return parser


def _refuse_lost_source(folder: Folder, config: dict[str, Any], typed: Path) -> None:
    warm = isinstance(config.get("model"), dict) and config["model"].get("init_from")
    names = [*(["model.init_from"] if warm else []), *(f"reg.terms.{k}.features" for k in borrowed(config))]
    if names and not folder.has("checkpoints/last.ckpt"):
        raise AerunError(
            f"{typed}: was stopped before its first checkpoint, which would hold the weights that {names[0]} names; "
            f"nothing is lost by starting it again: {retyped(str(folder.read('run.json').get('command', 'aerun ...')))}"
        )


def _epochs(folder: Folder, config: dict[str, Any]) -> int:
    """Return how many epochs the run is set to, by its settings or else by its data; 0 where it never got as far as these."""
    trainer = config.get("trainer")
    epochs = trainer.get("max_epochs", "none") if isinstance(trainer, dict) else "none"
    if not isinstance(epochs, int | None):
        raise AerunError(f"{folder.path / 'config.yaml'}: damaged: it has no number trainer.max_epochs.")
    return epochs if epochs is not None else folder.planned_epochs() or 0


def _lengthen(config: dict[str, Any], before: int, epochs: int) -> None:
    if epochs < before:
        raise AerunError(f"--epochs {epochs}: this run is set to {before}; only more can be asked for.")
    config["trainer"]["max_epochs"] = epochs


def _give_time(config: dict[str, Any], words: str) -> None:
    """Write into the config how long training may take in all. Raises AerunError for less than the run is set to."""
    before = config["trainer"].get("max_time") if isinstance(config.get("trainer"), dict) else None
    if before is None:
        raise AerunError(f"--time {words}: this run has no trainer.max_time: it trains to its end.")
    if seconds_of("--time", words) < seconds_of("trainer.max_time", before):
        raise AerunError(f"--time {words}: this run is set to {before}; only more can be asked for.")
    config["trainer"]["max_time"] = words


def _more_time(folder: Folder) -> str:
    """Return what goes on with a run that trainer.max_time ended; empty for any other."""
    return ", more time: --time LONGER" if folder.read().get("stopped") else ""


def _go_on(folder: Folder, config: dict[str, Any], args: argparse.Namespace) -> None:
    # deferred: keeps --help without torch
    from aerun.build.from_run import refuse_unlike
    from aerun.command.train import command
    from aerun.train import train

    stop_on_signals()
    typed = str(folder.read("run.json").get("command") or command())
    try:
        refuse_unlike(folder, config, args.trust)
        metrics = train(
            config, folder.path, typed, resume=True, trusted=tuple(args.trust), begun=partial(banner.begin, args.run)
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise AerunError(f"{folder.path / 'config.yaml'}: damaged: {e} is missing.") from e
    terminal.results(metrics, f"{config['model']['name']} (resumed)", args.run, config["dataset"].get("path"))
