"""`aerun score --map` of series: a timeline, as png here; `report.maps` has the same as a page."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aerun.core.text import note
from aerun.formats.writing.base import Array, FileWriter
from aerun.inference.events import described, events_in
from aerun.inference.steps import StepSeries
from aerun.pictures.canvas.timeline import Strip, timeline


class SeriesMap(FileWriter):
    """Collects series with their verdicts; what is written of them is written at the end."""

    def __init__(self, file: Any, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.strips: list[Strip] = []
        self.events: list[dict[str, Any]] = []

    def take(self, series: StepSeries, arrays: Mapping[str, Array]) -> None:
        """Take the verdicts of a file, by its rows."""
        events = events_in(series, arrays["anomaly"])
        self.events += [described(series, event) for event in events]
        limit = float(arrays["threshold"][0]) if "threshold" in arrays else None
        number, names = series.opened.series, series.names
        for each in np.unique(number):
            at = np.flatnonzero(number == each)
            spans = [(e.first - at[0], e.last - at[0]) for e in events if number[e.first] == each]
            self.strips.append(_strip(series, at, str(names[at[0]]), limit, spans))

    def add(self, arrays: Mapping[str, Array]) -> None:
        """Do nothing: series come by `take`."""


def _strip(series: StepSeries, at: NDArray[np.int64], name: str, limit: float | None, spans: list[tuple[int, int]]) -> Strip:
    judged = series.judged
    assert judged is not None
    title = f"{series.file}: {name}"
    x = series.opened.x[at].astype(np.float64)
    across = "step" if series.opened.time is None or series.time is None else "time"
    figures = (x, judged.expected[at], judged.errors[at], judged.score[at])
    return Strip(title, _moments(series)[at], series.channels, *figures, limit, spans, across)


def _moments(series: StepSeries) -> NDArray[Any]:
    """Return when each step is, (N,): moments, numbers, or the number of the step in its series."""
    time = series.opened.time
    if time is None or series.time is None:
        return series.step.astype(np.float64)
    if series.opened.recording.frame.columns[series.time].kind == "number":
        return time
    return (time * 1e6).astype(np.int64).astype("datetime64[us]")


class TimelinePng(SeriesMap):
    """The timeline as a png."""

    def close(self) -> None:
        picture, left_out = timeline(self.strips)
        if left_out:
            note(left_out)
        Image.fromarray(picture).save(self.file, "PNG")
