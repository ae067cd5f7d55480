"""Scores by which anomalies are told: the model's own and the baselines', all in 64 bits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.splits import Split
from aerun.evaluate.judges import JUDGES, Judge
from aerun.evaluate.likelihood import losses
from aerun.evaluate.scores import score, settled, weight
from aerun.evaluate.subset import subsample
from aerun.metrics.moments import WIDEST, Mahalanobis, moments
from aerun.metrics.neighbours import neighbour_distance
from aerun.metrics.pca import Pca
from aerun.metrics.squared_error import count, of_elements
from aerun.metrics.squared_error import mean as mean_error
from aerun.regularizer.log_ratio import divergence
from aerun.trained import Trained, filled

_DRAWS, _FEW = 8, 1e-6
_NEIGHBOURS, _BASE = 5, 10_000  # of knn: which of the nearest, of how many training samples

Score = Callable[["Batch"], Tensor]


@dataclass(frozen=True)
class Batch:
    """Some samples, as scores look at them.

    stored (B, *stored); x (B, *S) as the model sees it; exact: the same, never clipped; beside: see
    `Autoencoder.beside`; seen (B, *S): not those of missing cells, None where there are none; weight: 0 for elements behind
    the end and for those of missing cells.
    """

    stored: Tensor
    x: Tensor
    exact: Tensor
    beside: dict[str, Tensor]
    seen: Tensor | None
    weight: Tensor | float

    @property
    def valid(self) -> Tensor | None:
        """Return which steps are real, (B, T); None where all are."""
        return self.beside.get("valid")


def scored(trained: Trained, split: Split, scorer: Score) -> Tensor:
    """Return the scores of a split's samples, (n,)."""
    return torch.cat([scorer(b).double() for b in _batches(trained, split)])


def _batches(trained: Trained, split: Split) -> Iterator[Batch]:
    return (batch(trained.exact, stored) for stored in trained.exact_batches(split))


def batch(model: Autoencoder, stored: Tensor) -> Batch:
    """Return stored samples as scores look at them."""
    like = next(model.arch.parameters()).dtype
    x, exact = model.units(stored).to(like), model.exact(stored).to(like)
    return Batch(stored, x, exact, model.beside(stored), _gaps(model, stored), weight(model, stored, x))


def scorers(trained: Trained) -> dict[str, Score]:
    """Map the name of each score that can be computed here to its function; `applications.anomaly` says what they are."""
    model, mean = trained.exact, trained.mean.to(next(trained.exact.arch.parameters()).dtype)
    ways: dict[str, Score] = {"model": lambda b: score(model, b.stored)}
    if model.code_elements <= WIDEST:
        latent = Mahalanobis(moments(lambda: (_code(model, b) for b in _batches(trained, trained.data.train))))
        variance = float(scored(trained, trained.data.val, ways["model"]).mean().clamp_min(1e-12))
        ways["latent"] = lambda b: latent(_code(model, b))
        ways["combined"] = lambda b: count(b.x, b.weight) * ways["model"](b) / (2 * variance) + ways["latent"](b) / 2
    if model.has_bound:
        ways["elbo"] = lambda b: _elbo(model, b)
    ways |= {name: _by(cls.fitted(trained), model) for name, cls in JUDGES.items() if not cls.unsupported_reason(model)}
    pca = Pca(trained.pca.mean.to(mean), trained.pca.components.to(mean))
    ways["pca"] = lambda b: _mse(_rebuilt(pca, filled(b.x, b.valid, mean), b.seen), b)
    scale = _scale(trained).to(mean)
    ways["none"] = lambda b: _mse(mean, b, scale)
    part = subsample(trained.data.train, _BASE, model.facts.size)
    base = torch.cat([_scaled(b, mean, scale) for b in _batches(trained, part)])
    ways["knn"] = lambda b: neighbour_distance(_scaled(b, mean, scale), base, _NEIGHBOURS, _flat(b.seen))
    if model.facts.size <= WIDEST:
        raw = Mahalanobis(moments(_complete(trained, mean)))
        ways["mahalanobis"] = lambda b: raw(filled(b.exact, b.valid, mean), b.seen)
    return ways


def element_errors(trained: Trained) -> dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Map pca and none, as in `scorers`, to functions from stored samples to the squared error of each element.

    Both (B, *S): the error, and 1 where the element counts, else 0.
    """
    mean = trained.mean.to(next(trained.exact.arch.parameters()).dtype)
    pca = Pca(trained.pca.mean.to(mean), trained.pca.components.to(mean))
    scale = _scale(trained).to(mean)

    def of(rebuild: Callable[[Batch], Tensor], unit: Tensor | float) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        def errors(stored: Tensor) -> tuple[Tensor, Tensor]:
            b = batch(trained.exact, stored)
            error = of_elements(rebuild(b) / unit, b.exact / unit, b.weight, exact=True)
            return error, torch.ones_like(error) * b.weight

        return errors

    return {
        "pca": of(lambda b: _rebuilt(pca, filled(b.x, b.valid, mean), b.seen), 1.0),
        "none": of(lambda b: mean.expand_as(b.x), scale),
    }


def _by(judge: Judge, model: Autoencoder) -> Score:
    return lambda b: judge(model, b.stored)


def _gaps(model: Autoencoder, stored: Tensor) -> Tensor | None:
    seen = model.seen(stored)
    known = None if seen is None else model.preparation.known(seen)
    return None if known is None or bool(known.all()) else known


def _flat(seen: Tensor | None) -> Tensor | None:
    return None if seen is None else seen.flatten(1)


def _rebuilt(pca: Pca, x: Tensor, seen: Tensor | None) -> Tensor:
    """Return PCA's reconstructions; what is missing is filled in by them, as it is by the model's for its score."""
    return pca(x) if seen is None else settled(pca, x, seen, pca(x))


def _complete(trained: Trained, mean: Tensor) -> Callable[[], Iterator[Tensor]]:
    """Return the source of training rows without missing cells, which fills do not pull together.

    Of all rows where these are fewer than two an element.
    """

    def rows(complete: bool) -> Iterator[Tensor]:
        for b in _batches(trained, trained.data.train):
            x = filled(b.exact, b.valid, mean)
            yield x if b.seen is None or not complete else x[b.seen.flatten(1).all(1)]

    enough = sum(len(x) for x in rows(True)) >= 2 * trained.autoencoder.facts.size
    return lambda: rows(enough)


def _code(model: Autoencoder, b: Batch) -> Tensor:
    return model.encode(b.x, **b.beside).flatten(1)


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
    deviation = trained.variance.sqrt()
    return torch.where(deviation > _FEW, deviation, torch.ones_like(deviation)).to(trained.mean.dtype)


def _elbo(model: Autoencoder, b: Batch) -> Tensor:
    x, names = b.x, model.clean_pass(b.x, **b.beside)
    posterior, prior = names["posterior"], names["prior"]
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    draws = [posterior.sample() for _ in range(_DRAWS)]
    for z in draws:
        total += losses(model, z[None], x, b.beside)[0].double() * model.loss.per_lambda(model.facts.size)
    kl = divergence(posterior, prior, torch.stack(draws)).reshape(len(x), -1).sum(1)
    return total / _DRAWS + kl.double()
