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
from aerun.parts import Facts
from aerun.trainer.batches import rows_that_fit

_SCORES = ("se", "se_clamped", "mse", "psnr", "psnr_mean")
FIGURES = (
    *(f"{who}/{score}" for who in ("test", "pca", "mean") for score in _SCORES),
    "test/fvu",
    "pca/fvu",
    "test/reconstruction",
    "test/reconstruction_excess",
)


@torch.no_grad()
def report(model: Autoencoder, data: Data, device: torch.device, code_size: int) -> dict[str, float]:
    """Test figures of the model, of PCA with a code of the same size, and of the training mean."""
    model.eval()

    def batches(split: Split) -> Iterator[Tensor]:
        like = next(model.arch.parameters())
        for stored in split.x.split(rows_that_fit(model.facts.size)):
            yield model.units(stored.to(device)).to(like.dtype)

    baseline = pca.fit(lambda: batches(data.train), code_size)
    mean = baseline.mean.reshape(1, *model.facts.shape)
    span = _range(data.test, model.facts)
    scores = {
        "test": _scores(lambda x: model(x), lambda: batches(data.test), model.facts, span),
        "pca": _scores(baseline, lambda: batches(data.test), model.facts, span),
        "mean": _scores(lambda x: mean.expand_as(x), lambda: batches(data.test), model.facts, span),
    }
    found = {f"{who}/{k}": v for who, row in scores.items() for k, v in row.items()}
    for who in ("test", "pca"):
        found[f"{who}/fvu"] = found[f"{who}/se"] / found["mean/se"] if found["mean/se"] > 0 else math.nan
    return {**found, **_own_loss(model, lambda: batches(data.test))}


def _scores(f: Callable[[Tensor], Tensor], batches: pca.Source, facts: Facts, span: float) -> dict[str, float]:
    se, clamped, psnr, count = 0.0, 0.0, 0.0, 0
    for x in batches():
        x_hat = f(x)
        each = _se(x_hat, x)
        inside = each if facts.low is None and facts.high is None else _se(x_hat.clamp(facts.low, facts.high), x)
        se, clamped, count = se + float(each.sum()), clamped + float(inside.sum()), count + len(x)
        psnr += float((10 * torch.log10(span**2 / (each / facts.size).clamp_min(1e-20))).sum())
    mse = se / count / facts.size
    pooled = 10 * math.log10(span**2 / max(mse, 1e-20))
    return dict(zip(_SCORES, (se / count, clamped / count, mse, pooled, psnr / count), strict=True))


def _se(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).flatten(1).double().square().sum(1)


def _own_loss(model: Autoencoder, batches: pca.Source) -> dict[str, float]:
    """The model's own reconstruction loss on clean input, and its excess over the least value it can have."""
    loss, floor, count = 0.0, 0.0, 0
    for x in batches():
        raw = model.arch.decode(model.encode(x))
        names = {"x": x, "raw": raw, "x_hat": model.loss.activate(raw)}
        loss += float(model.loss(**{k: names[k] for k in model.loss.takes() if k in names}).double().sum())
        floor += float(model.loss.floor(x).double().sum())
        count += len(x)
    return {"test/reconstruction": loss / count, "test/reconstruction_excess": (loss - floor) / count}


def _range(split: Split, facts: Facts) -> float:
    """R of the PSNR: the declared range, or where there is none that of the test data."""
    if facts.low is not None and facts.high is not None:
        return facts.high - facts.low
    low, high = split.x.aminmax()
    return max(float(high - low) / facts.unit, 1e-12)
