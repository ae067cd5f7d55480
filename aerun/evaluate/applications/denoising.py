"""How well is noise removed, against filters that need no training and the best linear estimate?"""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import filters, first, in_parts, moving_average, quality, rows_of, span
from aerun.metrics.moments import WIDEST, Conditional, Lmmse, Moments, Noise, added, moments, replaced
from aerun.model.corruption.gaussian import Gaussian
from aerun.model.corruption.masking import Masking
from aerun.model.corruption.salt_pepper import SaltPepper
from aerun.model.corruption.snr import Snr
from aerun.trained import Trained

WHO = ("model", "identity", "median", "gaussian", "wiener", "moving_average", "lmmse")
METRICS = {"psnr": "max", "se": "min", "ssim": "max"}
_NOISES = (Gaussian, Masking, SaltPepper, Snr)
_WIDTHS = (3, 5, 7, 9, 15)


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Needs the noise that the model was trained on."""
    if dataset.facts().tokens:
        return "needs numbers that noise can be added to; text has none"
    if not isinstance(model.corruption, _NOISES):
        return "needs model/corruption=gaussian, snr, masking or salt_pepper: the noise that is to be removed"
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """The first 1,000 test samples (fewer where they are large) with the noise of training, drawn once from the run's seed.

    Rows: identity, nothing done; median, gaussian, wiener, filters of images; moving_average, of sequences, over the number of
    steps in (3, 5, 7, 9, 15) that is best on validation samples; lmmse, the best linear estimate, from mean and covariance of
    the training split and the law of the noise (where the encoder is told what is hidden, the Gaussian estimate given
    the rest; not for lengths that vary, nor above 4,096 features). All are clamped to the data's range. psnr is pooled.
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    x, valid = first(trained, trained.data.test)
    noisy, mask = _corrupted(model, x)
    ways = {"model": in_parts(model, rows_of(model), noisy, mask, valid), "identity": noisy}
    if facts.kind == "image":
        ways |= filters(noisy)
    if facts.kind == "sequence":
        ways["moving_average"] = moving_average(noisy, _width(trained), valid)
    if valid is None and facts.size <= WIDEST:
        known = moments(lambda: trained.batches(trained.data.train))
        ways["lmmse"] = Lmmse(known, _law(model, known))(noisy) if mask is None else Conditional(known)(noisy, mask)
    reach = span(facts, x)
    figures = {who: quality(x_hat, x, valid, facts, reach) for who, x_hat in ways.items()}
    return Outcome(figures, f"first {len(x):,} test samples, one draw of {_told(model)}; psnr in dB for a range of {reach:.3g}")


def _corrupted(model: Autoencoder, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """What the encoder sees, and the mask where it is told."""
    found = model.corruption(x)
    return found["x_in"], found["mask"] if model.corruption.shows_mask else None


def _law(model: Autoencoder, known: Moments) -> Noise:
    corruption = model.corruption
    if isinstance(corruption, Gaussian):
        return added(known, corruption.sigma**2)
    if isinstance(corruption, Snr):
        power = known.power.diagonal().mean() - known.power.mean()  # mean over samples of the variance inside one
        return added(known, float(power) / corruption.ratio)
    if isinstance(corruption, SaltPepper):
        return replaced(known, corruption.p, (corruption.low, corruption.high))
    assert isinstance(corruption, Masking)
    return replaced(known, corruption.p, (corruption.fill,))


def _told(model: Autoencoder) -> str:
    corruption = model.corruption
    if isinstance(corruption, Gaussian):
        return f"Gaussian noise of deviation {corruption.sigma:g}"
    if isinstance(corruption, Snr):
        return f"noise {1 / corruption.ratio:.3g} times as strong as the signal"
    assert isinstance(corruption, Masking | SaltPepper)
    return f"{100 * corruption.p:g} % of the elements {'hidden' if isinstance(corruption, Masking) else 'made salt or pepper'}"


def _width(trained: Trained) -> int:
    x, valid = first(trained, trained.data.val)
    noisy, _ = _corrupted(trained.autoencoder, x)
    reach = span(trained.autoencoder.facts, x)
    scores = [quality(moving_average(noisy, w, valid), x, valid, trained.autoencoder.facts, reach)["psnr"] for w in _WIDTHS]
    return _WIDTHS[scores.index(max(scores))]
