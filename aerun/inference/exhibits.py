"""Samples as a page shows them: small pictures, words, cells of a row, lines of a series."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.text import shown
from aerun.formats.pictures import image
from aerun.inference.model import Model
from aerun.inference.reading import Piece

_SIDE, _LETTERS, _CELLS, _STEPS, _LINES = 48, 300, 12, 64, 3
_UNITS = {"table": "row", "text": "line", "image": "image", "sequence": "sample"}
Exhibit = dict[str, Any]
"""where: which sample it is; and at most one of picture (a data URI), words, cells (pairs of a name and a value) and lines
(series of numbers). marked: which of `words` the sample is, where they are of its context."""


def exhibit(model: Model, piece: Piece, row: int) -> Exhibit:
    """Return what is shown of a row of a piece."""
    where = piece.names[row] if piece.names else f"{piece.file}, {_UNITS[model.facts.kind]} {piece.first + row}"
    identity = (model.config.get("dataset") or {}).get("id")
    if isinstance(identity, str) and identity in piece.beside:
        where = f"{identity} {piece.beside[identity][row]} ({where})"
    return {"where": shown(where), **_content(model, piece, row)}


def _content(model: Model, piece: Piece, row: int) -> Exhibit:
    facts = model.facts
    if facts.tokens:
        return {"words": shown(piece.x[row][:_LETTERS])}
    if isinstance(piece.x, Mapping):
        return {"cells": _cells({name: column[row] for name, column in piece.x.items()})}
    sample = np.asarray(piece.x[row], dtype=np.float32)
    if facts.kind == "image":
        return {"picture": thumbnail(sample.reshape(facts.stored), _range(model))}
    if facts.kind == "sequence":
        return {"lines": _lines(sample.reshape(-1, facts.stored[1]))}
    if sample.size <= _CELLS:
        return {"cells": _cells({str(i + 1): v for i, v in enumerate(sample.flatten())})}
    return {}


def _range(model: Model) -> dict[str, float | None]:
    facts = model.facts
    low, high = (None if v is None else v * facts.unit for v in (facts.low, facts.high))
    return {"low": low, "high": high}


def thumbnail(sample: NDArray[Any], about: Mapping[str, Any]) -> str:
    """Return an image (C, H, W) as a data URI, no larger than 48 pixels."""
    picture, content = image(sample, about), io.BytesIO()
    picture.thumbnail((_SIDE, _SIDE))
    picture.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _cells(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the first cells of a row, and how many more there are."""
    cells = [(shown(name), shown(value(v)[:60])) for name, v in list(values.items())[:_CELLS]]
    return [*cells, ("", f"and {len(values) - _CELLS} more")] if len(values) > _CELLS else cells


def value(v: Any) -> str:
    """Return a cell's value in words."""
    return f"{float(v):.4g}" if isinstance(v, float | np.floating) else str(v)


def _lines(steps: NDArray[np.float32]) -> list[list[float]]:
    """Return at most 3 features of a series (T, F), at most 64 steps of each."""
    real = steps[~np.isnan(steps).all(1)]
    places = np.unique(np.linspace(0, len(real) - 1, min(_STEPS, len(real))).round().astype(int))
    return [[float(f"{v:.3g}") for v in np.nan_to_num(real[places, f])] for f in range(min(_LINES, real.shape[1]))]
