"""One job of a sweep and its folder: what has been done of it, and who is at work in it."""

import fcntl
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aerun.folder import Folder

log = logging.getLogger("aerun")

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
    """Remove what an earlier attempt left, but for the log, which goes on."""
    for old in path.iterdir() if path.is_dir() else ():
        if old.name != "aerun.log":
            shutil.rmtree(old) if old.is_dir() else old.unlink()


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """True where no other process is at work in this job's folder, and then none will be until the end of the block.

    The lock is the operating system's: it goes with the process, however that ends.
    """
    locks = path.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / path.name).open("w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
