"""The one atomic write: a file is there whole, or as it was before."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from aerun.core.errors import AerunError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def replaced(path: Path, at: int | None = None) -> Iterator[BinaryIO]:
    """Open a new file for writing, which takes the place of `path` when the block ends without an error.

    After an error the new file is removed.

    Its name is `.NAME.PID` beside `path`, so that two processes never write to the same file. A file that a killed process left
    under that name is removed first, and nothing is written through a link. at: descriptor of the folder that `path` is
    relative to. Raises AerunError where a folder is in the place of the file, before anything is written.
    """
    refuse_folder(path, at)
    part = os.fspath(path.with_name(f".{path.name}.{os.getpid()}"))
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=at)
    file = open(part, "wb", opener=lambda name, _: os.open(name, _NEW, 0o666, dir_fd=at))  # noqa: SIM115 - which keeps its name
    try:
        with file:
            yield file
        os.replace(part, path, src_dir_fd=at, dst_dir_fd=at)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=at)


def refuse_folder(path: Path, at: int | None = None, shown: Path | None = None) -> None:
    """Raise AerunError where `path`, shown as `shown`, is a folder, which no file may take the place of."""
    try:
        mode = os.stat(path, dir_fd=at, follow_symlinks=False).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        raise AerunError(f"{shown or path}: is a folder, and a file of this name is to be written there. Move it elsewhere.")


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Make a new folder for the block to fill, which takes the place of `path` when it ends without an error.

    `path` is an empty folder or does not exist. After an error the new folder is removed.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.mkdir()
    try:
        yield part
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def replace(path: Path, content: str | bytes) -> None:
    """Replace a file with `content` (text as UTF-8), whole or not at all."""
    with replaced(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def remove(path: Path) -> None:
    """Remove a file, where there is one."""
    path.unlink(missing_ok=True)
