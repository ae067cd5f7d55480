"""What a search says at its end."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from rich.table import Table

from aerun.core.console import Console, styled
from aerun.core.text import counted
from aerun.report.terminal import look
from aerun.runs.groups import short
from aerun.settings.shells import command_line
from aerun.sweep.constraints import MEASURED, SEEDS, feasible, in_words
from aerun.sweep.grid import Grid, outcomes
from aerun.sweep.pruned import outcome_of
from aerun.sweep.study import Opened, finished

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

Failed = list[tuple[list[str], str]]  # jobs that are not complete, with the reason

_BEST = 10  # trials that are shown


def tell(opened: Opened, folder: Path, grid: Grid, path: Path, counted_out: Callable[[Failed], Failed] = list) -> bool:
    """Print how many of the trials are complete, the best or the Pareto front, and failures. Did anything fail?

    path: the folder as it is shown. counted_out: returns the jobs that are not complete without those that are excused.
    """
    from optuna.trial import TrialState

    study, trials = opened.study, opened.trials
    ended = finished(study)
    complete = [t for t in ended if t.state == TrialState.COMPLETE]
    failed = counted_out(outcomes(folder, {})[1])
    if not ended and not failed:
        return False
    console = Console(wide=160)
    pruned = sum(t.state == TrialState.PRUNED for t in ended)
    failures, left = len(ended) - len(complete) - pruned, max(0, trials - len(ended))
    more = [f"{count} {word}" for count, word in ((pruned, "pruned"), (failures, "failed"), (left, "left")) if count]
    console.print(", ".join([f"{len(complete)} of {len(ended) + left} trials completed", *more]), style="bold")
    if complete:
        _best(console, study, complete, grid.search)
    for line in outcome.lines() if (outcome := outcome_of(folder)) else ():
        console.say(line)
    for typed, reason in failed:
        words = [o for o in typed if o.partition("=")[0] in (*grid.search["drawn"], "seed")] or typed
        console.say(f"not complete: {' '.join(words)}: {reason}", style="red")
    console.say(f"sweep {path}\nsee   {look(path / 'job')}")
    return bool(failed or failures)


def _best(console: Console, study: "Study", complete: Sequence["FrozenTrial"], search: Any) -> None:
    """Print the best trials; of several objectives those that no other beats in all of them, sorted by the last.

    Only trials that hold the constraints are among them, where there are any.
    """
    limits: Mapping[str, float] = search.get("constraints") or {}
    held = [t for t in complete if feasible(t)]
    if limits:
        console.say(f"{len(held)} of {counted(len(complete), 'point')} hold {in_words(limits)}{_among(held)}")
    # Deferred: Optuna is an extra.
    from optuna.study import StudyDirection

    signs = [-1 if d == StudyDirection.MAXIMIZE else 1 for d in study.directions]
    front = len(signs) > 1
    points = _front(held, signs) if front else held
    chosen = sorted(points, key=lambda t: signs[-1] * t.values[-1])
    distinct = list({tuple(t.params.items()): t for t in reversed(chosen)}.values())[::-1]
    shown = distinct if front else distinct[:_BEST]
    if not shown:
        return
    console.print(_table(shown, search, signs, limits))
    seeds = f", means over {search['seeds']} seeds" if search["seeds"] > 1 else ""
    if front:
        console.print(f"Pareto front: no other trial is better in one figure and as good in the others{seeds}")
        return
    fixed = [o for o in search["fixed"] if not (limits and o.startswith("objective="))]  # with the figures of the constraints
    objective = [f"objective={search['objectives'][0]}"] if limits else []
    words = [*(f"{k}={v}" for k, v in shown[0].params.items()), *fixed, *objective]
    console.say(f"best of {counted(len(distinct), 'point')}{seeds}: {command_line(['aerun', *words])}")
    if len(shown) > 1 and search["seeds"] > 1:
        console.say(against(shown[0], shown[1], len(distinct), signs[0]))


def _among(held: Sequence["FrozenTrial"]) -> str:
    return "; the others are not recommended" if held else ": none is recommended; a wider space or other bounds would do"


def _front(trials: Sequence["FrozenTrial"], signs: Sequence[int]) -> list["FrozenTrial"]:
    """Return the trials that no other one beats: is as good in all objectives, and better in one."""
    at = [[sign * v for sign, v in zip(signs, t.values, strict=True)] for t in trials]
    beaten = [any(b != a and all(y <= x for x, y in zip(a, b, strict=True)) for b in at) for a in at]
    return [t for t, one in zip(trials, beaten, strict=True) if not one]


def _table(trials: Sequence["FrozenTrial"], search: Any, signs: Sequence[int], limits: Mapping[str, float]) -> Table:
    table = Table()
    for key in search["drawn"]:
        table.add_column(styled(key.lstrip("+"), ""))
    for key, sign in zip(search["objectives"], signs, strict=True):
        table.add_column(styled(f"{key} {'↑' if sign < 0 else '↓'}", ""), justify="right")
    for key in limits:
        table.add_column(styled(key, ""), justify="right")
    for trial in trials:
        measured = trial.user_attrs.get(MEASURED, {})
        drawn = (short(str(trial.params[k])) for k in search["drawn"])
        table.add_row(*drawn, *_figures(trial), *(f"{measured[k]:.6g}" if k in measured else "-" for k in limits))
    return table


def _figures(trial: "FrozenTrial") -> list[str]:
    """Return each objective, with its deviation over seeds where there are several."""
    columns = list(zip(*trial.user_attrs.get(SEEDS, []), strict=False))
    spread = [f" ± {stdev(column):.2g}" if len(column) > 1 else "" for column in columns]
    return [f"{v:.4g}{s}" for v, s in zip(trial.values, spread or [""] * len(trial.values), strict=True)]


def against(best: "FrozenTrial", second: "FrozenTrial", points: int, sign: int) -> str:
    """Return how the two best points differ in the first objective, in words: seeds are the unit, and both have the same.

    The interval is Student's of the paired differences, at 95 % for all pairs of points (Bonferroni).
    """
    # Deferred: no other answer needs it.
    from scipy.stats import t as student

    rows = [[row[0] for row in trial.user_attrs.get(SEEDS, [])] for trial in (best, second)]
    if len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        return ""
    d = [sign * (b - a) for a, b in zip(*rows, strict=True)]
    pairs = points * (points - 1) // 2
    middle = fmean(d)
    reach = float(student.ppf(1 - 0.025 / pairs, len(d) - 1)) * stdev(d) / len(d) ** 0.5
    basis = f"95 % over {len(d)} paired seeds, corrected for {counted(pairs, 'pair')} of {counted(points, 'point')}"
    span = f"{middle - reach:.3g} to {middle + reach:.3g}"
    told = "the best is better than the second by" if middle - reach > 0 else "cannot tell the best from the second: better by"
    return f"{told} {span} ({basis})"
