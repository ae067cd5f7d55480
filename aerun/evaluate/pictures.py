"""Pictures of reconstructions."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from aerun.autoencoder import Autoencoder

_CELL, _GAP, _LABEL = 64, 4, 92
_ROWS = ("input", "encoder saw", "reconstruction", "|error|")


@torch.no_grad()
def reconstructions(model: Autoencoder, stored: Tensor) -> NDArray[np.uint8]:
    """Rows: input, what the encoder saw (noise fixed), its reconstruction, absolute error; (H, W, 3) bytes.

    Values are shown on the data's own range; the error's white is half of that range.
    """
    x = model.units(stored.float() if not stored.is_floating_point() else stored)
    torch.manual_seed(0)
    found = model.corruption(x)
    seen = found["x_in"]
    x_hat = model(seen, found.get("mask"))
    low, high = model.facts.low, model.facts.high
    low = float(x.min()) if low is None else low
    span = max((float(x.max()) if high is None else high) - low, 1e-12)
    rows = [(v - low) / span for v in (x, seen, x_hat)]
    rows.append(2 * (x_hat - x).abs() / span)
    return _grid([r.clamp(0, 1).float().cpu() for r in rows])


def _grid(rows: list[Tensor]) -> NDArray[np.uint8]:
    count = len(rows[0])
    page = Image.new("RGB", (_LABEL + count * (_CELL + _GAP), len(rows) * (_CELL + _GAP)), "white")
    draw = ImageDraw.Draw(page)
    for r, (label, images) in enumerate(zip(_ROWS, rows, strict=True)):
        draw.text((4, r * (_CELL + _GAP) + _CELL // 2 - 6), label, fill="black")
        for c, image in enumerate(images):
            page.paste(_cell(image), (_LABEL + c * (_CELL + _GAP), r * (_CELL + _GAP)))
    return np.asarray(page)


def _cell(image: Tensor) -> Image.Image:
    """(C, H, W) in [0, 1] -> a square thumbnail; 2 or more than 3 channels are averaged to grey."""
    shown = image if len(image) in (1, 3) else image.mean(0, keepdim=True)
    pixels = (shown * 255).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels[:, :, 0] if len(shown) == 1 else pixels)
    scale = _CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGB").resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)
