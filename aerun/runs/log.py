"""aerun.log, the log of a run in its folder."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import say
from aerun.runs import files

LOG = "aerun.log"


class LogFile(logging.FileHandler):
    """Appends to the file FOLDER/NAME, which `aerun.runs.files` opens. Hydra makes one for each run; see config.yaml."""

    stream: Any = None

    def __init__(self, filename: str | Path, mode: str = "a", encoding: str | None = None, delay: bool = False) -> None:
        super().__init__(filename, "a", "utf-8", delay, errors="backslashreplace")

    def __del__(self) -> None:
        """Close the file where no logger took this handler, as with hydra/job_logging=disabled."""
        if self.stream is not None:
            self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A file that cannot be opened is told once, and the run goes on without it."""
        try:
            super().emit(record)
        except OSError as e:
            self.setLevel(logging.CRITICAL + 1)
            say(f"cannot write to {self.baseFilename}: {e.strerror}: there is no log of this run")

    def _open(self) -> Any:
        path = Path(self.baseFilename)
        file = files.appended(path.parent, path.name)
        assert isinstance(file, TextIOWrapper)
        return file


@contextmanager
def log_into(folder: Path, instead: bool = False) -> Iterator[None]:
    """Write aerun's log to the end of a run's log file too, as a run of the command line does.

    instead: of that of another run, to whose file nothing is written meanwhile. Raises AerunError where the file cannot be
    opened.
    """
    try:
        handler = LogFile(folder / LOG)
    except OSError as e:
        raise AerunError(f"cannot write to {folder / LOG}: {e.strerror}.") from e
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("aerun")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    places = (logging.root, logger) if instead else ()
    others = [(at, one) for at in places for one in at.handlers if isinstance(one, LogFile) and one is not handler]
    for at, one in others:
        at.removeHandler(one)
    try:
        yield
    finally:
        for at, one in others:
            at.addHandler(one)
        logger.removeHandler(handler)
        handler.close()
