"""`aerun data dataset=...`: what a run would read, looked at before anything is trained on it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.logs import log_to_terminal
from aerun.core.text import note
from aerun.settings.overrides import config_of, resolved
from aerun.settings.shells import in_shell
from aerun.settings.sources import Source


def run(argv: list[str]) -> int:
    """Run the verb. Return 0 where such a run would start, 2 where it would be refused."""
    args = _parser().parse_args(argv)
    settings = settings_of(args.settings)
    log_to_terminal()
    cfg, option = composed(settings, args.config_dir)
    # deferred: keeps --help without torch
    from aerun.command.data_survey import look

    return look(cfg, option, settings, args.output, dimension=not args.no_dimension)


def settings_of(words: Sequence[str]) -> list[str]:
    """Return the settings typed; one path stands for those that read it, which is said. AerunError for other words."""
    paths = [word for word in words if "=" not in word and not word.startswith("~")]
    if not paths:
        return list(words)
    # deferred: only for whoever typed a path
    from aerun.command.pointed import as_settings

    if len(paths) > 1:
        raise AerunError(f"{paths[1]}: one path at a time; several files of one data set are dataset.path=[A,B].")
    typed = as_settings(paths[0])
    note(f"{paths[0]}: read as {' '.join(map(in_shell, typed))}")
    return [*typed, *(word for word in words if word != paths[0])]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun data",
        description="Read what a run with these settings would read, and say what there is to know about it: shape, range, "
        "missing values, classes, duplicates, leaks between splits, constant elements, intrinsic dimension, and which losses "
        "and archs fit. A page of samples is drawn into outputs/data.",
        epilog="example: aerun data dataset=images dataset.path=DIR dataset.size=64. Exit code 2: the run would be refused.",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="as for a run: dataset=NAME, dataset.KEY=VALUE, ...; or a path",
    )
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with options of your own")
    parser.add_argument("--no-dimension", action="store_true", help="do not estimate the intrinsic dimension (some seconds)")
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/data"), metavar="DIR", help="where the picture goes")
    return parser


def composed(settings: Sequence[str], folder: Path | None) -> tuple[dict[str, Any], str]:
    """Return the resolved config of a command line, and the name of its data set."""
    if folder is not None and not folder.is_dir():
        raise AerunError(f"--config-dir {folder}: no such folder.")
    cfg = config_of(settings, None if folder is None else Source(str(folder)))
    option = str(cfg.hydra.runtime.choices["dataset"])
    return resolved(cfg), option
