"""Are decoded random codes like data? By features of a classifier trained here."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.features import Features, features
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import clamped, in_parts, rows_of
from aerun.evaluate.samplers import NAMES, OfNumbers, OfPrior, Source, numbers_of, samplers
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.subset import refuse_few, subsample
from aerun.metrics.distribution import FEWEST, frechet, nearest, overlap
from aerun.trained import Trained, sampled_codes

WHO = (*NAMES, "pca", "real")
METRICS = {
    "fcd": "min",
    **dict.fromkeys(("precision", "recall", "density", "coverage"), "max"),
    "copied": "min",
    "nats": "min",
    "bits": "min",
}
_MOST, _KNOWN, _COPY = 2000, 10_000, 0.01


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why samples cannot be generated here, or nothing: they must be numbers, and of one length."""
    facts = dataset.facts()
    if model.facts.source:
        return "needs a code that stands for samples, and of this one other numbers are computed (dataset.target)"
    return "needs samples of one length and numbers in them" if facts.tokens or facts.ragged else ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return how close generated samples come to test samples: at most 2,000 of each, clamped to the data's range.

    Rows are where codes come from, see `aerun.evaluate.samplers`: prior ... transformer, decoded by the model; pca: a Gaussian
    in PCA of the same size, no network; real: validation samples, what a perfect generator would get (where there are fewer of
    them, fcd is larger). fcd: Frechet distance of features of a small classifier that is trained here, see
    `aerun.evaluate.features`: not an FID, nor comparable between data sets. precision, recall, density, coverage on the same
    features, see `aerun.metrics.distribution`. copied: share of samples that lie nearer to one of 10,000 training samples than
    99 % of the test samples do; 0.01 is no copying. nats: -log p of test codes (of random ones a draw each), which ranks
    densities without a decoder; that of second_stage is a bound above the truth. bits: of discrete codes, -log2 p of the
    numbers of test codes, which the training codes alone decide; that of prior is what they take without a model. A model
    that is told something of samples beforehand (dataset.condition) is told what is known of the test samples. The note
    gives the distance of samples from those training samples over that of test samples.
    """
    facts, data = trained.autoencoder.facts, trained.data
    refuse_few(len(data.test), FEWEST, "test", "a ball that reaches to the fifth neighbour of each")
    shown = subsample(data.test, _MOST, facts.size)
    test, train = (trained.samples(subsample(split, n, facts.size)) for split, n in ((data.test, _MOST), (data.train, _KNOWN)))
    sources = samplers(trained)
    space, made = features(trained), _made(trained, sources, len(test), trained.told(shown))
    sizes = _sizes(trained, sources)
    if len(data.val) >= FEWEST:
        made["real"] = trained.samples(subsample(data.val, _MOST, facts.size))
    away = nearest(test, train.flatten(1))
    near = float(away.double().quantile(_COPY))
    figures, ratios, real = {}, [], space.embed(test)
    for who, x in made.items():
        embedded, own = space.embed(x.to(test)), nearest(x.to(test), train.flatten(1))
        copied = float((own < near).double().mean())
        figures[who] = {"fcd": frechet(real, embedded), **overlap(real, embedded), "copied": copied, **sizes.get(who, {})}
        ratios.append(f"{who} {float(own.median() / away.median().clamp_min(1e-12)):.2f}{_classes(space, x)}")
    note = f"{len(test):,} test and made samples; {space.told}. Distance to training over that of test"
    lacks = "" if "real" in made else f". real: {len(data.val)} validation samples are too few, it needs {FEWEST}"
    return Outcome(figures, f"{note}: {'; '.join(ratios)}{lacks}")


def _sizes(trained: Trained, sources: Mapping[str, Source]) -> dict[str, dict[str, float]]:
    """Return who -> nats of codes of test samples, where they are real and it has a density, or bits of discrete ones."""
    model = trained.autoencoder
    split = subsample(trained.data.test, _MOST, max(model.code_elements, 400))
    if model.bottleneck.levels:
        numbers = numbers_of(trained, split)
        discrete = {who: source for who, source in sources.items() if isinstance(source, OfNumbers | OfPrior)}
        return {who: {"bits": float(source.bits(numbers).mean())} for who, source in discrete.items()}
    if model.bottleneck.whole:
        return {}
    codes, c = sampled_codes(trained, split), trained.told(split)
    real = {who: source for who, source in sources.items() if not isinstance(source, OfNumbers)}
    densities = {who: s.log_density(codes, c) if isinstance(s, OfPrior) else s.log_density(codes) for who, s in real.items()}
    figures = {who: float(-density.double().mean()) for who, density in densities.items()}
    return {who: {"nats": value} for who, value in figures.items() if math.isfinite(value)}


def _made(trained: Trained, sources: Mapping[str, Source], n: int, c: Tensor | None) -> dict[str, Tensor]:
    model, facts, rows = trained.autoencoder, trained.autoencoder.facts, rows_of(trained.autoencoder)
    draws = {who: source(n, c) if isinstance(source, OfPrior) else source(n) for who, source in sources.items()}
    drawn = {who: in_parts(model.decode, rows, z, None, c) for who, z in draws.items()}
    base = trained.pca
    codes = torch.cat([base.codes(x) for x in trained.batches(subsample(trained.data.train, _KNOWN, facts.size))])
    flat = Gaussian.fitted(codes.double()).draw(n).to(base.mean)
    drawn["pca"] = (base.mean + flat @ base.components.t()).reshape(-1, *facts.shape)
    return {who: clamped(x, facts) for who, x in drawn.items()}


def _classes(space: Features, x: Tensor) -> str:
    """Return how sure the classifier is of the samples, for the note."""
    return "" if space.classify is None else f" (class told with {100 * float(space.classify(x).amax(1).mean()):.0f} %)"
