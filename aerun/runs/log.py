"""aerun.log, the log of a run in its folder."""

import logging
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from aerun.runs import files

LOG = "aerun.log"


class LogFile(logging.FileHandler):
    """Adds to the file FOLDER/NAME, which is opened by `aerun.runs.files`. Hydra makes one for each run; see config.yaml."""

    def __init__(self, filename: str | Path, mode: str = "a", encoding: str | None = None, delay: bool = False) -> None:
        super().__init__(filename, "a", "utf-8", delay, errors="backslashreplace")

    def _open(self) -> Any:
        path = Path(self.baseFilename)
        found = files.appended(path.parent, path.name)
        assert isinstance(found, TextIOWrapper)
        return found
