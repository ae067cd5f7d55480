"""The one atomic write: a file is there whole, or as it was before."""

import os
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


def replace(path: Path, content: str | bytes) -> None:
    """Replace a file by `content` (text as UTF-8), whole or not at all."""
    with replaced(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
