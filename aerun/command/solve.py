"""`aerun solve DATA --for TASK --budget 10m`: a plan from the data, carried out, and its answer."""

import argparse
import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aerun.command.data import settings_of
from aerun.command.parser import Parser
from aerun.core.durations import seconds_of
from aerun.core.errors import AerunError, nearest
from aerun.core.logs import log_to_terminal
from aerun.core.signals import stop_on_signals
from aerun.core.text import say
from aerun.settings.catalog import catalog
from aerun.settings.overrides import config_of
from aerun.settings.shells import in_shell
from aerun.solve.tasks import TASKS

if TYPE_CHECKING:
    from aerun.solve.rules import Line

_PLANS = ("sweep", "search", "hydra", "experiment", "objective", "evaluate", "pictures", "+", "~")
_NAME = re.compile(r"[^\w.=-]+")


def run(argv: list[str]) -> int:
    """Run the verb."""
    args = _parser().parse_intermixed_args(argv)
    if args.task not in TASKS:
        raise AerunError(f"--for {args.task}: no such task{nearest(args.task, TASKS)}; one of {', '.join(TASKS)}.")
    budget = seconds_of("--budget", args.budget)
    words = settings_of(args.settings)
    for word in words:
        key = word.partition("=")[0]
        if key.startswith(_PLANS):
            raise AerunError(f"{word}: the plan settles that. Edit its file, and run it as its second line says.")
    log_to_terminal()
    stop_on_signals()
    return _solve(args, words, budget)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun solve",
        description="Look at data, write a plan that aerun itself runs (each line with its reason), carry it out within a "
        "budget of time, and end with a run, or with the words that PCA is enough. The choice is made on validation rows; test "
        "rows are looked at once, at the end. The same command again goes on.",
        epilog="example: aerun solve data.csv --for anomaly --budget 10m dataset.anomaly=fraud",
    )
    parser.add_argument("settings", nargs="+", metavar="DATA", help="a path, or dataset=NAME; and settings, KEY=VALUE")
    parser.add_argument("--for", dest="task", required=True, metavar="TASK", help=f"what it is for: {', '.join(TASKS)}")
    parser.add_argument("--budget", default="10m", metavar="TIME", help="from the command's start to its end (default: 10m)")
    parser.add_argument("--name", help="of the folder below --root (default: of the data and the task)")
    parser.add_argument("--fresh", action="store_true", help="remove an earlier plan of that name with its runs first")
    parser.add_argument("--root", type=Path, default=Path("outputs/solve"), metavar="DIR", help="where plans and their runs go")
    return parser


def _solve(args: argparse.Namespace, words: list[str], budget: float) -> int:
    # deferred: keeps --help without torch
    from aerun.core.collector import go_on
    from aerun.runs.folder import Folder
    from aerun.solve.answer import Answer
    from aerun.solve.conduct import PLAN, RESULTS, Conduct
    from aerun.sweep.billed import began

    go_on()
    task, (data, typed) = TASKS[args.task], _lines(words)
    folder = args.root / (_checked(args.name) if args.name else _name(words, task.name))
    if args.fresh:
        _remove(folder, PLAN)
    _refuse_other(Folder(folder).read(PLAN), folder, task.name, words)
    conduct = Conduct(task, folder, data, typed, words, began(), budget, _sweep)
    known = conduct.seen()
    plan = conduct.planned(known) if known is not None else None
    answer = Answer(conduct)
    pca = conduct.pca()
    start = time.perf_counter()
    if pca is not None:
        answer.candidate(pca, linear=True)
    reserve = conduct.reserve(time.perf_counter() - start - answer.judge.once)
    if plan is not None and known is not None:
        conduct.network(plan, known, reserve)
        _show(folder)
    why = conduct.networks(reserve)
    if why:
        say(f"plan   {why}")
        answer.left_out.append(f"networks: {why}")
    told = answer.told(answer.choice(conduct.trained(), pca), _source(words))
    Folder(folder).write(RESULTS, told)
    say(f"       {folder / RESULTS}; {told['seconds']:.0f} s of a budget of {budget:.0f} s")
    return 0


def _show(folder: Path) -> None:
    """Print what was written of a plan."""
    for path in sorted((folder / "experiment").glob("*.yaml")):
        say(f"plan   {path}")
        say("".join(f"       {line}\n" for line in path.read_text().splitlines()).rstrip("\n"))


def _sweep(words: list[str]) -> None:
    # deferred: Hydra is for what trains
    from aerun.command.train import run as train

    before = sys.argv
    sys.argv = [before[0], "-m", *words]
    try:
        train()
    finally:
        sys.argv = before


def _lines(words: list[str]) -> "tuple[list[Line], dict[str, str]]":
    """Return the lines of the settings that say which data are read, and the others by their keys."""
    from omegaconf import OmegaConf

    # deferred: keeps --help without torch
    from aerun.solve.rules import Line

    cfg, groups = config_of(words), catalog()
    data: list[Line] = []
    typed: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in groups:
            found = OmegaConf.select(cfg, key)
            plain = OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
            if key == "dataset.path":
                plain = _absolute(plain)
            value = json.dumps(plain)
        if key.partition(".")[0] == "dataset":
            data.append(Line(key, (value,), "typed"))
        else:
            typed[key] = value
    return data, typed


def _absolute(path: object) -> object:
    """Return paths as they are from anywhere."""
    if isinstance(path, list):
        return [_absolute(one) for one in path]
    return path if not isinstance(path, str) or "://" in path else str(Path(path).absolute())


def _source(words: list[str]) -> str:
    paths = [w.partition("=")[2] for w in words if w.startswith("dataset.path=")]
    return in_shell(paths[0]) if paths and not paths[0].startswith("[") else ""


def _name(words: list[str], task: str) -> str:
    option = next((w.partition("=")[2] for w in words if w.startswith("dataset=")), "digits")
    paths = [Path(w.partition("=")[2]).name for w in words if w.startswith("dataset.path=")]
    return _NAME.sub("_", "-".join([option, *paths, task]))[:120]


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w][\w.=-]*", name):
        raise AerunError(f"--name {name}: letters, digits, and . = - _ behind the first.")
    return name


def _remove(folder: Path, marker: str) -> None:
    """Remove a plan and its runs. Raises AerunError for a folder that holds anything else."""
    if not folder.exists():
        return
    if not (folder / marker).is_file() or folder.is_symlink():
        raise AerunError(f"{folder}: no plan of aerun solve: nothing is removed there. Choose another --name.")
    shutil.rmtree(folder)


def _refuse_other(before: dict[str, object], folder: Path, task: str, words: list[str]) -> None:
    """Raise AerunError where another plan is in the folder."""
    if before and (before.get("for") != task or before.get("typed") != words):
        typed = before.get("typed")
        was = " ".join(map(str, typed)) if isinstance(typed, list) else ""
        raise AerunError(
            f"{folder}: holds the plan of {was} --for {before.get('for')}. --name NAME puts this elsewhere, --fresh removes it."
        )
