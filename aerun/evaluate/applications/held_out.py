"""How probable are test samples under the model, in nats? Held-out negative log-likelihood, for codes with a prior."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Normal

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.facts import known_weight
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.evaluate.likelihood import log_likelihood
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.subset import subsample
from aerun.metrics.moments import WIDEST, Mahalanobis, moments
from aerun.trained import Trained
from aerun.vocabulary import Pass, call

WHO = ("model", "independent", "gaussian")
METRICS = {"nats": "min"}
_DRAWS, _MOST, _ELEMENTS = 64, 500, 50_000_000  # codes a sample, samples, elements that are decoded in all
_RARE, _STILL = 1e-3, 1e-6  # a probability that no training sample has; smallest variance, as a share of the mean one


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why there is no likelihood here, or nothing: it takes a posterior, a prior and a loss in nats."""
    if not model.has_bound:
        return "needs a code with a posterior and a prior: model/bottleneck=gaussian"
    if not model.loss.density or model.loss.per_lambda(2) != 1:
        losses = "model/loss=bce, gaussian, mixed, logistic or categorical"
        return f"needs a loss in nats, such as {losses}, with model.loss.reduction=sum"
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return the mean of -log p(x) over test samples, in nats: at most 500, fewer of large ones.

    Rows: model, importance sampling with 64 codes a sample (`aerun.evaluate.likelihood`), on average above the truth;
    independent, no code at all: each element by itself under its training frequency (bce, categorical; words and marks of
    mixed), its Gaussian (numbers of mixed; densities of real values: gaussian, student_t, continuous_bernoulli) or what its
    Gaussian gives each level (logistic); gaussian, one Gaussian with the training mean and covariance (of densities, up to
    4,096 features, not where gaps are kept: cells that are there alone count). The loss mse is a Gaussian of variance 1/2
    without its constant, for all rows. AerunError where nothing is finite.
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    split = subsample(trained.data.test, max(1, min(_MOST, _ELEMENTS // (_DRAWS * facts.size))), facts.size)
    ways = {"model": _model, "independent": _independent, **({"gaussian": _gaussian} if _has_gaussian(trained) else {})}
    figures = {who: {"nats": _mean(way(trained, split))} for who, way in ways.items()}
    if not math.isfinite(figures["model"]["nats"]):
        raise AerunError("held_out: is not finite.")
    grey = " (values between 0 and 1 count as probabilities)" if model.loss.density == "frequency" and not facts.tokens else ""
    constant = "; variance 1/2 without its constant" if model.loss.density == "half" else ""
    bits = "" if model.loss.density != "levels" else f"; bits per dimension: nats / {facts.size * math.log(2):.5g}"
    return Outcome(
        figures, f"{len(split):,} test samples, {_DRAWS} codes each{grey}{constant}; nats a sample, less is better{bits}"
    )


def _mean(nats: Iterator[Tensor]) -> float:
    return float(torch.cat(list(nats)).double().mean())


def _model(trained: Trained, split: Split) -> Iterator[Tensor]:
    for x, beside in trained.known_batches(split):
        yield -log_likelihood(trained.autoencoder, x, _DRAWS, **beside)


def _independent(trained: Trained, split: Split) -> Iterator[Tensor]:
    """Yield nats of a model without a code, which knows of each element how it is distributed in training."""
    model, mean = trained.autoencoder, trained.mean
    if model.loss.density == "gaussian":
        variance = _variance(trained)
        for x, beside in trained.known_batches(split):
            each = (x - mean).double().square() / variance + (2 * math.pi * variance).log()
            yield (each * known_weight(beside, x)).flatten(1).sum(1) / 2
        return
    if model.loss.density == "levels":
        yield from _levels(trained, split)
        return
    if model.loss.density == "columns":
        yield from _columns(trained, split)
        return
    likely = mean if model.loss.density in ("half", "counts") else mean.clamp(_RARE, 1 - _RARE)
    for x, beside in trained.known_batches(split):
        raw = model.loss.deactivate(likely).expand(len(x), *model.loss.deactivate(likely).shape[1:])
        names: Pass = {
            "valid": None,
            **beside,
            "x": x,
            "target": model.target(x),
            "raw": raw,
            "mask": torch.zeros_like(x, dtype=torch.bool),
        }
        yield call(model.loss, names)


def _columns(trained: Trained, split: Split) -> Iterator[Tensor]:
    """Yield nats of rows of which each number has its training Gaussian, each word and mark its training frequency."""
    model, variance = trained.autoencoder, _variance(trained)
    marks = torch.tensor([kind == "mark" for _, kind, _, n in model.facts.columns for _ in range(n)], device=variance.device)
    numbers = torch.tensor([kind == "number" for _, kind, _, n in model.facts.columns for _ in range(n)], device=marks.device)
    chances = trained.mean.double().clamp(_RARE, 1 - _RARE)
    for x, beside in trained.known_batches(split):
        wide = x.double()
        of_numbers = ((wide - trained.mean).square() / variance + (2 * math.pi * variance).log()) / 2
        of_words = -wide * chances.log()
        of_marks = of_words - (1 - wide) * (1 - chances).log()
        each = torch.where(numbers, of_numbers, torch.where(marks, of_marks, of_words))
        yield (each * known_weight(beside, each)).sum(1)


def _levels(trained: Trained, split: Split) -> Iterator[Tensor]:
    """Yield nats of the levels (stored whole numbers) under each element's training Gaussian, the outermost ones open."""
    facts, normal = trained.autoencoder.facts, Normal(0.0, 1.0)
    half, scale = 0.5 / facts.unit, (_variance(trained) + 1 / (12 * facts.unit**2)).sqrt()  # the variance within a level
    for x, beside in trained.known_batches(split):
        upper = normal.cdf(((x + half - trained.mean) / scale).double()).masked_fill(x > 1 - half, 1)
        lower = normal.cdf(((x - half - trained.mean) / scale).double()).masked_fill(x < half, 0)
        each = -(upper - lower).clamp_min(_RARE * half).log()
        yield (each * known_weight(beside, each)).flatten(1).sum(1)


def _variance(trained: Trained) -> Tensor:
    """Return the variance of each element in training, (1, *S), at least a millionth of their mean."""
    variance = trained.variance
    return variance.clamp_min(_STILL * float(variance.mean()) + torch.finfo(torch.float64).tiny)


def _gaussian(trained: Trained, split: Split) -> Iterator[Tensor]:
    scale = _variance(trained).sqrt()  # columns of one scale, so that shrinking treats them alike
    density = Mahalanobis(moments(lambda: (x / scale for x in trained.batches(trained.data.train))))
    return (density.nats(x / scale) + scale.log().sum() for x in trained.batches(split))


def _has_gaussian(trained: Trained) -> bool:
    facts = trained.autoencoder.facts
    gaps = trained.autoencoder.preparation.keeps_gaps
    return trained.autoencoder.loss.density == "gaussian" and not facts.ragged and not gaps and facts.size <= WIDEST
