"""One job of a sweep and its folder: what has been done of it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerun.runs.folder import Folder
from aerun.runs.lock import LOCK

DONE, RESUME, FRESH = "done", "resume", "fresh"


def state(path: Path, config: Mapping[str, Any]) -> str:
    """What is left to do in the folder of a job with this resolved config.

    done: complete with this very config. resume: stopped with a checkpoint. fresh: never begun, failed, or begun with another
    config (the command is the same and an option's file has changed).
    """
    folder = Folder(path)
    status = folder.read().get("status")
    if status is None or status == "failed" or not folder.holds(config):
        return FRESH
    if status == "completed":
        return DONE
    return RESUME if (path / "checkpoints" / "last.ckpt").exists() or (path / "phases").exists() else FRESH


def clear(path: Path) -> None:
    """Remove what an earlier attempt left, but for the log, which goes on, and the lock, which this process holds."""
    for old in path.iterdir() if path.is_dir() else ():
        if old.name not in ("aerun.log", LOCK):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
