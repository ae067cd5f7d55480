"""What a logger is told, and when."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError


@dataclass(frozen=True)
class About:
    """What is known of a run before it trains.

    config: its resolved settings; None for a phase of a run, which is not compared with whole runs. lines: its data, model and
    plan in words. terms: names of the objective's parts, see `Autoencoder.keys`.
    """

    folder: Path
    config: Mapping[str, Any] | None = None
    command: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)
    terms: Sequence[str] = ()


class Logger(ABC):
    """One place for figures. Epochs are counted from 1: `epoch` is the number of those that are done.

    inside: whether it writes into the run's folder and nowhere else. Only such loggers log the phases of a run, and a run that
    goes on from its folder, which may be a stranger's.
    """

    inside: ClassVar[bool] = False

    @abstractmethod
    def open(self, about: About, epoch: int, steps: int) -> None:
        """Begin to log a run that trains, or goes on after so many epochs and optimizer steps."""

    @abstractmethod
    def reopen(self, about: About) -> None:
        """Go on to log a run that has trained before."""

    @abstractmethod
    def metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log the rows of epochs, as metrics.csv has them: `epoch` (from 0), `step` and others, the same in each."""

    def extra(self, figures: Mapping[str, float], epoch: int) -> None:  # noqa: B027
        """Log figures of callbacks of the user's own, which metrics.csv does not have."""

    def picture(self, name: str, pixels: NDArray[np.uint8], caption: str, epoch: int) -> None:  # noqa: B027
        """Log a picture (H, W, 3)."""

    def results(self, results: Mapping[str, Any], objective: str, epoch: int) -> None:  # noqa: B027
        """Log the results of a run that is done; `objective` names the figure that ranks it."""

    def figures(self, figures: Mapping[str, float], epoch: int) -> None:  # noqa: B027
        """Log what applications found, by the names that results.json has for it."""

    def card(self, text: str, epoch: int) -> None:  # noqa: B027
        """Log what a person should know of the run, as Markdown."""

    def end(self, done: bool) -> None:  # noqa: B027
        """Mark the run as ended: it is done, or it failed."""

    def close(self) -> None:  # noqa: B027
        """Write what is buffered, and let go of files."""


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that are numbers."""
    return {k: float(v) for k, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def require(package: str, option: str) -> None:
    """Raise AerunError where a logger's package is not installed."""
    if find_spec(package) is None:
        raise AerunError(f"logger={option}: is not installed: pip install 'aerun[{option}]'")
