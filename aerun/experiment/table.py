"""Outcomes as tables: on the terminal, and as the pages of docs/experiments.md."""

import os
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from aerun.core.console import Console
from aerun.core.errors import AerunError
from aerun.experiment.plan import Run
from aerun.experiment.verdict import Outcome, Verdict
from aerun.runs.folder import surroundings

_COLUMNS = ("check", "obtained", "required", "measured before", "published", "")
_HEAD = """# Experiments

Made by `aerun experiment --all --short --seeds {seeds} --output docs/experiments.md`; not written by hand. *Required* is
what the command holds a run against, with slack over what was *measured before*; *published* figures are no bounds. Values are
medians over seeds with the smallest and the largest.
"""


def show(outcome: Outcome) -> None:
    """Print the table of one experiment, with what was left out and the seconds."""
    console = Console(wide=150)
    table = Table(title=f"{outcome.experiment.id}  {outcome.experiment.title}", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column)
    for row in _rows(outcome):
        table.add_row(*row)
    console.print(table)
    for line in (f"must hold: {outcome.experiment.must}", *_remarks(outcome)):
        console.say(line)
    console.print()


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write all of them as Markdown. Raises AerunError where the file cannot be written."""
    about = surroundings()
    versions = ", ".join(f"{k.removeprefix('versions/')} {v}" for k, v in about.items() if k.startswith("versions/"))
    seeds = max((len(o.seeds) for o in outcomes), default=0)
    parts = [_HEAD.format(seeds=seeds), f"Machine: {about['machine']}; {versions}."]
    for outcome in outcomes:
        parts.append("\n\n".join(_section(outcome)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(p.strip() for p in parts) + "\n", encoding="utf-8")
    except OSError as e:
        raise AerunError(f"--output {path}: {e.strerror}.") from e


def _section(outcome: Outcome) -> list[str]:
    experiment = outcome.experiment
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *_rows(outcome)]
    checks = "\n".join(f"| {' | '.join(_cell(c) for c in row)} |" for row in lines)
    commands = "\n".join(
        f"| {run.name} | `{_typed(run)}` | {_seconds(outcome, run.name)} |" for run in experiment.runs.values()
    )
    runs = f"| run | command | seconds |\n| --- | --- | --- |\n{commands}"
    remarks = "\n".join(f"- {line}" for line in _remarks(outcome))
    return [
        f"## {experiment.id}: {experiment.title}",
        experiment.must,
        checks,
        runs,
        remarks,
        f"Published: {experiment.source}",
    ]


def _rows(outcome: Outcome) -> list[list[str]]:
    return [
        [v.check.name, _obtained(v), v.check.required, v.check.measured, v.check.published, _word(v)] for v in outcome.verdicts
    ]


def _obtained(verdict: Verdict) -> str:
    if not verdict.values:
        return "-"
    middle = f"{statistics.median(verdict.values):.6g}"
    spread = f" ({min(verdict.values):.6g} to {max(verdict.values):.6g})" if len(verdict.values) > 1 else ""
    return middle + spread


def _word(verdict: Verdict) -> str:
    if verdict.holds is None:
        return verdict.why.partition(":")[0]
    return "holds" if verdict.holds else f"FAILS {verdict.why}".strip()


def _remarks(outcome: Outcome) -> list[str]:
    total = sum(sum(s) for s in outcome.seconds.values())
    lines = [f"seeds {', '.join(map(str, outcome.seeds))}; {total:.0f} s of runs (budget {outcome.experiment.budget} s a seed)"]
    lines += [f"{name} left out: {why}" for name, why in outcome.left_out.items()]
    return [*lines, *(f"{name} FAILED: {why}" for name, why in outcome.failed.items())]


def _seconds(outcome: Outcome, run: str) -> str:
    return ", ".join(f"{s:.1f}" for s in outcome.seconds.get(run, [])) or "-"


def _typed(run: Run) -> str:
    home = os.environ.get("AERUN_DATA", "")
    begun = [f"model.init_from={run.begins.upper()}"] if run.begins else []  # the folder of the run before it
    words = shlex.join(["aerun", *run.overrides, *begun])
    return words.replace(home, "$AERUN_DATA") if home else words


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
