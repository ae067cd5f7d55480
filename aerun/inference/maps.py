"""`aerun score --map`: images under their errors, or series over time, as png here; `report.maps` has the same as pages."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from aerun.core.errors import AerunError
from aerun.core.text import counted, note
from aerun.formats.pictures import overlay
from aerun.formats.writing.base import Array, FileWriter
from aerun.inference.events import described, events_in
from aerun.inference.steps import StepSeries
from aerun.pictures.canvas.sheet import Row, sheet
from aerun.pictures.canvas.timeline import Strip, timeline

_IMAGES, _SMALL = 200, 96  # on a map; pixels that the longest side of each has at least
RED = "Red: the squared error of a place, summed over channels, the redder the larger; all red is"


@dataclass(frozen=True)
class Judged:
    """An image under (C, H, W) and its errors, with its score and whether that is an alarm."""

    score: float
    alarm: bool
    name: str
    under: Array
    errors: Array


class ImageMap(FileWriter):
    """Keeps the images of the highest scores, at most 200; what is written of them is written at the end."""

    def __init__(self, file: Any, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.kept: list[Judged] = []
        self.count, self.alarms = 0, 0
        self.limit: float | None = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        """Take a piece. Raise AerunError unless it is of images."""
        if "under" not in arrays or self.about.get("kind") != "image":
            raise AerunError("a map is of images, or of series by steps, and these are neither.")
        self.limit = float(arrays["threshold"][0]) if "threshold" in arrays else None
        for i, score in enumerate(arrays["score"].tolist()):
            self.count += 1
            name = str(arrays["file"][i]) if "file" in arrays else f"image {self.count}"
            alarm = bool(arrays["anomaly"][i])
            self.alarms += alarm
            self.kept.append(Judged(score, alarm, name, arrays["under"][i], arrays["errors"][i]))
        self.kept = sorted(self.kept, key=lambda one: -one.score)[:_IMAGES]

    @property
    def answer(self) -> str:
        """Return how many images there are, how many raise an alarm, and how many are shown."""
        limit = "" if self.limit is None else f" (threshold {self.limit:.4g})"
        shown = f"; {_IMAGES} are shown" if self.count > _IMAGES else ""
        return f"{counted(self.count, 'image')}, {counted(self.alarms, 'alarm')}{limit}, the highest score first{shown}"

    def drawn(self) -> tuple[list[Image.Image], float]:
        """Return the images under their errors, and the error that is all red."""
        most = max(float(one.errors.sum(0).max()) for one in self.kept)
        return [overlay(one.under, one.errors, most, self.about) for one in self.kept], most


class ImagePng(ImageMap):
    """The images under their errors as one png, each below its score."""

    def close(self) -> None:
        pictures, most = self.drawn()
        cells = torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) for p in pictures]) / 255
        marks = [f"{one.score:.3g}{' !' if one.alarm else ''}" for one in self.kept]
        across = max(4, math.ceil(math.sqrt(len(cells))))
        rows = [Row("", cells[i : i + across], marks[i : i + across]) for i in range(0, len(cells), across)]
        title = f"{self.answer}. Above each image its score, ! for an alarm. {RED} {most:.4g}."
        side = max(cells.shape[2:])
        Image.fromarray(sheet(rows, title, cell=side * math.ceil(_SMALL / side))).save(self.file, "PNG")


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
    assert judged.expected is not None
    title = f"{series.file}: {name}"
    x = series.opened.x[at].astype(np.float64)
    across = "step" if series.opened.time is None or series.time is None else "time"
    named = len(series.channels)  # behind them may be the time since the step before
    figures = (x[:, :named], judged.expected[at][:, :named], judged.errors[at][:, :named], judged.score[at])
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
