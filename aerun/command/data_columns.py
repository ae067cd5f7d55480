"""The columns of a table one by one: what `aerun data` says and draws of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from aerun.pictures.canvas.letters import font
from aerun.preparation.base import Preparation
from aerun.preparation.feature import Feature

_WORDS = 4  # of a category that are named
_ACROSS, _MOST, _BARS = 4, 24, 30
_WIDTH, _HEIGHT, _TITLE, _FOOT, _GAP = 180, 80, 16, 14, 4


def columns_of(preparation: Preparation, count: int) -> tuple[Feature, ...]:
    """Return the columns as the preparation knows them, else by number."""
    return preparation.features or tuple(Feature(f"column {i}", "number") for i in range(1, count + 1))


def described(feature: Feature, values: Tensor) -> str:
    """Name and range, or words, of a column's values (n,) as they are stored."""
    if feature.kind == "category":
        more = ", ..." if len(feature.words) > _WORDS else ""
        return f"{feature.name} ({len(feature.words)} words: {', '.join(feature.words[:_WORDS])}{more})"
    there = values[values.isfinite()]
    if not len(there):
        return f"{feature.name} (no value)"
    low, high = (float(v) for v in there.aminmax())
    if feature.kind == "date":
        return f"{feature.name} {_moment(feature.origin + low)} to {_moment(feature.origin + high)}"
    return f"{feature.name} {low:g} to {high:g}"


def _moment(seconds: float) -> str:
    """Return seconds since 1970 UTC as a date, with its time of day where that is not midnight."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(seconds))
    return moment.date().isoformat() if moment.time().isoformat() == "00:00:00" else moment.strftime("%Y-%m-%dT%H:%M:%S")


def histograms(x: Tensor, features: Sequence[Feature]) -> NDArray[np.uint8]:
    """Return how the values of the first 24 columns of x (n, columns) are spread: (H, W, 3) bytes, one panel a column."""
    shown = features[:_MOST]
    across, down = min(_ACROSS, len(shown)), -(-len(shown) // _ACROSS)
    sheet = Image.new("RGB", (across * (_WIDTH + _GAP), down * (_HEIGHT + _TITLE + _FOOT + _GAP)), "#cccccc")
    for i, feature in enumerate(shown):
        panel = _panel(feature.name, counts(feature, x[:, i]), _ends(feature, x[:, i]))
        sheet.paste(panel, (i % _ACROSS * (_WIDTH + _GAP), i // _ACROSS * (panel.height + _GAP)))
    return np.asarray(sheet)


def counts(feature: Feature, values: Tensor) -> list[int]:
    """Return how many values (n,) fall into each of some equal bins, or are of each word (the first 30)."""
    there = values[values.isfinite()].double()
    if feature.kind == "category":
        tally = torch.bincount(there[there >= 0].long(), minlength=len(feature.words))[:_BARS]
    elif not len(there) or there.min() == there.max():
        tally = torch.tensor([len(there)])
    else:
        tally = torch.histc(there, _BARS)
    return [int(n) for n in tally.tolist()]


def _ends(feature: Feature, values: Tensor) -> tuple[str, str]:
    """Return what stands below the first and the last bar."""
    there = values[values.isfinite()]
    if feature.kind == "category":
        words = feature.words[:_BARS]
        return (words[0], words[-1] if words[1:] else "") if words else ("", "")
    if not len(there):
        return "no value", ""
    low, high = (float(v) for v in there.aminmax())
    ends = [_moment(feature.origin + v) if feature.kind == "date" else f"{v:g}" for v in (low, high)]
    return ends[0], ends[1] if low < high else ""


def _panel(name: str, heights: Sequence[int], ends: tuple[str, str]) -> Image.Image:
    panel = Image.new("RGB", (_WIDTH, _HEIGHT + _TITLE + _FOOT), "white")
    draw, width, most = ImageDraw.Draw(panel), _WIDTH / len(heights), max(1, *heights)
    draw.text((3, 1), name[:28], fill="black", font=font())
    draw.text((3, _TITLE + _HEIGHT), ends[0][:14], fill="#555555", font=font(10))
    last = ends[1][:14]
    draw.text((_WIDTH - 3 - font(10).getlength(last), _TITLE + _HEIGHT), last, fill="#555555", font=font(10))
    for i, n in enumerate(heights):
        if n:
            top = _TITLE + _HEIGHT - max(1, round(n / most * (_HEIGHT - 2)))
            draw.rectangle(
                (round(i * width), top, max(round(i * width), round((i + 1) * width) - 2), _TITLE + _HEIGHT), "#1f77b4"
            )
    return panel
