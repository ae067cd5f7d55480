"""Events of series: consecutive alarms as one, with start, end and peak."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.inference.steps import StepSeries
from aerun.metrics.conformal import p_values

COLUMNS = ("file", "series", "start", "end", "steps", "peak", "score", "channel", "p", "columns")
_CONTRIBUTES = 0.1  # of the error of an event, from which on a channel is named


def columns_of(group: str | None) -> tuple[str, ...]:
    """Return the columns of events; which series it is stands under the group's own name, as in rows of scores."""
    return tuple(group if name == "series" and group and group not in COLUMNS else name for name in COLUMNS)


@dataclass(frozen=True)
class Event:
    """A run of alarms: its first and last steps and the one of the highest score, counted by series and time."""

    first: int
    last: int
    peak: int

    @property
    def steps(self) -> int:
        """Return how many steps it takes."""
        return self.last - self.first + 1


def events_of(
    anomaly: NDArray[np.bool_], score: NDArray[np.float64], piece: NDArray[np.int64], merge: int = 1, least: int = 1
) -> list[Event]:
    """Return the runs of alarms (N,): alarms of one event are at most `merge` steps apart in one piece of a series.

    least: events of fewer steps are left out.
    """
    at = np.flatnonzero(anomaly)
    if not len(at):
        return []
    cuts = np.flatnonzero((np.diff(at) > merge) | (np.diff(piece[at]) != 0)) + 1
    found = [Event(int(run[0]), int(run[-1]), int(run[score[run].argmax()])) for run in np.split(at, cuts)]
    return [event for event in found if event.steps >= least]


def events_in(series: StepSeries, anomaly: NDArray[Any]) -> list[Event]:
    """Return the events of a file, whose alarms (N,) stand in the order of its rows."""
    assert series.judged is not None
    return events_of(anomaly[series.opened.row].astype(bool), series.judged.score, series.piece, series.merge, series.least)


def described(series: StepSeries, event: Event) -> dict[str, Any]:
    """Return the columns `columns_of` of an event, times as the file writes them.

    p: that of its highest score among the highest scores of stretches of normal validation steps, each as long as a window; no
    number where the run knows none.
    """
    assert series.judged is not None
    moments, names = series.moments, series.names
    channel = series.channels[int(series.judged.errors[event.peak].argmax())]
    score = float(series.judged.score[event.peak])
    when = (str(moments[i]) for i in (event.first, event.last))
    p = math.nan if series.blocks is None else float(p_values(series.blocks, np.array([score]))[0])
    about = (event.steps, str(moments[event.peak]), score, channel, p, contributing(series, event))
    return dict(zip(columns_of(series.group), (series.file, str(names[event.peak]), *when, *about), strict=True))


def contributing(series: StepSeries, event: Event) -> str:
    """Return the channels with at least a tenth of the squared error of an event, the largest share first, in words."""
    assert series.judged is not None
    errors = np.nansum(series.judged.errors[event.first : event.last + 1], 0)
    shares = errors / max(float(errors.sum()), 1e-300)
    order = [i for i in np.argsort(-shares, kind="stable").tolist() if shares[i] >= _CONTRIBUTES]
    return ", ".join(f"{series.channels[i]} {shares[i]:.0%}" for i in order)


class Events:
    """Collects the events of one call. group: the column that says which series a step is of, where settings name one."""

    def __init__(self, group: str | None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.names = columns_of(group)

    def take(self, series: StepSeries, arrays: Mapping[str, Any]) -> None:
        """Take the verdicts of a file, by its rows."""
        self.rows += [described(series, event) for event in events_in(series, arrays["anomaly"])]

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all events as columns."""
        return {name: np.array([row[name] for row in self.rows]) for name in self.names}
