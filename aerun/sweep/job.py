"""One job of a sweep and its folder: what has been done of it, with which data, and who is at work in it."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aerun.core.errors import AerunError
from aerun.runs import reuse
from aerun.runs.folder import Folder
from aerun.runs.identity import asked_anew, differences
from aerun.runs.log import LOG

log = logging.getLogger("aerun")

DONE, RESUME, FRESH = "done", "resume", "fresh"


class State(NamedTuple):
    """What is left to do in a job's folder: DONE, RESUME or FRESH; why: what is not as it was; status: of the run there."""

    left: str
    why: str = ""
    status: str | None = None


def state(path: Path, config: Mapping[str, Any], data: bool = True) -> State:
    """Return what is left to do in the folder of a job with this resolved config.

    done: complete with this very config and these data. resume: stopped with a checkpoint, or complete and asked otherwise
    (evaluate, pictures, objective), which trains no further. fresh: never begun, failed, or begun with another config (the
    command is the same and an option's file has changed) or with other data. data: False leaves the data unread.
    """
    left, why = _state(path, config, data)
    return State(left, why, Folder(path).read().get("status"))


def _state(path: Path, config: Mapping[str, Any], data: bool) -> tuple[str, str]:
    left = _left(path, config)
    if left == FRESH and (why := _other_settings(path, config)):
        return left, why
    if left == FRESH or not data or not Folder(path).read("run.json").get("data"):
        return left, _other_questions(path, config) if left == RESUME else ""
    # deferred: a sweep sent elsewhere, and completion, need no torch
    from aerun.begin import data_change

    try:
        changed = data_change(config, path)
    except (AerunError, OSError) as e:
        return left, f"its data cannot be read any more ({e})"
    if changed:
        return FRESH, f"its data have changed ({changed})"
    return left, _other_questions(path, config) if left == RESUME else ""


def _other_settings(path: Path, config: Mapping[str, Any]) -> str:
    """Return in words how the settings of the run there differ from these; empty where there is none or they do not."""
    folder = Folder(path)
    try:
        differ = differences(folder.config(), config) if folder.has("config.yaml") else []
    except AerunError:
        return ""
    return f"its settings have changed ({'; '.join(differ[:3])})" if differ else ""


def _other_questions(path: Path, config: Mapping[str, Any]) -> str:
    """Return in words what a complete run is asked that it was not asked before; empty for one that is not complete."""
    folder = Folder(path)
    asked = asked_anew(folder.config(), config) if folder.read().get("status") == "completed" else []
    return f"is asked anew ({'; '.join(asked)})" if asked else ""


def _is_this(folder: Folder, config: Mapping[str, Any]) -> bool:
    """Return whether a folder holds the run with these settings, whatever is asked of it in the end."""
    try:
        return folder.has("config.yaml") and not differences(folder.config(), config)
    except AerunError:
        return False


def _left(path: Path, config: Mapping[str, Any]) -> str:
    folder = Folder(path)
    status = folder.read().get("status")
    if status is None or status == "failed" or not _is_this(folder, config):
        return FRESH
    if status == "completed" and not asked_anew(folder.config(), config):
        return DONE
    return RESUME if folder.has("checkpoints/last.ckpt") or folder.has("phases") else FRESH


def refused(path: Path) -> str:
    """Return why this very command has failed to train the job in this folder already; empty where it has not."""
    results = Folder(path).read()
    return str(results.get("error")) if results.get("status") == "failed" and results.get("attempt") == attempt() else ""


def attempt() -> str:
    """Return the mark of this command, the same in every process that it starts."""
    return os.environ.get("AERUN_ATTEMPT", "")


def clear(path: Path) -> None:
    """Remove what aerun wrote in an earlier attempt, but for the log, which goes on, and the lock, which this process holds."""
    # deferred: completion needs no torch
    from aerun import pictures

    reuse.clear(path, pictures.names(), keep=(LOG,))
