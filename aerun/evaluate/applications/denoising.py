"""How well is noise removed, against filters that need no training and the best linear estimate?"""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import filters, first, in_parts, moving_average, quality, rows_of, span
from aerun.metrics.moments import WIDEST, Conditional, Lmmse, moments, of_values
from aerun.trained import Trained

WHO = ("model", "identity", "median", "gaussian", "wiener", "moving_average", "lmmse")
METRICS = {"psnr": "max", "se": "min", "ssim": "max"}
_WIDTHS = (3, 5, 7, 9, 15)


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why noise cannot be removed here, or nothing: the model must have been trained on noise."""
    if dataset.facts().tokens:
        return "needs numbers that noise can be added to; text has none"
    if not model.corruption.alters or model.corruption.makes_holes or not model.corruption.is_noise:
        return "needs model/corruption=gaussian, snr, masking or salt_pepper: the noise that is to be removed"
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return psnr of denoised test samples, with the noise of training drawn once from the run's seed.

    The first 1,000 test samples are used, fewer where they are large. Rows: identity, nothing done; median, gaussian, wiener,
    filters of images; moving_average, of sequences, over the number of steps in (3, 5, 7, 9, 15) that is best on validation
    samples; lmmse, the best linear estimate, from mean and covariance of the training split and the law of the noise (where the
    encoder is told what is hidden, the Gaussian estimate given the rest; not for lengths that vary, above 4,096 features, nor
    for noise of an unknown law). All are clamped to the data's range. psnr is pooled.
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    x, valid, c, seen = first(trained, trained.data.test)
    noisy, mask = _corrupted(model, x, seen)
    ways = {"model": in_parts(model, rows_of(model), noisy, mask, valid, c, seen), "identity": noisy}
    if facts.kind == "image":
        ways |= filters(noisy)
    if facts.kind == "sequence":
        ways["moving_average"] = moving_average(noisy, _width(trained), valid)
    if valid is None and facts.size <= WIDEST:
        ways |= _linear(trained, noisy, mask)
    reach = span(facts, x)
    figures = {who: quality(x_hat, x, valid, facts, reach, seen) for who, x_hat in ways.items()}
    drawn = f"one draw of {model.corruption.describe()}"
    return Outcome(figures, f"first {len(x):,} test samples, {drawn}; psnr in dB for a range of {reach:.3g}")


def _corrupted(model: Autoencoder, x: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return what the encoder sees, and the mask where the encoder sees that too."""
    corrupted = model.corrupted(x, seen)
    return corrupted["x_in"], corrupted["mask"] if model.corruption.shows_mask else None


def _linear(trained: Trained, noisy: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
    """Return the best linear estimate, or nothing where the law of the noise is not known."""
    statistics = moments(lambda: trained.batches(trained.data.train))
    if mask is not None:
        return {"lmmse": Conditional(statistics)(noisy, mask)}
    model = trained.autoencoder
    noise = model.corruption.noise_model(statistics)
    if noise is None:
        return {}
    if model.corruption.hides and model.leaders is not None:
        noise = of_values(statistics, noise, model.corruption.fill, model.leaders)
    return {"lmmse": Lmmse(statistics, noise)(noisy)}


def _width(trained: Trained) -> int:
    x, valid, _, seen = first(trained, trained.data.val)
    noisy, _ = _corrupted(trained.autoencoder, x, seen)
    reach = span(trained.autoencoder.facts, x)
    scores = [quality(moving_average(noisy, w, valid), x, valid, trained.autoencoder.facts, reach)["psnr"] for w in _WIDTHS]
    return _WIDTHS[scores.index(max(scores))]
