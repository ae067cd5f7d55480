"""Samples that a model draws, held against rows of a split: by the samplers that are fitted in a moment."""

import torch

from aerun.dataset.splits import Split
from aerun.evaluate.features import Features
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import clamped, in_parts, rows_of
from aerun.evaluate.samplers import OfPrior, samplers
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.subset import refuse_few, subsample
from aerun.metrics.distribution import FEWEST, frechet, overlap
from aerun.trained import Trained

QUICK = ("prior", "gaussian", "mixture", "counts")
_MOST = 2000  # rows that are held against as many drawn ones


@torch.no_grad()
def drawn(trained: Trained, split: Split, name: str, space: Features) -> Outcome:
    """Return fcd, precision, recall, density and coverage of drawn samples, a row for each sampler, pca and real.

    As `evaluate=[generation]` has them, without the samplers that train a network. real: validation rows, where `split`, whose
    name is for the note, is another.
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    refuse_few(len(split), FEWEST, name, "a ball that reaches to the fifth neighbour of each")
    rows = trained.samples(subsample(split, _MOST, facts.size))
    n, real = len(rows), space.embed(rows)
    made = {}
    for who, source in samplers(trained).items():
        if who in QUICK:
            z = source(n, None) if isinstance(source, OfPrior) else source(n)
            made[who] = clamped(in_parts(model.decode, rows_of(model), z, None, None), facts)
    base = trained.pca
    codes = torch.cat([base.codes(x) for x in trained.batches(trained.data.train)])
    flat = Gaussian.fitted(codes.double()).draw(n).to(base.mean)
    made["pca"] = clamped((base.mean + flat @ base.components.t()).reshape(-1, *facts.shape), facts)
    if split is not trained.data.val and len(trained.data.val) >= FEWEST:
        made["real"] = trained.samples(subsample(trained.data.val, _MOST, facts.size))
    figures = {}
    for who, x in made.items():
        embedded = space.embed(x.to(rows))
        figures[who] = {"fcd": frechet(real, embedded), **overlap(real, embedded)}
    return Outcome(figures, f"{n:,} {name} rows and as many drawn ones; {space.told}")


def best_sampler(outcome: Outcome) -> str:
    """Return the sampler whose samples come closest."""
    return min((who for who in outcome.figures if who in QUICK), key=lambda who: outcome.figures[who]["fcd"])
