"""Are samples of other classes told from normal ones, by their error and by other scores?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.facts import valid_weight
from aerun.dataset.base import Dataset
from aerun.dataset.normal import anomalies
from aerun.dataset.sequences.windows import independent
from aerun.dataset.splits import Split
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.scores import score, weight
from aerun.evaluate.subset import subsample
from aerun.metrics.conformal import shortage
from aerun.metrics.detection import METRICS, ratio, scores
from aerun.metrics.moments import WIDEST, Mahalanobis, moments
from aerun.metrics.neighbours import neighbour_distance
from aerun.metrics.pca import Pca
from aerun.metrics.squared_error import count, of_elements
from aerun.metrics.squared_error import mean as mean_error
from aerun.trained import Trained, filled
from aerun.vocabulary import Pass, call

__all__ = ["METRICS", "WHO", "evaluate", "unsupported_reason"]

WHO = ("model", "latent", "combined", "elbo", "pca", "none", "knn", "mahalanobis")
_ALPHA, _DRAWS, _FEW = 0.05, 8, 1e-6
_NEIGHBOURS, _BASE = 5, 10_000  # of knn: which of the nearest, of how many training samples
_ERRORS = ("model", "pca", "none", "mahalanobis")  # scores whose ratio means something

Score = Callable[["Batch"], Tensor]


@dataclass(frozen=True)
class Batch:
    """Some samples, as scores look at them.

    stored (B, *stored); x (B, *S) as the model sees it; exact: the same, never clipped; weight: 0 for elements behind the end
    and for those of missing cells.
    """

    stored: Tensor
    x: Tensor
    exact: Tensor
    valid: Tensor | None
    weight: Tensor | float


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it makes no sense here, or nothing: it needs to know what is normal."""
    return "needs dataset.normal=[...]: the classes that count as normal" if dataset.normal_classes is None else ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return every test sample is scored; anomalies are those of classes that are not normal.

    Rows: model, the squared error (its mean over real elements); latent, the Mahalanobis distance of the code from training
    codes; combined, SE / (2 s^2) + latent / 2, s^2 the mean squared error of normal validation samples; elbo, -ELBO in nats, a
    mean of 8 draws (where there are posterior and prior); pca, the error of PCA of the same size; none, no model at all:
    squared distance from the training mean, in training deviations where the data are no images; knn, distance to the fifth
    nearest of at most 10,000 training samples, in the same units; mahalanobis, squared distance from the mean under the
    training covariance. Covariances are shrunk; those of more than 4,096 numbers are not formed. All are computed in 64 bits,
    so that equal samples have equal scores.

    Metrics: see `aerun.metrics.detection`; ratio: mean score of anomalies over that of normal samples. The threshold is
    conformal at 5 %, of the normal validation samples. AerunError where the test split has only one kind.
    """
    data, normal = trained.data, trained.dataset.normal_classes
    assert normal is not None
    truth = anomalies(data.test, normal)
    if truth.all() or not truth.any():
        raise AerunError("anomaly: the test split holds no anomaly, or nothing else.")
    ways = _ways(trained)
    test, val = ({who: _scored(trained, split, scorer) for who, scorer in ways.items()} for split in (data.test, data.val))
    figures = {who: scores(test[who], truth, val[who], _ALPHA) for who in ways}
    for who in _ERRORS:
        if who in ways:
            figures[who]["ratio"] = ratio(test[who], truth.to(test[who].device))
    note = _note(truth, len(data.val), trained.dataset.shared_steps)
    return Outcome(figures, f"{note}{_probe(trained, ways, test)}")


def _note(truth: Tensor, val: int, overlap: int) -> str:
    """Return overlap: so many samples in a row share steps, and count as one."""
    odd, n = int(truth.sum()), len(truth)
    words = (
        f"{n:,} test samples, {odd:,} of them anomalies: auprc by chance is {odd / n:.3g}; false_alarm: at most {_ALPHA:.0%} "
    )
    words += f"by {val:,} normal validation samples"
    if short := shortage(val, _ALPHA):
        return f"{words}: {short.rstrip('.')}"
    error = (_ALPHA * (1 - _ALPHA) * (1 / independent(n - odd, overlap) + 1 / independent(val, overlap))) ** 0.5
    words += f", give or take {100 * error:.1f} %"
    return words + (f" ({overlap} windows in a row overlap and count as one)" if overlap > 1 else "")


def _scored(trained: Trained, split: Split, scorer: Score) -> Tensor:
    return torch.cat([scorer(b).double() for b in _batches(trained, split)])


def _batches(trained: Trained, split: Split) -> Iterator[Batch]:
    return (_batch(trained.exact, stored) for stored in trained.stored_batches(split))


def _batch(model: Autoencoder, stored: Tensor) -> Batch:
    like = next(model.arch.parameters()).dtype
    x, exact = model.units(stored).to(like), model.exact(stored).to(like)
    return Batch(stored, x, exact, model.facts.valid(stored), weight(model, stored, x))


def _ways(trained: Trained) -> dict[str, Score]:
    model, mean = trained.exact, trained.mean.to(next(trained.exact.arch.parameters()).dtype)
    ways: dict[str, Score] = {"model": lambda b: score(model, b.stored)}
    if model.code_elements <= WIDEST:
        latent = Mahalanobis(moments(lambda: (_code(model, b) for b in _batches(trained, trained.data.train))))
        variance = float(_scored(trained, trained.data.val, ways["model"]).mean().clamp_min(1e-12))
        ways["latent"] = lambda b: latent(_code(model, b))
        ways["combined"] = lambda b: count(b.x, b.weight) * ways["model"](b) / (2 * variance) + ways["latent"](b) / 2
    if {"posterior", "prior"} <= model.bottleneck.offers:
        ways["elbo"] = lambda b: _elbo(model, b.x, b.valid)
    pca = Pca(trained.pca.mean.to(mean), trained.pca.components.to(mean))
    ways["pca"] = lambda b: _mse(pca(filled(b.x, b.valid, mean)), b)
    scale = _scale(trained).to(mean)
    ways["none"] = lambda b: _mse(mean, b, scale)
    part = subsample(trained.data.train, _BASE, model.facts.size)
    base = torch.cat([_scaled(b, mean, scale) for b in _batches(trained, part)])
    ways["knn"] = lambda b: neighbour_distance(_scaled(b, mean, scale), base, _NEIGHBOURS)
    if model.facts.size <= WIDEST:
        raw = Mahalanobis(moments(lambda: (filled(b.exact, b.valid, mean) for b in _batches(trained, trained.data.train))))
        ways["mahalanobis"] = lambda b: raw(filled(b.exact, b.valid, mean))
    return ways


def _code(model: Autoencoder, b: Batch) -> Tensor:
    return model.encode(b.x, valid=b.valid).flatten(1)


def _scaled(b: Batch, mean: Tensor, scale: Tensor) -> Tensor:
    return (filled(b.exact, b.valid, mean) / scale).flatten(1)


def _mse(x_hat: Tensor, b: Batch, scale: Tensor | float = 1.0) -> Tensor:
    return mean_error(of_elements(x_hat / scale, b.exact / scale, b.weight, exact=True), b.weight)


def _scale(trained: Trained) -> Tensor:
    """Return the deviation of each element in training, (1, *S).

    1 for images, whose elements share a scale, and where nothing varies.
    """
    if trained.autoencoder.facts.kind == "image":
        return torch.ones_like(trained.mean)
    total = count = torch.zeros_like(trained.mean, dtype=torch.float64)
    for x, valid in trained.valid_batches(trained.data.train):
        weight = torch.ones_like(x) * valid_weight(valid, x)
        total = total + ((x - trained.mean).double().square() * weight).sum(0)
        count = count + weight.sum(0)
    deviation = (total / count.clamp_min(1)).sqrt()
    return torch.where(deviation > _FEW, deviation, torch.ones_like(deviation)).to(trained.mean.dtype)


def _elbo(model: Autoencoder, x: Tensor, valid: Tensor | None) -> Tensor:
    names = model.bottleneck(model.arch.encode(x, valid=valid))
    posterior, prior = names["posterior"], names["prior"]
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for _ in range(_DRAWS):
        seen: Pass = {"x": x, "valid": valid, "mask": torch.zeros_like(x, dtype=torch.bool)}
        seen["raw"] = model.arch.decode(posterior.sample(), valid)
        total += call(model.loss, seen).double() * model.loss.per_lambda(model.facts.size)
    negative_elbo: Tensor = total / _DRAWS + kl_divergence(posterior, prior).flatten(1).sum(1).double()
    return negative_elbo


def _probe(trained: Trained, ways: dict[str, Score], test: dict[str, Tensor]) -> str:
    """Return how normal a constant image looks: it is easy to rebuild, so an error finds nothing wrong with it."""
    facts = trained.autoencoder.facts
    if facts.kind != "image" or facts.low is None or facts.high is None:
        return ""
    grey = float(trained.mean.mean())
    blank = torch.cat([torch.full_like(trained.mean, facts.low), torch.full_like(trained.mean, grey)])
    flat = _batch(trained.exact, trained.autoencoder.preparation.inverse(blank) * facts.unit)
    words = []
    for who in ("model", "pca"):
        more = [100 * float((test[who] > level).double().mean()) for level in ways[who](flat)]
        words.append(f"{who}: black less than {more[0]:.0f} %, grey less than {more[1]:.0f} % of the test images")
    return f". Error of a constant image, {'; '.join(words)}"
