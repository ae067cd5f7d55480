"""All loggers of one run as one."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, line_of
from aerun.logger.base import About, Logger
from aerun.logger.card import card
from aerun.logger.csv import Csv
from aerun.logger.rows import last_epoch
from aerun.logger.tensorboard import Tensorboard

log = logging.getLogger("aerun")


class Loggers:
    """metrics.csv and the loggers that were chosen, for one run.

    A logger outside of the run's folder that fails is named in a warning and gets nothing more: a server that is away does not
    end a run.
    """

    def __init__(self, chosen: Iterable[Logger], about: About) -> None:
        self.about = about
        self.each: list[Logger] = [Csv(), *(copy(logger) for logger in chosen if not isinstance(logger, Csv))]
        self.begun = list[Logger]()  # those that are open

    @classmethod
    def of_folder(cls, folder: Path, config: Mapping[str, Any]) -> "Loggers":
        """Return what adds to a run in its folder: TensorBoard, unless the run was to have none."""
        asked = config.get("logger", {"tensorboard": {}})
        return cls(default() if isinstance(asked, Mapping) and "tensorboard" in asked else [], About(folder))

    @property
    def wants_pictures(self) -> bool:
        """Return whether one of them takes pictures, so that drawing them is of use."""
        return any(type(logger).picture is not Logger.picture for logger in self.each)

    def phase(self, folder: Path, terms: Sequence[str]) -> "Loggers":
        """Return the loggers of a phase of this run, which has a folder of its own."""
        about = replace(self.about, folder=folder, config=None, lines={}, terms=terms)
        return Loggers([logger for logger in self.each if logger.inside], about)

    def open(self, steps: int) -> None:
        """Begin to log a run that trains, or goes on after so many optimizer steps."""
        epoch = last_epoch(self.about.folder, steps) if steps else 0
        self._begin("open", epoch, steps)
        if self.about.config is not None:
            self._all("card", card(self.about, None), epoch)

    def _reopen(self) -> None:
        if not self.begun:
            self._begin("reopen")

    def _begin(self, method: str, *args: Any) -> None:
        """Begin with every logger. What one outside of the run's folder cannot do at its beginning is the user's to mend."""
        for logger in self.each:
            try:
                getattr(logger, method)(self.about, *args)
            except Exception as e:
                if logger.inside or isinstance(e, AerunError):
                    raise
                raise AerunError(f"logger={name_of(logger)}: cannot begin: {line_of(e)}") from e
            self.begun.append(logger)

    def metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log the rows of epochs."""
        self._all("metrics", rows)

    def extra(self, figures: Mapping[str, float], epoch: int) -> None:
        """Log figures of callbacks of the user's own, which metrics.csv does not have."""
        self._all("extra", figures, epoch)

    def picture(self, name: str, pixels: NDArray[np.uint8], caption: str, epoch: int) -> None:
        """Log a picture (H, W, 3)."""
        self._reopen()
        self._all("picture", name, pixels, caption, epoch)

    def figures(self, figures: Mapping[str, float], epoch: int) -> None:
        """Log what applications found, by the names that results.json has for it."""
        self._reopen()
        self._all("figures", figures, epoch)

    def finish(self, results: Mapping[str, Any], objective: str, following: Sequence[str], epoch: int) -> None:
        """Log results and card of a run that is done, and mark it so.

        objective: the figure that ranks it. following: the commands that make sense now.
        """
        self._reopen()
        self._all("results", results, objective, epoch)
        self._all("card", card(self.about, results, following), epoch)
        self._all("end", True)
        self.close()

    def fail(self) -> None:
        """Mark a run that was begun as failed or stopped."""
        with suppress(OSError):  # a full disk must not hide the first error
            self._all("end", False)
            self.close()

    def close(self) -> None:
        """Write what is buffered, and let go of files; what comes later opens them anew."""
        self._all("close")
        self.begun.clear()

    def _all(self, method: str, *args: Any) -> None:
        for logger in list(self.begun):
            try:
                getattr(logger, method)(*args)
            except Exception as e:
                if logger.inside:
                    raise
                log.warning("logger=%s: gets nothing more of this run: %s", name_of(logger), line_of(e))
                self.each.remove(logger)
                self.begun.remove(logger)


def default() -> list[Logger]:
    """Return the loggers of a run that was not asked for any."""
    return [Tensorboard()]


def name_of(logger: Logger) -> str:
    """Return the name of a logger's option."""
    return type(logger).__module__.rpartition(".")[2]
