"""The one kind of lock: one process at a time is at work in a folder.

The operating system keeps it (flock) and takes it back when the process ends, however that happens. The file that carries it is
in the folder itself until the lock is released, is never truncated or written to, and is opened without following links.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from aerun.core.errors import AerunError, FolderInUseError
from aerun.runs import files

log = logging.getLogger("aerun")

LOCK = ".lock"  # The lock of a run or of a sweep's job.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # Some clusters' shared file systems have no locks.
_mine: set[tuple[int, int]] = set()  # The files that this process has locked.


@contextmanager
def alone(folder: Path, name: str = LOCK, wait: bool = False) -> Iterator[bool]:
    """Yield True where nobody is at work in `folder`, and then nobody else will be until the block ends; else False.

    The folder is made where it is not there. name: that of the lock; a sweep has several. wait: until it is free. Raises
    AerunError for a lock file that is none, OSError where the folder cannot be written.
    """
    file, free = _opened(folder, name, make=True), False
    try:
        free = _locked(file, folder, wait)
        while free and not _is_at(file, folder / name):  # It was removed in between and keeps nobody out.
            os.close(file)
            file = _opened(folder, name, make=True)
            free = _locked(file, folder, wait)
        if free:
            _mine.add(_key(file))
        yield free
    finally:
        if free:
            _remove(file, folder / name)
            _mine.discard(_key(file))
        os.close(file)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep a run's folder to this process until the block ends.

    Raises AerunError at once where another process is at work in it. Whoever has the folder already, as a sweep has its job's,
    may claim it again.
    """
    with ExitStack() as kept:
        try:
            mine = _is_mine(folder) or kept.enter_context(alone(folder))
        except OSError as e:
            words = f"cannot write to {folder}: {e.strerror or e}. Choose another place with hydra.run.dir=DIR."
            raise AerunError(words) from e
        if not mine:
            raise FolderInUseError(
                f"{folder}: another process is at work on this run. Wait until it ends, or choose another folder with "
                "hydra.run.dir=DIR."
            )
        yield


def at_work(folder: Path, name: str = LOCK) -> bool:
    """Return whether anybody is at work in `folder`; nothing is made there."""
    try:
        file = _opened(folder, name, make=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _locked(file, folder, wait=False)
    finally:
        os.close(file)


def _is_mine(folder: Path) -> bool:
    try:
        about = os.stat(folder / LOCK, follow_symlinks=False)
    except OSError:
        return False
    return (about.st_dev, about.st_ino) in _mine


def _remove(file: int, path: Path) -> None:
    """Remove the lock's file unless it has content; whoever opened it meanwhile sees by `_is_at` that it is gone."""
    with suppress(OSError):
        if os.fstat(file).st_size == 0 and _is_at(file, path):
            files.remove(path.parent, path.name)


def _is_at(file: int, path: Path) -> bool:
    """Return whether the open file is still the one of this name."""
    try:
        about = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return _key(file) == (about.st_dev, about.st_ino)


def _opened(folder: Path, name: str, make: bool) -> int:
    """Return a descriptor of the lock's file, never through a link, and only where the file has no other name.

    Raises AerunError for anything else.
    """
    with files.lock_file(folder, name, make) as file:
        return os.dup(file.fileno())


def _locked(file: int, folder: Path, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as e:
        if e.errno not in _NO_LOCKS:
            raise
        log.warning("%s: this file system has no locks: see to it that one process at a time works here", folder)
    return True


def _key(file: int) -> tuple[int, int]:
    about = os.fstat(file)
    return about.st_dev, about.st_ino
