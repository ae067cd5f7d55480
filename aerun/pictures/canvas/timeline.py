"""Series over time: channels with what is expected of them, the score below, and events shaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aerun.pictures.canvas.style import BLUE, ORANGE, RED, Pixels, chart, pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STRIPS, _CHANNELS = 6, 6  # that are drawn
_HIGH = 20  # thresholds: a score that goes beyond makes its axis logarithmic
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Strip:
    """One series. at (T,): numbers or moments; x, expected, errors (T, F); score (T,); limit: alarms are above it.

    events: their first and last steps. across: what `at` is.
    """

    name: str
    at: NDArray[Any]
    channels: Sequence[str]
    x: Values
    expected: Values
    errors: Values
    score: Values
    limit: float | None
    events: Sequence[tuple[int, int]]
    across: str = "step"

    @property
    def shown(self) -> list[int]:
        """Return the channels with the largest errors, in their own order."""
        return sorted(np.argsort(-np.nanmax(np.nan_to_num(self.errors), axis=0), kind="stable")[:_CHANNELS].tolist())


def timeline(strips: Sequence[Strip]) -> tuple[Pixels, str]:
    """Return the picture of the series that score highest, at most 6 and 6 channels of each, and what is left out, in words."""
    highest = sorted(strips, key=lambda s: -float(np.nan_to_num(s.score, nan=-1.0).max()))[:_STRIPS]
    kept = [s for s in strips if any(s is h for h in highest)]
    rows = sum(len(s.shown) + 1 for s in kept)
    with chart(rows, 1, width=11.0, height=1.25) as (figure, axes):
        place = 0
        for strip in kept:
            for row, channel in enumerate(strip.shown):
                _channel(axes[place], strip, channel, strip.name if row == 0 else "", legend=place == 0)
                place += 1
            _score(axes[place], strip)
            place += 1
        picture = pixels(figure)
    return picture, _left_out(strips, kept)


def _left_out(strips: Sequence[Strip], kept: Sequence[Strip]) -> str:
    parts = [f"{len(kept)} of {len(strips)} series, those of the highest scores"] if len(kept) < len(strips) else []
    many = max(len(s.channels) for s in strips)
    parts += [f"{_CHANNELS} of {many} channels, those of the largest errors"] if many > _CHANNELS else []
    return f"drawn are {' and '.join(parts)}." if parts else ""


def _channel(ax: "Axes", strip: Strip, channel: int, title: str, legend: bool) -> None:
    ax.plot(strip.at, strip.x[:, channel], color=BLUE, linewidth=0.9, label="measured")
    ax.plot(strip.at, strip.expected[:, channel], color=ORANGE, linestyle="--", linewidth=0.9, label="expected")
    _shaded(ax, strip, "alarms")
    ax.set_ylabel(strip.channels[channel])
    ax.set_title(title, loc="left")
    ax.tick_params(labelbottom=False)
    if legend:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)


def _score(ax: "Axes", strip: Strip) -> None:
    ax.plot(strip.at, strip.score, color="black", linewidth=0.9)
    highest = float(np.nan_to_num(strip.score, posinf=0.0).max())
    if strip.limit and np.isfinite(strip.limit) and highest > _HIGH * strip.limit:
        ax.set_yscale("log")
    if strip.limit is not None and np.isfinite(strip.limit):
        ax.axhline(strip.limit, color=RED, linestyle=":", linewidth=1.0, label="threshold")
        ax.legend(loc="upper right")
    _shaded(ax, strip)
    ax.set_ylabel("score")
    ax.set_xlabel(strip.across)
    if np.issubdtype(strip.at.dtype, np.datetime64):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # deferred as in `style`

        locator = AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _shaded(ax: "Axes", strip: Strip, label: str = "") -> None:
    """Draw events as shaded spans, half a step wider on both sides, so that one of a single step is seen."""
    half = np.median(np.diff(strip.at)) / 2 if len(strip.at) > 1 else 0.5
    for i, (first, last) in enumerate(strip.events):
        name = label if i == 0 else ""
        ax.axvspan(strip.at[first] - half, strip.at[last] + half, color=RED, alpha=0.25, linewidth=1.0, label=name)
    if len(strip.at) > 1:
        ax.set_xlim(strip.at[0] - half, strip.at[-1] + half)
