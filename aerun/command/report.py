"""`aerun report SWEEP...`: one page of HTML that answers what the sweep asked."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.files import replace
from aerun.core.text import counted, say
from aerun.report.chart import Chart
from aerun.report.curves import curves
from aerun.report.learning import learning_chart
from aerun.report.page import page
from aerun.runs.figures import of_task, others, ranked, require_figures
from aerun.runs.groups import Group, ends_of, objective, options, selected, tried
from aerun.runs.sizes import front_of, sizes_of
from aerun.sweep.budget import sentence
from aerun.sweep.constraints import held_first
from aerun.sweep.pruned import Outcome, outcome_of

_FIGURES = ("objective", "test/se", "pca/se", "test/psnr", "test/fvu", "codes/dead", "codes/effective_rank", "seconds")


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_args(argv)
    runs, keys, groups = selected(args.paths, args.where)
    sort = require_figures([args.sort], runs)[0] if args.sort else "objective"
    name = objective(runs, sort)
    numbers = {k for r in runs for k in r.results}
    figures = [k for k in dict.fromkeys((sort, *_FIGURES[:1], *others(runs), *of_task(runs), *_FIGURES[1:])) if k in numbers]
    held, rest, limits = held_first(ranked(groups, sort, name), args.paths)
    groups, sizes = [*held, *rest], sizes_of(held, keys)
    drawn = curves(groups, keys, sizes, front_of(args.front, runs))
    outcomes = [one for path in args.paths if (one := outcome_of(path))]
    drawn += [chart for one in outcomes if (chart := learning_chart(one.learned(), one.pruning.objective))]
    if args.figures:
        return _figures(args.figures, drawn, groups, keys, figures)
    path = args.output or args.paths[0] / "report.html"
    told = [line for one in outcomes for line in _sentences(one)]
    told += [words for path in args.paths if (words := sentence(path))]
    title = f"{'Sweep' if runs[1:] else 'Run'} {args.paths[0].resolve().name}"
    try:
        replace(
            path,
            page(
                title,
                groups,
                keys,
                runs,
                figures,
                (sort, name),
                sizes,
                drawn,
                limits,
                told,
            ),
        )
    except OSError as e:
        raise AerunError(f"--output {path}: {e.strerror or e}.") from e
    say(f"{path}: {counted(max(len(groups), tried(runs, keys)), 'setting')}, {counted(len(runs), 'run')}{ends_of(runs)}")
    return 0


def _sentences(outcome: Outcome) -> list[str]:
    """Return what pruning saved and risked, in sentences."""
    return [f"{line[0].upper()}{line[1:]}." for line in outcome.lines()]


def _figures(
    folder: Path, charts: Sequence[Chart], groups: Sequence[Group], keys: Sequence[str], figures: Sequence[str]
) -> int:
    """Write charts and tables as files for a paper."""
    # deferred: numpy and matplotlib's style are for drawing alone
    from aerun.report.figures import write_figures

    names = write_figures(folder, charts, groups, keys, figures)
    say(f"{folder}: {', '.join(names)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun report",
        description="One HTML file without anything from elsewhere: what was swept, the best setting and how sure that is, "
        "curves with PCA beside them, every setting, reconstructions, failures, cost, and the command of every run.",
        epilog="example: aerun report outputs/sweeps/NAME",
    )
    options(parser, "SWEEP", "the objective")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="default: report.html in the first folder")
    about = "instead of the page: every chart as svg, pdf and png, the table as LaTeX, csv and Markdown"
    parser.add_argument("--figures", type=Path, metavar="DIR", help=about)
    return parser
