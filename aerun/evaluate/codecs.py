"""Codecs that know no model, with a rate-distortion curve each to compare a learned one with."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.coding.quantizer import fitted
from aerun.core.facts import Facts
from aerun.evaluate.restoration import clamped, pooled_psnr
from aerun.metrics import pca
from aerun.trained import Trained

_COMPONENTS, _ROWS, _ELEMENTS = 1024, 5000, 8_000_000
_STEPS = 13  # step sizes of the transform codec, each 1/sqrt(2) of the one before
_QUALITIES = {
    "jpeg": (1, 3, 5, 10, 15, 20, 30, 40, 50, 65, 80, 90, 95),
    "webp": (0, 5, 10, 20, 30, 40, 50, 65, 80, 90, 95, 100),
}
_BLOCK = 16  # images are tiled at multiples of this, so that no block of a codec holds parts of two


@dataclass(frozen=True)
class Curve:
    """Operating points (bits per element, PSNR in dB) by rising rate."""

    points: Sequence[tuple[float, float]]

    def psnr(self, rate: float) -> float | None:
        """Return the PSNR at this rate, between two points along log rate; None where the codec does not go."""
        return _between([(math.log(b), p) for b, p in self.points if b > 0], math.log(max(rate, 1e-12)))

    def rate(self, psnr: float) -> float | None:
        """Return the bits per element that this PSNR takes; None where the codec does not go."""
        log_rate = _between(sorted((p, math.log(b)) for b, p in self.points if b > 0), psnr)
        return None if log_rate is None else math.exp(log_rate)


def _between(points: Sequence[tuple[float, float]], at: float) -> float | None:
    if not points or not points[0][0] <= at <= points[-1][0]:
        return None
    return float(np.interp(at, [p[0] for p in points], [p[1] for p in points]))


def transform(trained: Trained, x: Tensor, reach: float) -> Curve:
    """Return the curve of PCA (the Karhunen-Loeve transform) of x (n, *S) with rounded coefficients.

    Every coefficient is rounded to multiples of one step, and levels are coded by how often they came in training. At most
    1,024 components, tables from the first 5,000 training samples (fewer of many components). Bits are by the tables, which the
    coder comes near.
    """
    base = pca.fit(lambda: trained.batches(trained.data.train), min(_COMPONENTS, trained.autoencoder.facts.size))
    rows = min(_ROWS, max(1, _ELEMENTS // base.components.shape[1]))
    train = torch.cat([base.codes(part) for part in _head(trained, rows)])
    codes, flat = base.codes(x), x.flatten(1)
    start = 4 * float(train.double().std(0, correction=0).max())
    points = []
    for i in range(_STEPS):
        steps = torch.full((train.shape[1],), start * 2 ** (-i / 2))
        quantizer = fitted(train, steps)
        levels = quantizer.levels(codes)
        x_hat = (base.mean + quantizer.codes(levels).to(flat) @ base.components.t()).reshape(x.shape)
        points.append((quantizer.bits(levels) / x.numel(), _psnr(x_hat, x, trained.autoencoder.facts, reach)))
    return Curve(sorted(points))


def _head(trained: Trained, rows: int) -> list[Tensor]:
    """Return the first training samples, in batches."""
    parts, left = [], rows
    for x in trained.batches(trained.data.train):
        parts.append(x[:left])
        left -= len(parts[-1])
        if left <= 0:
            break
    return parts


def _psnr(x_hat: Tensor, x: Tensor, facts: Facts, reach: float) -> float:
    return pooled_psnr(clamped(x_hat, facts), x, torch.ones_like(x), reach)


def picture_codecs(x: Tensor, facts: Facts) -> dict[str, Curve]:
    """Return the curves of JPEG and WebP, for all images (n, C, H, W) on one mosaic, so that their headers are paid once.

    Bits are per original pixel and channel. There are none for what is not an image of 1 or 3 channels with a known range.
    """
    if facts.kind != "image" or facts.shape[0] not in (1, 3) or facts.low is None or facts.high is None:
        return {}
    from PIL import features

    mosaic, cut = _mosaic(x, facts.low, facts.high)
    available = {name: q for name, q in _QUALITIES.items() if features.check("jpg" if name == "jpeg" else name)}
    return {
        name: Curve(sorted(_coded(name, q, mosaic, cut, x, facts) for q in qualities)) for name, qualities in available.items()
    }


def _coded(
    name: str, quality: int, mosaic: NDArray[np.uint8], cut: Callable[[NDArray[np.uint8]], Tensor], x: Tensor, facts: Facts
) -> tuple[float, float]:
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.fromarray(mosaic[:, :, 0] if mosaic.shape[2] == 1 else mosaic)
    picture.save(buffer, name.upper(), quality=quality, optimize=True)
    size = buffer.tell()
    back = np.asarray(Image.open(buffer).convert("L" if mosaic.shape[2] == 1 else "RGB")).reshape(mosaic.shape)
    assert facts.low is not None
    assert facts.high is not None
    return 8 * size / x.numel(), _psnr(cut(back), x, facts, facts.high - facts.low)


def _mosaic(x: Tensor, low: float, high: float) -> tuple[NDArray[np.uint8], Callable[[NDArray[np.uint8]], Tensor]]:
    """Return the mosaic, bytes (H', W', C), and a function that cuts one up into images (n, C, H, W).

    The images stand side by side, with their borders repeated in between.
    """
    n, _, height, width = x.shape
    tall, wide = (-(-side // _BLOCK) * _BLOCK for side in (height, width))
    across = math.ceil(math.sqrt(n))
    down = -(-n // across)
    pixels = (((x - low) / (high - low)).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    padded = np.pad(pixels, ((0, 0), (0, tall - height), (0, wide - width), (0, 0)), mode="edge")
    cells = np.concatenate([padded, np.repeat(padded[-1:], across * down - n, 0)])
    sheet = cells.reshape(down, across, tall, wide, -1).transpose(0, 2, 1, 3, 4).reshape(down * tall, across * wide, -1)

    def cut(back: NDArray[np.uint8]) -> Tensor:
        parts = back.reshape(down, tall, across, wide, -1).transpose(0, 2, 1, 3, 4).reshape(-1, tall, wide, back.shape[2])
        images = torch.from_numpy(parts[:n, :height, :width].copy()).permute(0, 3, 1, 2)
        return (low + (high - low) * images.to(x.dtype) / 255).to(x.device)

    return np.ascontiguousarray(sheet), cut
