"""How far the jobs of a pruned sweep have come, kept in their own folders: rungs.json of a job, and all of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError, TrainingError
from aerun.logger.rows import best_row
from aerun.runs.contents import RUNGS
from aerun.runs.folder import Folder
from aerun.runs.status import PAUSED, PRUNED
from aerun.sweep.grid import Grid, found_in, job_folder, read
from aerun.sweep.pruning import Pruning, read_pruning
from aerun.sweep.rules import Member, Unit, dealt

_LEAD = "seed=0"  # of each point of a search, the seed that decides


def pruning_in(sweep: Path, grid: Grid | None = None) -> Pruning | None:
    """Return how the sweep in this folder is pruned, None where it is not. AerunError for a damaged sweep.json."""
    grid = grid or read(sweep)
    try:
        found = read_pruning(grid.prune) if grid is not None else None
    except ValueError as e:
        raise AerunError(f"{sweep / 'sweep.json'}: damaged: its pruning cannot be read ({e}).") from e
    return None if found is None else replace(found, begin=1) if later(sweep) else found


def later(sweep: Path) -> Mapping[str, Any]:
    """Return why the first rung of a sweep prunes nobody, as it was found when jobs had ended; empty where it does.

    correlation, jobs: of its figures with the ends, and of how many. checked: jobs that had ended for these figures alone.
    Raises AerunError for a damaged file.
    """
    found = Folder(sweep).read(RUNGS)
    if not found and not Folder(sweep).has(RUNGS):
        return {}
    try:
        return {
            "correlation": float(found["correlation"]),
            "jobs": int(found["jobs"]),
            "checked": [str(name) for name in found["checked"]],
        }
    except (KeyError, TypeError, ValueError) as e:
        path = sweep / RUNGS
        raise AerunError(f"{path}: damaged ({e}): remove it, and whether the first rung prunes is decided anew.") from e


def member(sweep: Path, name: str, pruning: Pruning) -> Member:
    """Return how far a job is: by its results, whose figures are then read, and by what was said of it.

    So a kill between the end of a part of training and the note of it changes nothing. AerunError for a damaged rungs.json.
    """
    path = job_folder(sweep, name)
    results = Folder(path).read()
    status = results.get("status")
    content = Folder(path).read(RUNGS) if status is not None else {}
    try:
        values = {int(rung): float(v) for rung, v in (content.get("values") or {}).items()}
        stopped = content.get("stopped")
        to, check = int(content.get("to") or 0), bool(content.get("check"))
        found = Member(
            name,
            values,
            to,
            None if stopped is None else int(stopped),
            begun=status is not None,
            ended=status == "completed",
            failed=status == "failed",
            check=check,
        )
    except (TypeError, ValueError, AttributeError) as e:
        raise AerunError(f"{path / RUNGS}: damaged ({e}): remove it, and the job's figures are read anew.") from e
    level = _level(path, results, pruning) if not check else -1
    if level >= 0 and not all(rung in values for rung in range(min(level + 1, pruning.end))):
        found = with_figures(sweep, found, pruning, level)
    return replace(found, to=pruning.end) if found.ended and not check else found


def _level(path: Path, results: Mapping[str, Any], pruning: Pruning) -> int:
    """Return the level at which a run stopped or ended; -1 where it is before the first, or its training was cut short."""
    if results.get("status") == "completed":
        return pruning.end
    if results.get("status") not in (PAUSED, PRUNED):
        return -1
    whole, done = whole_epochs(path), int(results.get("epochs") or 0)
    return sum(pruning.epochs(rung, whole) <= done for rung in range(pruning.end)) - 1


def write(sweep: Path, one: Member) -> None:
    """Write down how far a job is, and what was said of it, where that is not written yet."""
    kept = {k: v for k, v in asdict(one).items() if k in ("values", "to", "stopped", "check")}
    content = {**kept, "values": {str(r): v for r, v in sorted(one.values.items())}}
    folder = Folder(job_folder(sweep, one.name))
    if folder.read(RUNGS) != content:
        folder.write(RUNGS, content)


def units_of(jobs: Mapping[str, Sequence[str]], pruning: Pruning) -> list[tuple[int, tuple[str, ...]]]:
    """Return the settings of a sweep, each with the rung it begins with and the names of its jobs, which differ in the seed.

    Of a search only the jobs that decide.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, typed in jobs.items():
        if pruning.searched and not decides(typed, pruning):
            continue
        groups.setdefault(tuple(o for o in typed if not o.lstrip("+").startswith("seed=")), []).append(name)
    return [(dealt(n, names[0], pruning), tuple(names)) for n, names in enumerate(groups.values())]


def decides(typed: Sequence[str], pruning: Pruning) -> bool:
    """Return whether a job is pruned itself: of a point of a search that has several seeds the first is."""
    return not pruning.searched or pruning.seeds == 1 or _LEAD in typed


def table(sweep: Path, pruning: Pruning) -> list[Unit]:
    """Return all settings of a sweep as they stand."""
    grid = read(sweep)
    jobs = (grid.jobs if grid is not None else {}) or found_in(sweep)
    layout = units_of(jobs, pruning)
    return [Unit(n, tuple(member(sweep, name, pruning) for name in names), first) for n, (first, names) in enumerate(layout)]


def with_figures(sweep: Path, one: Member, pruning: Pruning, level: int) -> Member:
    """Return a job with its figures at the rungs up to this level, as its folder has them.

    A figure is that of the best epoch so far, as a run's own are at its end. One whose training ended before a rung, by
    trainer.patience, is there with the figures of its end.
    """
    path = job_folder(sweep, one.name)
    whole = whole_epochs(path)
    values = {rung: figure(path, pruning, pruning.epochs(rung, whole)) for rung in range(min(level + 1, pruning.end))}
    return replace(one, values={**values, **one.values})


def whole_epochs(path: Path) -> int:
    """Return the epochs of a run's whole training."""
    results = Folder(path).read()
    whole = results.get("planned_epochs") or Folder(path).planned_epochs()
    if type(whole) is not int or whole < 1:
        raise AerunError(f"{path}: damaged: nothing says for how many epochs it was to train.")
    return whole


def figure(path: Path, pruning: Pruning, epochs: int) -> float:
    """Return the objective of the best of a run's first epochs. TrainingError where it has no such figure as it trains."""
    row = best_row(path, str(_config(path)["trainer"]["monitor"]), epochs)
    if pruning.objective not in row:
        known = ", ".join(key for key in row if key.startswith("val/"))
        raise TrainingError(f"objective={pruning.objective}: no figure of this run's epochs, which have {known}.")
    return row[pruning.objective]


@lru_cache(maxsize=4096)
def _config(path: Path) -> dict[str, Any]:
    return Folder(path).config()
