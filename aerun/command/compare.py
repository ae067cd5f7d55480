"""`aerun compare RUN|SWEEP...`: what differs between runs, and what came of it."""

import argparse
import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from aerun.command.parser import Parser
from aerun.core.console import Console
from aerun.core.errors import AerunError
from aerun.core.files import replace
from aerun.core.text import counted, say
from aerun.evaluate.verdict import plain
from aerun.formats.cells import guarded
from aerun.runs.comparison import difference
from aerun.runs.figures import cell, higher_is_better, of_task, others, ranked, require_figures
from aerun.runs.fingerprint import change
from aerun.runs.folder import Folder
from aerun.runs.groups import Group, Run, ends_of, label, objective, options, selected, short, tried
from aerun.runs.identity import differences
from aerun.runs.same_data import data_label, different_data
from aerun.runs.sizes import front, front_of, prefix_words, sizes_of
from aerun.sweep.constraints import held_first
from aerun.sweep.pruned import outcome_of

_FIGURES = ("objective", "test/se", "pca/se", "seconds")


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_args(argv)
    runs, keys, groups = selected(args.paths, args.where)
    different = different_data([run for group in groups for run in group.runs])
    if different and not args.any_data:
        raise AerunError(
            f"these runs are of different data ({different}), so their figures cannot be ranked. --any-data ranks them all the "
            "same; --where KEY=VALUE chooses runs of one; aerun show RUN says what its data were."
        )
    usual = dict.fromkeys((_FIGURES[0], *others(runs), *of_task(runs), *_FIGURES[1:]))
    figures = require_figures(args.measures.split(",") if args.measures else usual, runs)
    sort = require_figures([args.sort], runs)[0] if args.sort else figures[0]
    name = objective(runs, sort)
    held, rest, limits = held_first(ranked(groups, sort, name), args.paths)
    groups = [*held, *rest]
    arrow = "↑" if higher_is_better(name) else "↓"
    words = {k: f"objective ({name})" if k == sort == "objective" else k for k in figures}
    if len(runs) == 2:
        _lead(runs[0], runs[1])
    _show(groups[: args.top], keys, {k: f"{word} {arrow}" if k == sort else word for k, word in words.items()}, bool(different))
    if different:
        say(f"ranked over different data, as asked: {different}; the column `data` tells them apart")
    if limits:
        say(limits)
    _tell(groups, held, keys, runs, args)
    if args.udr:
        # Deferred: it loads models, and with them torch, which a comparison of figures does without.
        from aerun.command.agreement import tell

        tell(groups, keys)
    if args.atoms:
        # Deferred: it loads models too.
        from aerun.command.matched_atoms import tell_atoms

        tell_atoms(groups, keys)
    if args.csv:
        _write(args.csv, groups, keys, figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun compare",
        description="One row for each choice of settings, best first: mean and standard deviation over seeds. Only settings "
        "that differ are shown. The best two are held against each other: a 95 % interval of the difference of their test "
        "errors over seeds and test samples, corrected for having picked them out of all the settings.",
        epilog="example: aerun compare outputs/sweeps/NAME --where model=ae,vae --sort test/psnr --csv table.csv",
    )
    options(parser, "RUN|SWEEP", "the first figure")
    parser.add_argument(
        "--measures",
        "--figures",
        metavar="A,B",
        help=f"keys of results.json (default: {','.join(_FIGURES)}, and the task's own)",
    )
    parser.add_argument("--any-data", action="store_true", help="rank runs of different data too; a column tells them apart")
    parser.add_argument(
        "--udr",
        action="store_true",
        help="also tell how far runs that differ in their seed alone (five or more) found the same units: unsupervised "
        "disentanglement ranking, from the codes of test samples",
    )
    parser.add_argument(
        "--atoms",
        action="store_true",
        help="also tell how alike the dictionaries are that runs which differ in their seed alone learned: the cosines of "
        "atoms matched one to one, beside as many random directions (model/arch=linear)",
    )
    parser.add_argument("--top", type=int, metavar="N", help="the best N only")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all of them, mean, deviation and seeds in own columns")
    return parser


def _show(groups: Sequence[Group], keys: Sequence[str], figures: Mapping[str, str], data: bool) -> None:
    """Print the table. figures: key -> its name in the table's head; data: say in a column which data it was."""
    console = Console(wide=160)
    table = Table()
    for key in keys:
        table.add_column(key)
    for name in figures.values():
        table.add_column(name, justify="right")
    table.add_column("seeds", justify="right")
    if data:
        table.add_column("data")
    for group in groups:
        named = [data_label(group)] if data else []
        table.add_row(*(short(s) for s in group.settings), *(cell(group, k) for k in figures), str(len(group.runs)), *named)
    console.print(table)


_LED = 6  # settings that are named


def _lead(first: Run, second: Run) -> None:
    """Say in which settings and data two runs differ, and what became of each."""
    settings = differences(*(Folder(run.path).config() for run in (first, second)))
    named = "; ".join(settings[:_LED]).replace(" there, ", " and ").replace(" here", "")
    more = f"; {len(settings) - _LED} more" if len(settings) > _LED else ""
    say(f"settings  {named or 'the same'}{more}")
    say(f"data      {change(first.data, second.data) or 'the same'}")
    for run in (first, second):
        say(f"outcome   {run.path}: {run.results.get('verdict') or (plain(run.results) if run.complete else run.unfinished)}")


def _tell(
    groups: Sequence[Group], held: Sequence[Group], keys: Sequence[str], runs: Sequence[Run], args: argparse.Namespace
) -> None:
    if args.top is not None and len(groups) > args.top:
        say(f"{args.top} of {len(groups)} settings shown")
    if sizes := sizes_of(held, keys):
        say(sizes.words())
    for group in groups:
        if words := prefix_words(group):
            say(f"{label(group, keys) or 'this run'}: {words}")
    if measures := front_of(args.front, runs):
        first, second = measures
        best = front(held, first, second)
        rows = "; ".join(f"{label(g, keys)} ({cell(g, first)}, {cell(g, second)})" for g in best)
        say(f"nothing beats these in both {first} and {second}: {rows}")
    if words := ends_of(runs):
        say(f"{counted(tried(runs, keys), 'setting')}, {counted(len(runs), 'run')}{words}; the table is of the complete ones")
    if len(groups) > 1:
        comparison = difference(groups[0], groups[1], tried(runs, keys))
        first, second = (label(group, keys) for group in groups[:2])
        say(
            comparison.words(first, second)
            if comparison
            else f"{first} against {second}: cannot tell: no errors of the same test samples, or none at all in the second."
        )
    fewest = min(len(group.runs) for group in groups)
    if fewest < 3:
        say(f"{fewest} seed{'s' * (fewest > 1)} of some settings: a deviation wants three or more.")
    for path in args.paths:
        for line in outcome.lines() if (outcome := outcome_of(path)) else ():
            say(line)
    for one in runs:
        if one.pruned:
            say(f"{one.unfinished}: {one.path}")
        elif not one.complete:
            say(f"not complete: {one.path}: {one.unfinished}")


def _write(path: Path, groups: Sequence[Group], keys: Sequence[str], figures: Sequence[str]) -> None:
    heads = [*keys, *(f"{k}{part}" for k in figures for part in ("", " deviation")), "seeds", "runs"]
    try:
        with io.StringIO(newline="") as text:
            out = csv.writer(text)
            out.writerow(map(guarded, heads))
            for group in groups:
                values = [v for k in figures for v in (group.mean(k), group.deviation(k))]
                numbers = ["" if math.isnan(v) else f"{v:.8g}" for v in values]
                seeds = " ".join(str(r.seed) for r in group.runs)
                paths = " ".join(str(r.path) for r in group.runs)
                out.writerow([*map(guarded, group.settings), *numbers, seeds, guarded(paths)])
            replace(path, text.getvalue())
    except OSError as e:
        raise AerunError(f"--csv {path}: {e.strerror or e}.") from e
    say(f"{path}: {len(groups)} settings")
