"""Sheets of images: rows of cells of one size, with a word before each row and, where wanted, above each cell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.letters import font

_CELL, _GAP, _LINE = 64, 4, 16
_BELOW, _ABOVE = (0, 114, 178), (213, 94, 0)  # blue and vermilion: Okabe & Ito 2008


def images_only(dataset: Dataset) -> str:
    """Return why a sheet of samples cannot be drawn, or nothing."""
    return "" if dataset.facts().kind == "image" else "draws images only."


@dataclass(frozen=True)
class Row:
    """cells (n, C, H, W) in [0, 1], C = 1 or 3; captions: one above each."""

    name: str
    cells: Tensor
    captions: Sequence[str] = ()


def shown(x: Tensor, facts: Facts, like: Tensor | None = None) -> Tensor:
    """Return images (n, C, H, W) on the data's own range, where there is none on that of `like`, as cells in [0, 1]."""
    like = x if like is None else like
    low = float(like.min()) if facts.low is None else facts.low
    high = float(like.max()) if facts.high is None else facts.high
    y = ((x - low) / max(high - low, 1e-12)).clamp(0, 1).float().cpu()
    return y if y.shape[1] in (1, 3) else y.mean(1, keepdim=True)


def span(x: Tensor, facts: Facts) -> float:
    """Return high - low of the data's range, where there is none that of x."""
    low = float(x.min()) if facts.low is None else facts.low
    return max((float(x.max()) if facts.high is None else facts.high) - low, 1e-12)


def signed(x: Tensor, most: Tensor | float) -> Tensor:
    """Map (n, C, H, W) -> cells (n, 3, H, W): white for 0, vermilion for +most, blue for -most; channels are averaged."""
    y = (x.mean(1, keepdim=True) / most).clamp(-1, 1).float().cpu()
    ends = [torch.tensor(c, dtype=torch.float32).view(1, 3, 1, 1) / 255 for c in (_BELOW, _ABOVE)]
    return 1 - (-y).clamp_min(0) * (1 - ends[0]) - y.clamp_min(0) * (1 - ends[1])


def sheet(
    rows: Sequence[Row], title: str = "", heads: Sequence[str] = (), framed: bool = False, cell: int = _CELL
) -> NDArray[np.uint8]:
    """Return (H, W, 3) bytes. title: above all; heads: above each column; framed: cells stand in a grey frame.

    cell: the longest side of a cell, in pixels.
    """
    lead = max((round(font().getlength(r.name)) + 3 * _GAP for r in rows if r.name), default=_GAP)
    across = max(len(r.cells) for r in rows)
    width = lead + across * (cell + _GAP)
    words = _wrapped(title, width - 2 * _GAP)
    top = _GAP + _LINE * len(words) + (_LINE if heads else 0)
    heights = [(_LINE if r.captions else 0) + _side(r.cells, cell)[1] + _GAP for r in rows]
    page = Image.new("RGB", (width, top + sum(heights)), "white")
    draw = ImageDraw.Draw(page)
    for i, line in enumerate(words):
        draw.text((_GAP, 2 + i * _LINE), line, fill="black", font=font())
    for c, head in enumerate(heads):
        _centred(draw, head, lead + c * (cell + _GAP) + cell / 2, top - _LINE)
    for row, height in zip(rows, heights, strict=True):
        _lay(page, draw, row, top, lead, cell, framed)
        top += height
    return np.asarray(page)


def _lay(page: Image.Image, draw: ImageDraw.ImageDraw, row: Row, top: int, lead: int, cell: int, framed: bool) -> None:
    down = top + (_LINE if row.captions else 0)
    width, height = _side(row.cells, cell)
    draw.text((_GAP, down + height // 2 - 7), row.name, fill="black", font=font())
    for c, image in enumerate(row.cells):
        left = lead + c * (cell + _GAP)
        at = left + (cell - width) // 2
        if framed:
            draw.rectangle((at - 1, down - 1, at + width, down + height), outline="#999999")
        page.paste(picture(image).resize((width, height), _filter(row.cells, width)), (at, down))
        if c < len(row.captions):
            _centred(draw, row.captions[c], left + cell / 2, top)


def picture(cell: Tensor) -> Image.Image:
    """Map (1 or 3, H, W) in [0, 1] -> RGB."""
    return Image.fromarray((cell.expand(3, -1, -1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def resized(cell: Tensor, size: int) -> Image.Image:
    """Return a square thumbnail's content: longest side `size`."""
    width, height = _side(cell[None], size)
    return picture(cell).resize((width, height), _filter(cell[None], width))


def _side(cells: Tensor, cell: int) -> tuple[int, int]:
    high, wide = cells.shape[2:]
    scale = cell / max(high, wide)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def _filter(cells: Tensor, width: int) -> Image.Resampling:
    return Image.Resampling.NEAREST if width >= cells.shape[3] else Image.Resampling.BOX


def _centred(draw: ImageDraw.ImageDraw, word: str, middle: float, top: float) -> None:
    draw.text((middle - font().getlength(word) / 2, top), word, fill="black", font=font())


def _wrapped(text: str, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font().getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
