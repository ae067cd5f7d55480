"""The one atomic write: a file is there whole, or as it was before."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Open a new file to be written; it takes the place of `path` when the block ends without an error, else it goes.

    Its name is `.NAME.PID` beside `path`, so that two processes never write to the same one.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Make a new folder to be filled; it takes the place of `path`, which is an empty folder or nothing, when the block ends
    without an error, else it goes."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.mkdir()
    try:
        yield part
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def replace(path: Path, content: str | bytes) -> None:
    """Replace a file by `content` (text as UTF-8), whole or not at all."""
    with replaced(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
