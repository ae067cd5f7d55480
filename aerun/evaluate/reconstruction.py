"""Reconstruction error, in one place for the model and for its baselines.

SE_i = sum_d (x_id - x_hat_id)^2, summed over the event; `se` = mean_i SE_i; `mse` = se / D; `psnr` pools all elements,
10 log10(R^2 / mse); `psnr_mean` averages per-sample values; `fvu` = se / mean_i ||x_i - m||^2, m the training mean. Headline
figures are of the output as it is; `se_clamped` clamps it to the data's range first. Same rule for every model.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Data, Split
from aerun.evaluate import pca
from aerun.evaluate.columns import rmse
from aerun.facts import Facts, spread
from aerun.trainer.batches import rows_that_fit
from aerun.vocabulary import call

Batch = tuple[Tensor, Tensor | None]
Source = Callable[[], Iterator[Batch]]
Reconstruct = Callable[[Tensor, Tensor | None], Tensor]

_SCORES = ("se", "se_clamped", "mse", "psnr", "psnr_mean")
FIGURES = (
    *(f"{who}/{score}" for who in ("test", "pca", "mean") for score in _SCORES),
    "test/fvu",
    "pca/fvu",
    "test/reconstruction",
    "test/reconstruction_excess",
)


@torch.no_grad()
def report(model: Autoencoder, data: Data, device: torch.device) -> dict[str, float]:
    """Test figures of the model, of PCA with as many numbers in its code, and of the training mean.

    Sequences of varying length: only real steps count, and PCA reads the mean where there is none.
    """
    model.eval()

    def batches(split: Split) -> Iterator[Batch]:
        like = next(model.arch.parameters())
        for stored in split.x.to(device).split(rows_that_fit(model.facts.size)):
            yield model.units(stored).to(like.dtype), model.facts.valid(stored)

    def train() -> Iterator[Batch]:
        return batches(data.train)

    def test() -> Iterator[Batch]:
        return batches(data.test)

    mean = _mean(train)
    baseline = pca.fit(lambda: (_filled(x, valid, mean) for x, valid in train()), model.code_elements)
    span = _range(model.facts, test)
    models: dict[str, Reconstruct] = {
        "test": lambda x, valid: model(x, valid=valid),
        "pca": lambda x, valid: baseline(_filled(x, valid, mean)),
        "mean": lambda x, valid: mean.expand_as(x),
    }
    scores = {who: _scores(f, test, model.facts, span) for who, f in models.items()}
    found = {f"{who}/{k}": v for who, row in scores.items() for k, v in row.items()}
    for who in ("test", "pca"):
        found[f"{who}/fvu"] = found[f"{who}/se"] / found["mean/se"] if found["mean/se"] > 0 else math.nan
    own_units = rmse(model, data, device) if model.facts.prepared_from is not None else {}
    return {**found, **_own_loss(model, test), **own_units}


def _mean(batches: Source) -> Tensor:
    """Mean of the real elements, (1, *S)."""
    total = count = torch.zeros((), dtype=torch.float64)
    for x, valid in batches():
        weight = torch.ones_like(x, dtype=torch.float64) * spread(valid, x)
        total = total.to(x.device) + (weight * x).sum(0)
        count = count.to(x.device) + weight.sum(0)
    return (total / count.clamp_min(1)).to(x.dtype)[None]


def _filled(x: Tensor, valid: Tensor | None, mean: Tensor) -> Tensor:
    return x if valid is None else torch.where(torch.ones_like(x) * spread(valid, x) > 0, x, mean)


def _scores(f: Reconstruct, batches: Source, facts: Facts, span: float) -> dict[str, float]:
    se, clamped, psnr, count, elements = 0.0, 0.0, 0.0, 0, 0.0
    for x, valid in batches():
        x_hat, weight = f(x, valid), spread(valid, x)
        each = _se(x_hat, x, weight)
        inside = each if facts.low is None and facts.high is None else _se(x_hat.clamp(facts.low, facts.high), x, weight)
        sizes = (torch.ones_like(x) * weight).flatten(1).double().sum(1)
        se, clamped, count = se + float(each.sum()), clamped + float(inside.sum()), count + len(x)
        elements += float(sizes.sum())
        psnr += float((10 * torch.log10(span**2 / (each / sizes).clamp_min(1e-20))).sum())
    mse = se / elements
    pooled = 10 * math.log10(span**2 / max(mse, 1e-20))
    return dict(zip(_SCORES, (se / count, clamped / count, mse, pooled, psnr / count), strict=True))


def _se(x_hat: Tensor, x: Tensor, weight: Tensor | float) -> Tensor:
    return ((x_hat - x).double().square() * weight).flatten(1).sum(1)


def _own_loss(model: Autoencoder, batches: Source) -> dict[str, float]:
    """The model's own reconstruction loss on clean input, and its excess over the least value it can have."""
    loss, floor, count = 0.0, 0.0, 0
    for x, valid in batches():
        raw = model.arch.decode(model.encode(x, valid=valid), valid)
        names = {"x": x, "raw": raw, "valid": valid, "mask": torch.zeros_like(x, dtype=torch.bool)}
        loss += float(call(model.loss, names).double().sum())
        floor += float(model.loss.floor(x, valid).double().sum())
        count += len(x)
    return {"test/reconstruction": loss / count, "test/reconstruction_excess": (loss - floor) / count}


def _range(facts: Facts, batches: Source) -> float:
    """R of the PSNR: the declared range, or where there is none that of the test data."""
    if facts.low is not None and facts.high is not None:
        return facts.high - facts.low
    low, high = math.inf, -math.inf
    for x, valid in batches():
        real = x if valid is None else x[valid]
        low, high = min(low, float(real.min())), max(high, float(real.max()))
    return max(high - low, 1e-12)
