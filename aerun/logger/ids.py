"""By which names other programs know a run: RUN/loggers.json, so that a run that goes on is one run there."""

from pathlib import Path

from aerun.runs.folder import Folder

IDS = "loggers.json"


def known(folder: Path, logger: str) -> str | None:
    """Return the run's name at a logger's; None where it has none yet."""
    name = Folder(folder).read(IDS).get(logger)
    return name if isinstance(name, str) else None


def keep(folder: Path, logger: str, name: str) -> None:
    """Write down the run's name at a logger's."""
    Folder(folder).write(IDS, {**Folder(folder).read(IDS), logger: name})
