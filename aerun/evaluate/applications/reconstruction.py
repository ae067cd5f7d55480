"""How well do samples come back through the code? Against PCA with as many numbers, and the training mean."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.reconstruction import report
from aerun.evaluate.subset import subsample
from aerun.metrics import ssim
from aerun.trained import Trained

WHO = ("model", "pca", "mean")
METRICS = {"se": "min", "se_clamped": "min", "mse": "min", "psnr": "max", "psnr_mean": "max", "ssim": "max", "fvu": "min"}
_MOST = 2000


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return nothing: every model and all data can be asked."""
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return se, mse, psnr (elements pooled), psnr_mean (over samples), fvu and ssim over all test samples.

    See `aerun.evaluate.reconstruction`. ssim: of images of 11 x 11 pixels or more with a known range, both clamped to it, at
    most 2,000 test samples.
    """
    measured, named = report(trained), {"model": "test", "pca": "pca", "mean": "mean"}
    measured["mean/fvu"] = 1.0
    figures = {who: {m: measured[f"{key}/{m}"] for m in METRICS if f"{key}/{m}" in measured} for who, key in named.items()}
    facts, count = trained.autoencoder.facts, len(trained.data.test)
    note = f"{count:,} test samples, no draws; pca and mean are fitted on {len(trained.data.train):,} training samples"
    if facts.kind == "image" and ssim.ssim_applies(facts.shape) and facts.low is not None and facts.high is not None:
        rows = _structure(trained, facts.low, facts.high)
        figures = {who: {**row, "ssim": float(rows[who].mean())} for who, row in figures.items()}
        note += f"; ssim of {len(rows['model']):,}"
    return Outcome(figures, note)


def _structure(trained: Trained, low: float, high: float) -> dict[str, Tensor]:
    """Return the SSIM of each sample, for the model and its baselines."""
    split = subsample(trained.data.test, _MOST, trained.autoencoder.facts.size)
    values: dict[str, list[Tensor]] = {who: [] for who in WHO}
    for x, beside in trained.known_batches(split):
        outputs = (trained.autoencoder(x, **beside), trained.informed(x, beside), trained.mean.expand_as(x))
        for who, x_hat in zip(WHO, outputs, strict=True):
            values[who].append(ssim.ssim(x.clamp(low, high), x_hat.clamp(low, high), high - low))
    return {who: torch.cat(parts) for who, parts in values.items()}
