"""A run's folder that is used again: what goes on, what is refused, and what of it is aerun's own to clear."""

import logging
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError, FolderInUseError
from aerun.core.paths import all_paths
from aerun.runs import files
from aerun.runs.contents import ABOUT, ADDED, CLEARED, CONFIG, EVENTS, FOLDERS, LAYER, PHASES, PICTURES, RESULTS
from aerun.runs.folder import Folder
from aerun.runs.identity import asked_anew, differences
from aerun.runs.lock import LOCK
from aerun.runs.log import LOG
from aerun.settings.shells import in_shell

log = logging.getLogger("aerun")

_PART = re.compile(r"\.(.+)\.\d+")  # a file that a killed process was writing
_KEYS = {"seed", "model", "dataset", "trainer"}
_HYDRAS = {"config.yaml", "hydra.yaml", "overrides.yaml"}  # in a folder that hydra.output_subdir names
_SHOWN = 3


def goes_on(folder: Path, config: Mapping[str, Any]) -> bool:
    """Return whether this config's own run was begun in the folder and is to go on; False where nothing was begun there.

    Nothing is written. Raises FolderInUseError where the folder holds another run, this one complete, or files of others.
    """
    samples = all_paths(config["dataset"].get("path")) if isinstance(config.get("dataset"), Mapping) else []
    names = {n for n in _names(folder) if not _is_before_a_run(folder, n) and str(folder / n) not in samples}
    if not names:
        return False
    if CONFIG not in names:
        _refuse_files(folder, names)
    try:
        before, status = Folder(folder).config(), Folder(folder).read().get("status")
    except AerunError as e:
        raise FolderInUseError(str(e)) from e
    if not before.keys() >= _KEYS:
        _refuse_files(folder, names)
    if differ := differences(before, config):
        more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
        raise FolderInUseError(
            f"{folder}: holds another run ({'; '.join(differ[:_SHOWN])}{more}). Choose another folder with hydra.run.dir=DIR; "
            "--fresh clears this one."
        )
    if status == "completed":
        shown = in_shell(str(folder))
        asks = f" `aerun evaluate {shown}` asks more of it." if asked_anew(before, config) else ""
        raise FolderInUseError(
            f"{folder}: holds this very run, complete.{asks} `aerun resume {shown} --epochs N` trains it longer; --fresh "
            "clears it and trains anew."
        )
    return True


def _is_before_a_run(folder: Path, name: str) -> bool:
    """Return whether this may lie in a folder in which nothing was begun: what Hydra and a lock make, a log, a torn file."""
    if name in (LOCK, LOG) or _written(name) in CLEARED:
        return True
    path = folder / name
    if path.is_symlink():
        return False
    if path.is_dir():
        return _names(path).issubset(_HYDRAS)
    return name.endswith(".log") and path.stat().st_size == 0


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
    except OSError as e:
        raise FolderInUseError(f"cannot read {folder}: {e.strerror}. Choose another folder with hydra.run.dir=DIR.") from e


def _written(name: str) -> str:
    """Return the name of the file that a leftover was to become; empty for any other file."""
    part = _PART.fullmatch(name)
    return part[1] if part else ""


def _refuse_files(folder: Path, names: Collection[str]) -> None:
    shown = ", ".join(sorted(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    raise FolderInUseError(
        f"{folder}: holds files and no run of aerun's ({shown}). Choose an empty or a new folder with hydra.run.dir=DIR."
    )


def clear(folder: Path, pictures: Collection[str], keep: Collection[str] = ()) -> None:
    """Remove what aerun wrote in a run's folder, and no file of others; the lock stays, and so do the names in `keep`.

    pictures: the names of all pictures. Raises FolderInUseError where the files there are not those of a run of aerun's.
    """
    names = _names(folder)
    _refuse_not_ours(folder, names)
    for name in sorted(names):
        if name == PHASES:
            _clear_phases(folder)
        elif name in (*FOLDERS, PICTURES):
            _clear_inside(folder, name, [f"{p}.png" for p in pictures] if name == PICTURES else FOLDERS[name])
        elif EVENTS.fullmatch(name) or name in ADDED or _written(name) in (*CLEARED, *ADDED):
            files.remove(folder, name)
    for name in CLEARED:
        if name in names and name not in keep:
            files.remove(folder, name)


def _refuse_not_ours(folder: Path, names: Collection[str]) -> None:
    """Raise FolderInUseError where config.yaml is not that of a run.

    Of one that cannot be read, the names beside it decide, and a line says what is removed for them.
    """
    if CONFIG not in names:
        return
    Folder(folder).refuse_newer()
    try:
        ours = Folder(folder).config().keys() >= _KEYS
    except AerunError as e:
        ours = {ABOUT, RESULTS}.issubset(names)
        if ours:
            own = [n for n in sorted(names) if n in (*CLEARED, *ADDED, *FOLDERS, PICTURES, PHASES) or EVENTS.fullmatch(n)]
            log.warning("%s What aerun writes is removed by its names: %s", e, ", ".join(own))
    if not ours:
        _refuse_files(folder, names)


def _clear_phases(folder: Path) -> None:
    files.exists(folder, f"{PHASES}/_")  # which refuses a link
    for name in filter(LAYER.fullmatch, sorted(_names(folder / PHASES))):
        files.exists(folder, f"{PHASES}/{name}/_")
        clear(folder / PHASES / name, ())
        files.remove_empty(folder, f"{PHASES}/{name}")
    files.remove_empty(folder, PHASES)


def _clear_inside(folder: Path, name: str, own: Collection[str]) -> None:
    files.exists(folder, f"{name}/_")  # which refuses a link
    for inner in sorted(_names(folder / name)):
        if inner in own or _written(inner) in own:
            files.remove(folder, f"{name}/{inner}")
    files.remove_empty(folder, name)


def remove_leftovers(folder: Path) -> None:
    """Remove the files that killed processes of this run were writing; called by the one process at work there.

    Raises AerunError where a folder is in the place of a file that the run is to write, before it takes any time.
    """
    files.refuse_folders(folder, (*CLEARED, *(f"{place}/{name}" for place, own in FOLDERS.items() for name in own)))
    remove_parts(folder, CLEARED)
    for place, own in FOLDERS.items():
        remove_parts(folder, own, place)
    remove_parts(folder, (), PICTURES, ".png")


def remove_parts(folder: Path, names: Collection[str], place: str = "", ending: str | None = None) -> None:
    """Remove what killed processes left of files of these names, or of this ending, in a run's folder or in a place in it."""
    prefix = f"{place}/" if place else ""
    if place and not files.exists(folder, place):
        return
    for name in sorted(_names(folder / place)):
        file = _written(name)
        if file in names or (ending is not None and file.endswith(ending)):
            files.remove(folder, prefix + name)


def remark(folder: Path) -> str:
    """Return in one line that an unfinished run goes on."""
    status = Folder(folder).read().get("status") or "begun"
    how = "stopped before its end" if status == "running" else status
    return f"{folder}: goes on with this command's own run there ({how})"
