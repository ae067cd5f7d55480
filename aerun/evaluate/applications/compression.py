"""How many bits do samples take as quantized codes, and what is left of them?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.coding.quantizer import Quantizer, fitted
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.evaluate.codecs import Curve, picture_codecs, transform
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import clamped, first, in_parts, pooled_psnr, rows_of, span
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained

WHO = ("model", "pca", "jpeg", "webp")
_POINTS = {"coarse": 1.5, "middle": 0.5, "fine": 0.1}  # dB that quantization may cost
METRICS = {f"{point}_{k}": better for point in _POINTS for k, better in (("bpp", "min"), ("psnr", "max"))}
METRICS["excess"] = "min"
_ROWS, _ELEMENTS, _PROBES, _HALVINGS = 20_000, 8_000_000, 16, 12


@dataclass(frozen=True)
class _Codec:
    """A way from samples to numbers that can be rounded, and back.

    numbers: x -> what is rounded, (B, d, *grid); sample: the way back; gains (d,): error of the output for one unit of error in
    a number, or None where the numbers are whole already.
    """

    numbers: Callable[[Tensor], Tensor]
    sample: Callable[[Tensor], Tensor]
    gains: Tensor | None


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why samples cannot be compressed here, or nothing: they must be of one length, and their error a distance."""
    facts = dataset.facts()
    if facts.tokens or facts.ragged:
        return "needs samples of one length and numbers in them"
    if model.facts.source:
        return "needs a code that stands for samples, and of this one other numbers are computed (dataset.target)"
    if model.told is not None:
        return f"needs a decoder that reads the code alone, and this one is also told {model.told.names}"
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return bpp and psnr of the first 1,000 test samples, coded to bytes by a real coder and decoded again.

    There are fewer samples where they are large.

    Each unit of the code is rounded to multiples of a step, small where the decoder is sensitive; levels and how often they
    come are taken from the first 20,000 training codes (fewer of large ones). Three operating points: fine, middle and
    coarse, with steps at which rounding costs 0.1, 0.5 and 1.5 dB on validation samples; codes that are whole already
    (of bottleneck quantized, vq) have the point fine alone.

    bpp: bits per original element (of a grey image: per pixel); psnr in dB, pooled. Rows: model, both as they are; of the
    others bpp is what they need for the model's psnr, and psnr what they reach with the model's bpp, between two of their own
    operating points; - where they do not go. pca: transform coding with the training covariance; jpeg, webp: on a mosaic.
    excess: the largest share by which the bytes are longer than the entropy of the tables. The decoder itself and the tables
    are not counted.
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    x, *_ = first(trained, trained.data.test)
    reach = span(facts, x)
    codec = _codec(trained)
    points = {name: _measured(trained, codec, _quantizer(trained, codec, loss), x, reach) for name, loss in _points(codec)}
    curves = {"pca": transform(trained, x, reach), **picture_codecs(x, facts)}
    figures = {"model": {f"{name}_{k}": v for name, p in points.items() for k, v in zip(("bpp", "psnr"), p[:2], strict=True)}}
    for who, curve in curves.items():
        figures[who] = {k: v for name, p in points.items() for k, v in _beside(curve, name, p[0], p[1]).items()}
    figures["model"]["excess"] = max(p[0] / max(p[2], 1e-12) - 1 for p in points.values())
    weights = sum(p.numel() for p in model.arch.decoder.parameters())
    return Outcome(
        figures,
        f"first {len(x):,} test samples, bytes decoded bit by bit the same; bits per original element; "
        f"excess: of bytes over the entropy; {weights:,} weights of the decoder not counted{_missing(figures)}",
    )


def _missing(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return why some of the other codecs have no figure at an operating point; empty where all have."""
    wanted = figures["model"].keys() - {"excess"}
    names = [who for who, row in figures.items() if wanted - row.keys()]
    return f"; -: {' and '.join(names)} cannot be set to so few bits, or to so high a psnr" if names else ""


def _points(codec: _Codec) -> list[tuple[str, float]]:
    return [("fine", 0.0)] if codec.gains is None else list(_POINTS.items())


def _beside(curve: Curve, name: str, rate: float, psnr: float) -> dict[str, float]:
    figures = {f"{name}_bpp": curve.rate(psnr), f"{name}_psnr": curve.psnr(rate)}
    return {k: v for k, v in figures.items() if v is not None}


def _codec(trained: Trained) -> _Codec:
    model, bottleneck = trained.autoencoder, trained.autoencoder.bottleneck

    def sample(numbers: Tensor) -> Tensor:
        return model.decode(bottleneck.lookup(numbers.long() if bottleneck.levels else numbers))

    return _Codec(lambda x: bottleneck.indices(model.arch.encode(x)), sample, None if bottleneck.whole else _gains(trained))


def _gains(trained: Trained) -> Tensor:
    """Return the root mean squared derivative of the whole output by one element of unit j, (d,).

    It is estimated by differences at validation samples.
    """
    model = trained.autoencoder
    x = next(trained.batches(trained.data.val, _PROBES))
    z = model.encode(x)
    spread = model.encode(next(trained.batches(trained.data.val))).transpose(0, 1).flatten(1).std(1, correction=0)
    size, base, slopes = (0.1 * spread).clamp_min(1e-6), model.decode(z), []
    for j in range(z.shape[1]):
        moved = z.clone()
        moved[:, j] += size[j]
        change = of_samples(model.decode(moved), base).mean()
        slopes.append((change / z[0, 0].numel()).sqrt() / size[j])
    gains = torch.stack(slopes)
    return gains.clamp_min(1e-3 * float(gains.max()) + 1e-12)


def _quantizer(trained: Trained, codec: _Codec, loss: float) -> Quantizer:
    rows = max(1, min(_ROWS, _ELEMENTS // trained.autoencoder.code_elements))
    parts, left = [], rows
    for x in trained.batches(trained.data.train):
        parts.append(codec.numbers(x[:left]))
        left -= len(parts[-1])
        if left <= 0:
            break
    numbers = torch.cat(parts)
    if codec.gains is None:
        return fitted(numbers, torch.ones(numbers.shape[1]))
    return fitted(numbers, _scale(trained, codec, loss) / codec.gains.cpu())


def _scale(trained: Trained, codec: _Codec, loss: float) -> float:
    """Return the rounding error of the output, as a step, at which validation samples lose `loss` dB."""
    assert codec.gains is not None
    x, *_ = first(trained, trained.data.val)
    numbers, rows = in_parts(codec.numbers, rows_of(trained.autoencoder), x), rows_of(trained.autoencoder)
    gains = codec.gains.reshape(1, -1, *[1] * (numbers.ndim - 2)).to(numbers)

    def error(step: float) -> float:
        own = numbers if step == 0 else (numbers * gains / step).round() * step / gains
        return float(of_samples(in_parts(codec.sample, rows, own), x).mean())

    wanted = max(error(0.0), 1e-12) * 10 ** (loss / 10)
    guess = (12 * wanted * (1 - 10 ** (-loss / 10)) / numbers[0].numel()) ** 0.5
    low, high = guess / 8, guess * 8
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if error(middle) < wanted else (low, middle)
    return low


def _measured(trained: Trained, codec: _Codec, quantizer: Quantizer, x: Tensor, reach: float) -> tuple[float, float, float]:
    """Return the bits per element of the real bytes, the PSNR, and the bits per element by the tables."""
    rows = rows_of(trained.autoencoder)
    levels = quantizer.levels(in_parts(codec.numbers, rows, x))
    data = quantizer.to_bytes(levels)
    back = quantizer.from_bytes(data, tuple(levels.shape))
    if not torch.equal(back, levels):
        raise AerunError("the decoded codes are not the encoded ones.")
    x_hat = clamped(in_parts(codec.sample, rows, quantizer.codes(back).to(x)), trained.autoencoder.facts)
    return 8 * len(data) / x.numel(), pooled_psnr(x_hat, x, torch.ones_like(x), reach), quantizer.bits(levels) / x.numel()
