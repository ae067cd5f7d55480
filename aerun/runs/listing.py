"""Past runs in a line each: when, what became of it, on which data, which model, how good. Reads little, so that it is fast."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.runs import files
from aerun.runs.folder import Folder
from aerun.runs.lock import at_work
from aerun.runs.status import PAUSED, PRUNED

STATUSES = ("completed", "running", "interrupted", PRUNED, "failed", "unreadable")
_TAIL = 64 * 1024  # The end of a metrics.csv that holds its last row.


@dataclass(frozen=True)
class Listed:
    """One run. started: local time, ISO. epoch, left: epochs done, and seconds left, of a run that trains now."""

    path: Path
    status: str
    started: str
    data: str
    model: str
    results: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    notes: str = ""
    why: str = ""
    epoch: str = ""
    left: float | None = None

    def figure(self, key: str) -> float | None:
        """Return a number of results.json; None where there is none."""
        value = self.results.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def run_folders(top: Path) -> list[Path]:
    """Return every folder of a run in or below `top`. Raises AerunError where it is not there."""
    if not top.is_dir():
        raise AerunError(f"{top}: no such folder.")
    return [where for where, names in files.folders(top) if "run.json" in names or {"results.json", "config.yaml"} <= names]


def listed(path: Path) -> Listed:
    """Return what a list shows of the run in this folder; one that cannot be read says why."""
    folder = Folder(path)
    try:
        about, results = folder.read("run.json"), folder.read()
        names = folder.names(about)
        status, why = _status(path, results)
        epoch, left = progress(folder, about) if status == "running" else ("", None)
        tags = about.get("tags")
        words = tuple(map(str, tags)) if isinstance(tags, list) else ()
        notes = str(about.get("notes") or "")
        return Listed(
            path,
            status,
            _started(about, path),
            names["data"],
            names["model"],
            results,
            words,
            notes,
            why,
            epoch,
            left,
        )
    except (AerunError, OSError, KeyError, TypeError) as e:
        return Listed(path, "unreadable", started(path), "?", "?", {}, why=str(e))


def newest_first(paths: Sequence[Path]) -> list[Path]:
    """Return folders of runs by the time at which they started, the latest first; of each only run.json is read."""
    return sorted(paths, key=lambda path: (started(path), str(path)), reverse=True)


def started(path: Path) -> str:
    """Return when the run in this folder started, also of one that cannot be read."""
    try:
        about = Folder(path).read("run.json")
    except (AerunError, OSError):
        about = {}
    return _started(about, path)


def _status(path: Path, results: Mapping[str, Any]) -> tuple[str, str]:
    said = str(results.get("status") or "interrupted")
    if said in ("completed", "failed"):
        return said, str(results.get("error") or "")
    if at_work(path):
        return "running", ""
    if said in (PAUSED, PRUNED):
        return PRUNED, f"after {results.get('epochs')} of {results.get('planned_epochs')} epochs"
    return "interrupted", "" if said in ("running", "interrupted") else said


def _started(about: Mapping[str, Any], path: Path) -> str:
    """Return the start as run.json has it, in local time, to the second; else the time of the folder."""
    try:
        when = datetime.datetime.fromisoformat(str(about.get("started"))).astimezone()
    except ValueError:
        when = datetime.datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return when.replace(tzinfo=None).isoformat(" ", "seconds")


def progress(folder: Folder, about: Mapping[str, Any]) -> tuple[str, float | None]:
    """Return `7/50` and the seconds left at the pace so far."""
    epochs: object = folder.planned_epochs()
    if epochs is None:  # older runs did not keep it
        trainer = folder.config().get("trainer")
        epochs = trainer.get("max_epochs") if isinstance(trainer, Mapping) else None
    done = _last_epoch(folder)
    if not isinstance(epochs, int):
        return str(done), None
    first = about.get("first_epoch")  # where a resumed run went on
    new = done - (first if isinstance(first, int) else 0)
    spent = (datetime.datetime.now() - datetime.datetime.fromisoformat(_started(about, folder.path))).total_seconds()
    return f"{done}/{epochs}", spent / new * (epochs - done) if new > 0 else None


def _last_epoch(folder: Folder) -> int:
    """Return how many epochs are in metrics.csv."""
    first = last_row(folder).get("epoch", "")
    return int(first) + 1 if first.isdigit() else 0


def last_row(folder: Folder) -> dict[str, str]:
    """Return the last row of metrics.csv, of which only head and end are read; empty where there is none."""
    try:
        with files.opened(folder.path, "metrics.csv", None) as file:
            head = file.read(_TAIL).partition(b"\n")[0].decode(errors="replace").strip()
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            last = file.read(_TAIL).decode(errors="replace").rstrip("\n").rpartition("\n")[2].strip()
    except FileNotFoundError:
        return {}
    return dict(zip(head.split(","), last.split(","), strict=False))
