"""`aerun clean [FOLDER]`: remove runs that are of no more use, or all but their best checkpoints."""

import argparse
import datetime
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.text import say
from aerun.runs import files
from aerun.runs.checkpoint import BEST, LAST
from aerun.runs.listing import Listed, listed, run_folders
from aerun.runs.lock import claimed
from aerun.runs.reuse import clear

_UNITS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}


def run(argv: list[str]) -> int:
    """Show what would be removed, ask, and remove it."""
    args = _parser().parse_args(argv)
    top = args.folder or Path("outputs")
    if not (args.failed or args.interrupted or args.older_than or args.checkpoints):
        raise AerunError("clean: say what: --failed, --interrupted, --older-than 30d or --checkpoints; it is shown first.")
    chosen = _chosen([listed(path) for path in run_folders(top)], args)
    weights = {run.path: _weight(run, args.checkpoints) for run in chosen}
    chosen = [run for run in chosen if weights[run.path]]
    for one in chosen:
        say(f"{_size(weights[one.path]):>9}  {one.started}  {one.status}  {one.path}{'/' + LAST if args.checkpoints else ''}")
    what = "last checkpoints" if args.checkpoints else "runs"
    say(f"{len(chosen):,} {what} below {top}, {_size(sum(weights.values()))}")
    if not chosen or not _agreed(args.yes):
        return 0
    for one in chosen:
        _remove(one.path, args.checkpoints)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun clean",
        description="Remove runs below a folder: those that failed, were interrupted, or are old; or with --checkpoints the "
        "last checkpoint of complete runs, so that the best one stays for use and no resume is possible. What would be removed "
        "is shown, and removed after a yes. Only what aerun wrote is removed, and nothing of a run that is at work.",
        epilog="example: aerun clean outputs --failed --older-than 30d",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: outputs")
    parser.add_argument("--failed", action="store_true", help="runs that failed")
    parser.add_argument("--interrupted", action="store_true", help="runs that were stopped before their end")
    parser.add_argument("--older-than", type=_days, metavar="TIME", help="only those begun before: 12h, 30d, 8w, 6m, 1y ago")
    parser.add_argument("--checkpoints", action="store_true", help="of complete runs all checkpoints but the best")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _days(text: str) -> float:
    match = re.fullmatch(r"(\d+)([hdwmy])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text}: must be a number and h, d, w, m or y, such as 30d")
    return int(match[1]) * _UNITS[match[2]]


def _chosen(runs: Sequence[Listed], args: argparse.Namespace) -> list[Listed]:
    """Return the runs that the flags mean, oldest last; none that is at work or cannot be read."""
    wanted = {word for word in ("failed", "interrupted") if getattr(args, word)}
    wanted |= {"completed"} if args.checkpoints else set()
    wanted = wanted or {"completed", "failed", "interrupted"}  # with --older-than alone
    kept = [run for run in runs if run.status in wanted]
    if args.older_than:
        limit = (datetime.datetime.now() - datetime.timedelta(days=args.older_than)).isoformat(" ", "seconds")
        kept = [run for run in kept if run.started < limit]
    return sorted(kept, key=lambda run: (run.started, str(run.path)), reverse=True)


def _weight(run: Listed, checkpoints: bool) -> int:
    if not checkpoints:
        return files.weight(run.path)
    both = all(files.exists(run.path, name) for name in (BEST, LAST))
    return files.size(run.path, LAST) if both else 0


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"


def _agreed(yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        say("nothing is removed: --yes removes them")
        return False
    return input("remove them? [y/N] ").strip().lower() in ("y", "yes")


def _remove(path: Path, checkpoints: bool) -> None:
    """Remove what aerun wrote in this folder, and the folder where nothing else is in it."""
    # Deferred: only here.
    from aerun import pictures

    with claimed(path):
        if checkpoints:
            files.remove(path, LAST)
            return
        clear(path, pictures.names())
    files.remove_empty(path.resolve().parent, path.resolve().name)
    if path.is_dir():
        say(f"{path}: stays: it holds files that aerun did not write")
