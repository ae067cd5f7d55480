"""How far a sweep is, read from its folders alone: so from any terminal, and from any machine that sees them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.core.text import span
from aerun.runs import files
from aerun.runs.folder import Folder
from aerun.runs.listing import last_row, progress
from aerun.runs.lock import at_work
from aerun.runs.sizes import prefix_choice
from aerun.runs.status import PAUSED, PRUNED
from aerun.sweep.grid import FILE, Grid, found_in, job_folder, read
from aerun.sweep.nested_jobs import is_nested

DONE, FAILED, RUNNING, STOPPED, WAITING = "done", "failed", "running", "stopped", "waiting"
AT_RUNG = (PAUSED, PRUNED)
_FRESH = 60.0  # seconds: a run whose files changed since then is at work, though its lock is not seen from here
_WRITTEN = ("metrics.csv", "results.json", "checkpoints/last.ckpt")


@dataclass(frozen=True)
class Standing:
    """One job. epoch: `7/50`. rate: samples a second. left: seconds. seconds: what it took. why: a failure's words."""

    name: str
    typed: Sequence[str]
    state: str
    epoch: str = ""
    rate: float | None = None
    left: float | None = None
    seconds: float | None = None
    why: str = ""


def grid_of(folder: Path) -> Grid:
    """Return what a sweep's folder says of it. Raises AerunError for a folder that is no sweep's."""
    if not folder.is_dir():
        raise AerunError(f"{folder}: no such folder. Give a sweep's, such as outputs/sweeps/NAME.")
    grid = read(folder)
    if grid is None:
        other = "one run's folder: aerun show says what is known of it" if Folder(folder).has("config.yaml") else "no sweep"
        raise AerunError(f"{folder}: {other} (there is no {FILE} in it). Give a sweep's, such as outputs/sweeps/NAME.")
    return grid


def standings(folder: Path, grid: Grid, ended: dict[str, Standing] | None = None, brief: bool = False) -> list[Standing]:
    """Return how far each job is. ended: those that are known to be over, which are not read again, and are added to.

    brief: without epoch, rate and time left of a job that was begun.
    """
    ended = {} if ended is None else ended
    found = []
    first = grid.jobs or found_in(folder)
    nested = [name for name, typed in grid.jobs.items() if is_nested(typed)]
    further = {name: typed for name, typed in found_in(folder).items() if name not in first} if nested else {}
    for name, typed in {**first, **further}.items():
        one = ended.get(name) or _standing(folder, name, typed, brief)
        if one.state == DONE:
            ended[name] = one
        found.append(one)
    due = sum(_has_more(folder, name) for name in nested) - len(further)
    return found + [Standing("the size to take, by itself", (), WAITING)] * due


def _has_more(sweep: Path, name: str) -> bool:
    """Return whether a nested run is followed, or may still be, by one of the size to take."""
    try:
        results = Folder(job_folder(sweep, name)).read()
    except AerunError:  # its row says what is wrong with it
        return False
    return results.get("status") != "completed" or prefix_choice(results) is not None


def _standing(sweep: Path, name: str, typed: Sequence[str], brief: bool) -> Standing:
    try:
        path = job_folder(sweep, name)
        folder = Folder(path)
        results = folder.read()
        status = results.get("status")
        if status is None:
            return Standing(name, typed, RUNNING if at_work(path) else WAITING)
        if status == "completed":
            return Standing(name, typed, DONE, seconds=_number(results, "seconds"))
        if status == "failed":
            return Standing(name, typed, RUNNING if at_work(path) else FAILED, why=str(results.get("error") or ""))
        if status in AT_RUNG and not at_work(path):
            whole = f"{results.get('epochs')}/{results.get('planned_epochs')}"
            return Standing(name, typed, status, whole, seconds=_number(results, "seconds"))
        working = at_work(path) or (status == "running" and _changed(path))
        return Standing(name, typed, RUNNING if working else STOPPED, *(() if brief else _pace(folder)))
    except (AerunError, OSError) as e:
        return Standing(name, typed, FAILED, why=f"cannot be read: {e}")


def _pace(folder: Folder) -> tuple[str, float | None, float | None]:
    """Return the epoch, samples a second and seconds left of a run that was begun; nothing of what it has not yet written."""
    if not folder.has("config.yaml"):
        return "", None, None
    epoch, left = progress(folder, folder.read("run.json"))
    return epoch, _number(last_row(folder), "samples_per_second"), left


def _number(row: Mapping[str, object], key: str) -> float | None:
    try:
        return float(str(row[key]))
    except (KeyError, ValueError):
        return None


def _changed(path: Path) -> bool:
    """Return whether the run's files changed within the last minute."""
    times = [files.changed(path, name) for name in _WRITTEN if files.exists(path, name)]
    return time.time() - max(times, default=0.0) < _FRESH


def line(found: Sequence[Standing], left: float | None) -> str:
    """Return it in one line: `3 of 24 jobs done, 1 failed, 2 running, 18 waiting, about 5 min left`."""
    counts = {state: sum(one.state == state for one in found) for state in (FAILED, RUNNING, STOPPED, *AT_RUNG, WAITING)}
    done = sum(one.state == DONE for one in found)
    more = [f"{count} {state}" for state, count in counts.items() if count]
    return ", ".join([f"{done} of {len(found)} jobs done", *more, *([f"about {span(left)} left"] if left else [])])


def left_of(found: Sequence[Standing]) -> float | None:
    """Return the seconds until all are done, by what jobs took so far and as many at once as are running; None: not known."""
    running = [one for one in found if one.state == RUNNING]
    waiting = sum(one.state in (WAITING, STOPPED) for one in found)
    took = [one.seconds for one in found if one.seconds is not None and one.state == DONE]
    known = [one.left for one in running if one.left is not None]
    if not running or (waiting and not took) or not (took or known):
        return None
    mean = sum(took) / len(took) if took else 0.0
    whole = waiting * mean + sum(one.left if one.left is not None else mean for one in running)
    return max([whole / len(running), *known])
