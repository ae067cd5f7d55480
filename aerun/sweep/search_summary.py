"""What a search says at its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from aerun.core.console import Console, styled
from aerun.report.terminal import look
from aerun.runs.groups import short
from aerun.settings.shells import command_line
from aerun.sweep.grid import Grid, outcomes
from aerun.sweep.study import Opened, finished

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_BEST = 10  # trials that are shown


def tell(opened: Opened, folder: Path, grid: Grid, path: Path) -> bool:
    """Print how many of the trials are complete, the best or the Pareto front, and failures. Did anything fail?

    path: the folder as it is shown.
    """
    from optuna.trial import TrialState

    study, trials = opened.study, opened.trials
    ended = finished(study)
    complete = [t for t in ended if t.state == TrialState.COMPLETE]
    _, failed = outcomes(folder, {})
    if not ended and not failed:
        return False
    console = Console(wide=160)
    failures, left = len(ended) - len(complete), max(0, trials - len(ended))
    more = [f"{count} {word}" for count, word in ((failures, "failed"), (left, "left")) if count]
    console.print(", ".join([f"{len(complete)} of {len(ended) + left} trials completed", *more]), style="bold")
    if complete:
        _best(console, study, complete, grid.search)
    for typed, reason in failed:
        words = [o for o in typed if o.partition("=")[0] in (*grid.search["drawn"], "seed")] or typed
        console.say(f"not complete: {' '.join(words)}: {reason}", style="red")
    console.say(f"sweep {path}\nsee   {look(path / 'job')}")
    return bool(failed or failures)


def _best(console: Console, study: "Study", complete: Sequence["FrozenTrial"], search: Any) -> None:
    """Print the best trials; of several objectives those that no other beats in all of them, sorted by the last."""
    from optuna.study import StudyDirection

    front = len(study.directions) > 1
    sign = -1 if study.directions[-1] == StudyDirection.MAXIMIZE else 1
    numbers = {t.number for t in study.best_trials} if front else set()
    chosen = sorted((t for t in complete if not front or t.number in numbers), key=lambda t: sign * t.values[-1])
    distinct = list({tuple(t.params.items()): t for t in reversed(chosen)}.values())[::-1]
    table = Table()
    for key in search["drawn"]:
        table.add_column(styled(key.lstrip("+"), ""))
    for key, direction in zip(search["objectives"], study.directions, strict=True):
        table.add_column(styled(f"{key} {'↑' if direction == StudyDirection.MAXIMIZE else '↓'}", ""), justify="right")
    shown = distinct if front else distinct[:_BEST]
    for trial in shown:
        table.add_row(*(short(str(trial.params[k])) for k in search["drawn"]), *(f"{v:.4g}" for v in trial.values))
    console.print(table)
    seeds = f", means over {search['seeds']} seeds" if search["seeds"] > 1 else ""
    if front:
        console.print(f"Pareto front: no other trial is better in one figure and as good in the others{seeds}")
        return
    words = [*(f"{k}={v}" for k, v in shown[0].params.items()), *search["fixed"]]
    console.say(f"best of {len(distinct)} points{seeds}: {command_line(['aerun', *words])}")
