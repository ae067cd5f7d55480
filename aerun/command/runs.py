"""`aerun runs [FOLDER]`: past runs and live ones, newest first; their notes and tags."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from aerun.command.parser import Parser
from aerun.core.console import Console
from aerun.core.errors import AerunError, nearest
from aerun.core.text import say, span
from aerun.runs.figures import higher_is_better
from aerun.runs.folder import Folder
from aerun.runs.listing import STATUSES, Listed, listed, newest_first, run_folders

_SHOWN = 30
_FIGURES = ("test/se", "pca/se")


def run(argv: list[str]) -> int:
    """Show runs, or change the notes and tags of one."""
    args = _parser().parse_args(argv)
    if args.notes is not None or args.tags is not None:
        return _edit(args)
    top = args.folder or Path("outputs")
    if not top.is_dir():
        raise AerunError(f"{top}: no such folder. Give the one that holds your runs: aerun runs DIR.")
    paths = newest_first(run_folders(top))
    asked = bool(args.status or args.model or args.data or args.tag or args.sort)  # what needs to be known of every run
    runs = [listed(path) for path in (paths if asked or args.all else paths[: args.top])]
    kept = _filtered(runs, args)
    if args.sort:
        kept = _sorted(kept, args.sort)
    shown = kept if args.all else kept[: args.top]
    if shown:
        _show(shown, [*_FIGURES, *([args.sort] if args.sort and args.sort not in _FIGURES else [])])
    say(_count(len(shown), len(kept) if asked else len(paths), len(paths), top))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun runs",
        description="Past runs and live ones below a folder, newest first: status, data, model, squared error per test sample "
        "beside PCA of the same size, tags and notes. With --notes or --set-tags, FOLDER is one run, and they are set.",
        epilog="example: aerun runs outputs/sweeps --status failed,interrupted --sort test/se",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: outputs")
    parser.add_argument("--status", type=_statuses, metavar="A,B", help=f"only these: {', '.join(STATUSES)}")
    parser.add_argument("--model", metavar="WORD", help="only models whose name holds it")
    parser.add_argument("--data", metavar="WORD", help="only data whose name holds it")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="only runs with this tag")
    parser.add_argument("--sort", metavar="KEY", help="best of this figure of results.json first, such as test/psnr")
    parser.add_argument("--top", type=_count_of, default=_SHOWN, metavar="N", help=f"show N (default: {_SHOWN})")
    parser.add_argument("--all", action="store_true", help="show all")
    parser.add_argument("--notes", metavar="TEXT", help="set the notes of the run FOLDER; '' removes them")
    parser.add_argument("--set-tags", dest="tags", metavar="A,B", help="set the tags of the run FOLDER; '' removes them")
    return parser


def _statuses(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    for word in words:
        if word not in STATUSES:
            raise argparse.ArgumentTypeError(f"{word}: no such status{nearest(word, STATUSES)} ({', '.join(STATUSES)})")
    return words


def _count_of(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number of at least 1")
    return int(text)


def _edit(args: argparse.Namespace) -> int:
    """Write the notes and tags of one run into its run.json."""
    if args.folder is None or not Folder(args.folder).has("run.json"):
        raise AerunError(f"{args.folder or '--notes'}: notes and tags are set of one run: aerun runs RUN --notes 'TEXT'.")
    folder = Folder(args.folder)
    about = folder.read("run.json")
    if not about:
        raise AerunError(f"{args.folder / 'run.json'}: damaged: no table of JSON.")
    if args.notes is not None:
        about["notes"] = args.notes
    if args.tags is not None:
        about["tags"] = [tag.strip() for tag in args.tags.split(",") if tag.strip()]
    folder.write("run.json", about)
    say(f"{args.folder}: tags {', '.join(map(str, about.get('tags') or [])) or 'none'}; notes: {about.get('notes') or 'none'}")
    return 0


def _filtered(runs: Sequence[Listed], args: argparse.Namespace) -> list[Listed]:
    return [
        run
        for run in runs
        if (args.status is None or run.status in args.status)
        and (args.model is None or args.model in run.model)
        and (args.data is None or args.data in run.data)
        and all(tag in run.tags for tag in args.tag)
    ]


def _sorted(runs: Sequence[Listed], key: str) -> list[Listed]:
    """Return the runs, best first; those without the figure last. AerunError where none has it."""
    if all(run.figure(key) is None for run in runs) and runs:
        known = {k for run in runs for k in run.results if run.figure(k) is not None}
        raise AerunError(f"--sort {key}: no run here has such a figure{nearest(key, known)}.")
    sign = -1 if higher_is_better(key) else 1

    def place(run: Listed) -> tuple[bool, float]:
        value = run.figure(key)
        return (value is None or math.isnan(value), 0.0 if value is None or math.isnan(value) else sign * value)

    return sorted(runs, key=place)


def _show(runs: Sequence[Listed], figures: Sequence[str]) -> None:
    console = Console(wide=200)
    table = Table()
    tagged, noted = any(run.tags for run in runs), any(run.notes for run in runs)
    for name in ("started", "status", "data", "model"):
        table.add_column(name, no_wrap=name == "started")
    for name in figures:
        table.add_column(f"{name} {'↑' if higher_is_better(name) else '↓'}", justify="right")
    for name, there in (("tags", tagged), ("notes", noted)):
        if there:
            table.add_column(name)
    table.add_column("folder", overflow="fold")
    for run in runs:
        words = [*([", ".join(run.tags)] if tagged else []), *([run.notes] if noted else [])]
        table.add_row(run.started, _status(run), run.data, run.model, *(_cell(run, k) for k in figures), *words, str(run.path))
    console.print(table)


def _status(run: Listed) -> str:
    if run.status == "running":
        left = "" if run.left is None else f", {span(run.left)} left"
        return f"running: epoch {run.epoch}{left}"
    why = run.why.splitlines()[0] if run.why else ""
    return f"{run.status}: {why}" if why else run.status


def _cell(run: Listed, key: str) -> str:
    value = run.figure(key)
    return "-" if value is None else f"{value:.4g}"


def _count(shown: int, kept: int, all_of_them: int, top: Path) -> str:
    """Return how many there are, and how to see the rest."""
    words = f"{kept:,} of {all_of_them:,} runs" if kept < all_of_them else f"{kept:,} run{'' if kept == 1 else 's'}"
    more = f"; {shown:,} shown (--all shows the rest)" if shown < kept else ""
    return f"{words} below {top}{more}"
