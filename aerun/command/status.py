"""`aerun status SWEEP`: how far a sweep is, read from its folders, from any terminal."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.live import Live
from rich.table import Table

from aerun.command.parser import Parser
from aerun.core.console import Console, styled
from aerun.core.text import say, span
from aerun.settings.naming import own_overrides
from aerun.settings.shells import retyped
from aerun.sweep.budget import line as budget_line
from aerun.sweep.pruned import outcome_of
from aerun.sweep.standing import AT_RUNG, FAILED, RUNNING, STOPPED, WAITING, Standing, grid_of, left_of, line, standings

_SHOWN = 20  # jobs of a kind that are listed
_LISTED = (RUNNING, FAILED, STOPPED, *AT_RUNG)
_PAUSE = 2.0  # seconds between two looks


def run(argv: list[str]) -> int:
    """Say how far a sweep is; with --watch until it is over."""
    args = _parser().parse_args(argv)
    known: dict[str, Standing] = {}
    grid = grid_of(args.sweep)
    found = standings(args.sweep, grid, known)
    if not args.watch:
        console = Console(wide=140)
        console.say(line(found, left_of(found)), style="bold")
        if words := budget_line(args.sweep, found, time.time()):
            console.say(words)
        if any(one.state in _LISTED for one in found):
            console.print(_table(found))
        for words in _of_pruning(args.sweep, found):
            console.say(words)
        if words := _next(found, grid.command):
            console.say(words)
        return 0
    return _watch(args.sweep, known)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun status",
        description="How far a sweep is: jobs that are done, running, waiting, stopped, pruned and failed; of each that runs, "
        "its epoch, samples a second and time left. It is read from the sweep's folder alone: so another terminal can ask, and "
        "another machine that sees the folder.",
        epilog="example: aerun status outputs/sweeps/NAME --watch",
    )
    parser.add_argument("sweep", type=Path, metavar="SWEEP", help="folder of a sweep")
    parser.add_argument("--watch", action="store_true", help="look again every two seconds until nothing is left to do")
    return parser


def _watch(folder: Path, known: dict[str, Standing]) -> int:
    console, before = Console(wide=140), ""
    with Live(console=console, auto_refresh=False) if console.is_terminal else _Quiet() as live:
        while True:
            found = standings(folder, grid_of(folder), known)
            words = ". ".join(filter(None, (line(found, left_of(found)), budget_line(folder, found, time.time()))))
            if isinstance(live, Live):
                table = _table(found)
                table.title = styled(words, "bold")
                live.update(table, refresh=True)
            elif words != before:
                say(words)
            before = words
            if not any(one.state in (RUNNING, WAITING) for one in found):
                return 0
            time.sleep(_PAUSE)


class _Quiet:
    """Stands in for a live table where the output is no terminal."""

    def __enter__(self) -> "_Quiet":
        return self

    def __exit__(self, *args: object) -> None:
        return None


def _table(found: Sequence[Standing]) -> Table:
    """Return a row for each job that runs, failed, was stopped or pruned."""
    common = {o for o in found[0].typed if all(o in one.typed for one in found)} if len(found) > 1 else set()
    table = Table()
    table.add_column("job")
    table.add_column("")
    for head in ("epoch", "samples/s", "left"):
        table.add_column(head, justify="right")
    for state in _LISTED:
        some = [one for one in found if one.state == state]
        for one in some[:_SHOWN]:
            left = "" if one.left is None or state != RUNNING else span(one.left)
            words = styled(f"{one.state}{': ' * bool(one.why)}{one.why.splitlines()[0][:80] if one.why else ''}", "")
            rate = "" if one.rate is None else f"{one.rate:,.0f}"
            table.add_row(
                " ".join(o for o in own_overrides(one.typed) if o not in common) or one.name, words, one.epoch, rate, left
            )
        if len(some) > _SHOWN:
            table.add_row(f"and {len(some) - _SHOWN:,} more", state, "", "", "")
    return table


def _of_pruning(folder: Path, found: Sequence[Standing]) -> list[str]:
    """Return how many jobs came to each rung of a pruned sweep, and what pruning has saved and risked so far."""
    outcome = outcome_of(folder)
    if outcome is None or not outcome.curves:
        return []
    counts = [sum(rung in one.values for one in outcome.curves) for rung in range(outcome.pruning.end)]
    shares = zip(counts, outcome.pruning.shares, strict=True)
    rungs = ", ".join(f"{count} at {100 * share:.3g} %" for count, share in shares)
    ended = sum(not one.check for one in outcome.ended)
    return [f"rungs: {rungs} of the training, {ended} at its end", *outcome.lines()]


def _next(found: Sequence[Standing], command: str) -> str:
    """Return what goes on with a sweep of which something is left and at which nobody is at work."""
    over = not any(one.state == RUNNING for one in found)
    left = any(one.state in (WAITING, STOPPED, FAILED) for one in found)
    return f"next  {retyped(command)}" if over and left and command else ""
