"""The columns of a table one by one: what `aerun data` says and draws of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from aerun.preparation.base import Preparation
from aerun.preparation.feature import Feature

_WORDS = 4  # of a category that are named
_ACROSS, _MOST, _BARS = 4, 24, 30
_WIDTH, _HEIGHT, _TITLE, _GAP = 180, 80, 16, 4


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
    sheet = Image.new("RGB", (across * (_WIDTH + _GAP), down * (_HEIGHT + _TITLE + _GAP)), "#cccccc")
    for i, feature in enumerate(shown):
        panel = _panel(feature.name, counts(feature, x[:, i]))
        sheet.paste(panel, (i % _ACROSS * (_WIDTH + _GAP), i // _ACROSS * (_HEIGHT + _TITLE + _GAP)))
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


def _panel(name: str, heights: Sequence[int]) -> Image.Image:
    panel = Image.new("RGB", (_WIDTH, _HEIGHT + _TITLE), "white")
    draw, width, most = ImageDraw.Draw(panel), _WIDTH / len(heights), max(1, *heights)
    draw.text((3, 2), name.encode("ascii", "replace").decode()[:28], fill="black")
    for i, n in enumerate(heights):
        if n:
            top = _TITLE + _HEIGHT - max(1, round(n / most * (_HEIGHT - 2)))
            draw.rectangle((round(i * width), top, max(round(i * width), round((i + 1) * width) - 2), panel.height), "#1f77b4")
    return panel
