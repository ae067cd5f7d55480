"""How far training is: a bar on a terminal; elsewhere, as in the log of a cluster's job, a line every ten seconds."""

import math
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from aerun.core.text import say, span

_PAUSE = 10.0  # seconds between two lines; training that takes less is not worth an estimate
_MEASURED = 1.0  # seconds after the first step until the time of the whole is known


class Progress:
    """One line that vanishes when training ends, drawn by rich at most ten times a second; without a terminal, `_Lines`.

    early: whether training may end before its last epoch, so that an estimate is the most that it can take.
    """

    def __init__(self, epochs: int, calls: int, title: str, early: bool = False) -> None:
        self.epochs, self.calls, self.title = epochs, calls, title
        self.about = "at most about" if early else "about"
        self.bar: Bar | None = None
        self.lines: _Lines | None = None
        self.estimate: _Estimate | None = None

    def begin(self, done: int) -> None:
        """Show that training begins after so many epochs."""
        console = Console(stderr=True)
        self.estimate = _Estimate(self.title, (self.epochs - done) * self.calls, self.about)
        if not console.is_terminal:
            self.lines = _Lines(self.title, self.epochs, self.calls, done, self.about)
            return
        text = self.title + "epoch {task.fields[epoch]}/{task.fields[epochs]}  {task.fields[rate]}  val/mse {task.fields[mse]}"
        self.bar = Bar(BarColumn(30), TextColumn(text), TimeRemainingColumn(), console=console, transient=True)
        fields: dict[str, Any] = {"epoch": done, "epochs": self.epochs, "rate": "", "mse": "..."}
        self.task = self.bar.add_task("", total=self.epochs * self.calls, completed=done * self.calls, **fields)
        self.bar.start()

    def step(self) -> None:
        """Count a call."""
        if self.bar is not None:
            self.bar.advance(self.task)
        elif self.lines is not None:
            self.lines.step()
        if self.estimate is not None and self.estimate.step():
            self.estimate = None

    def reached(self, row: Mapping[str, float]) -> None:
        """Take in the figures of an epoch."""
        if self.bar is not None:
            rate = f"{row['samples_per_second']:,.0f} samples/s"
            self.bar.update(self.task, epoch=int(row["epoch"]) + 1, rate=rate, mse=f"{row['val/mse']:.5f}")
        elif self.lines is not None:
            self.lines.mse = row["val/mse"]

    def stop(self) -> None:
        """Remove what is shown."""
        self.lines = None
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class _Estimate:
    """How long training takes, told once, a second after its first step, where it is long enough to be told.

    calls: steps of the bar in all. about: the words before the time.
    """

    def __init__(self, title: str, calls: int, about: str = "about") -> None:
        self.title, self.about, self.calls, self.at = title, about, calls, 0
        self.began = 0.0

    def step(self) -> bool:
        """Count a call, and return whether the time is known; the first call, which warms up, is not measured."""
        self.at += 1
        now = time.monotonic()
        if self.at == 1:
            self.began = now
        if self.at == 1 or now - self.began < _MEASURED:
            return False
        whole = (now - self.began) / (self.at - 1) * self.calls
        if whole >= _PAUSE:
            say(f"time   {self.title}{self.about} {span(whole)} of training")
        return True


class _Lines:
    """A line every ten seconds: epoch, val/mse of the last whole epoch, time left at the pace so far.

    epochs: in all. calls: steps of the bar in each. done: epochs that were trained before. about: the words before the time.
    """

    def __init__(self, title: str, epochs: int, calls: int, done: int, about: str = "about") -> None:
        self.title, self.about, self.epochs, self.calls = title, about, epochs, calls
        self.first = self.at = done * calls
        self.began = self.told = time.monotonic()
        self.mse: float | None = None

    def step(self) -> None:
        """Count a call, and say how far it is where ten seconds have passed."""
        self.at += 1
        now = time.monotonic()
        if now - self.told >= _PAUSE:
            self.told = now
            left = (now - self.began) / (self.at - self.first) * (self.epochs * self.calls - self.at)
            mse = "" if self.mse is None else f", val/mse {self.mse:.5f}"
            say(f"{self.title}epoch {math.ceil(self.at / self.calls)} of {self.epochs}{mse}, {self.about} {span(left)} left")
