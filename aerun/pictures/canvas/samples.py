"""A page of samples, to look at before anything is trained on them."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from aerun.core.facts import Facts

_GAP, _CELL = 4, 64
_ROWS = 8  # of images, and as many columns
_WIDTH, _HEIGHT, _ACROSS = 280, 120, 3  # of one sequence, and how many beside each other
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


def wanted(facts: Facts) -> int:
    """Return samples on one page; 0 for kinds that are not drawn."""
    return {"image": _ROWS * _ROWS, "sequence": 4 * _ACROSS}.get(facts.kind, 0)


def page(stored: Tensor, facts: Facts) -> NDArray[np.uint8]:
    """Return samples (n, *stored) as (H, W, 3) bytes: images in a grid, sequences as lines over time, one colour a feature."""
    x = facts.units(stored).float()
    return _images(x, facts) if facts.kind == "image" else _lines(x, facts.valid(stored), own_scales(facts))


def own_scales(facts: Facts) -> bool:
    """Return whether each feature of a sequence is drawn on its own scale: those that are prepared have units of their own."""
    return facts.kind == "sequence" and facts.prepared_from is not None and facts.stored[-1] > 1


def _images(x: Tensor, facts: Facts) -> NDArray[np.uint8]:
    low, high = (None, None) if facts.prepared_from is not None else (facts.low, facts.high)
    low = float(x.nan_to_num().min()) if low is None else low
    high = float(x.nan_to_num().max()) if high is None else high
    shown = ((x.nan_to_num(nan=low) - low) / max(high - low, 1e-12)).clamp(0, 1)
    shown = shown if shown.shape[1] in (1, 3) else shown.mean(1, keepdim=True)
    pixels = (shown * 255).round().to(torch.uint8).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    cells = [_cell(Image.fromarray(picture)) for picture in pixels]
    across = min(_ROWS, len(cells))
    width, height = (max(side) + _GAP for side in zip(*(cell.size for cell in cells), strict=True))
    sheet = Image.new("RGB", (across * width, -(-len(cells) // across) * height), "white")
    for i, cell in enumerate(cells):
        sheet.paste(cell, (i % across * width, i // across * height))
    return np.asarray(sheet)


def _cell(image: Image.Image) -> Image.Image:
    scale = _CELL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)


def _lines(x: Tensor, valid: Tensor | None, own: bool) -> NDArray[np.uint8]:
    """Return (n, T, F) drawn: all on one scale, or (own) each feature between the lowest and the highest of its own values."""
    axes = (0, 1) if own else (0, 1, 2)
    low = x.nan_to_num(nan=torch.inf).amin(axes, keepdim=True)
    high = x.nan_to_num(nan=-torch.inf).amax(axes, keepdim=True)
    y = (_HEIGHT - 1) * (1 - (torch.where(x.isnan(), low, x) - low) / (high - low).clamp_min(1e-12)).nan_to_num(nan=0.0)
    steps = [x.shape[1]] * len(x) if valid is None else valid.sum(1).tolist()
    sheet = Image.new("RGB", (_ACROSS * (_WIDTH + _GAP), -(-len(x) // _ACROSS) * (_HEIGHT + _GAP)), "#cccccc")
    for i, (sample, length) in enumerate(zip(y, steps, strict=True)):
        panel = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
        draw = ImageDraw.Draw(panel)
        across = torch.linspace(0, _WIDTH - 1, x.shape[1]).tolist()[:length]
        for feature, line in enumerate(sample[:length].t().tolist()):
            draw.line(list(zip(across, line, strict=True)), fill=_COLOURS[feature % len(_COLOURS)])
        sheet.paste(panel, (i % _ACROSS * (_WIDTH + _GAP), i // _ACROSS * (_HEIGHT + _GAP)))
    return np.asarray(sheet)
