"""Are drawn rows of a table like real ones? Column by column, two by two, as a whole, in use, and as copies."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import clamped, in_parts, rows_of
from aerun.evaluate.samplers import OfPrior, samplers
from aerun.evaluate.subset import refuse_few, subsample
from aerun.metrics import rows
from aerun.preparation.feature import Feature
from aerun.trained import Trained

WHO = ("model", "copy", "columns", "copula")
METRICS = {"shape": "max", "pair": "max", "auc": "min", "tstr": "max", "closer": "min"}
_MOST, _KNOWN, _FEWEST, _TARGETS = 2000, 10_000, 20, 3  # rows drawn, training rows, least rows, columns that are to be known


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why rows cannot be drawn here, or nothing: it takes the columns of a prepared table."""
    return "" if dataset.facts().columns else "needs a table with columns (dataset=table)"


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return how alike drawn rows and test rows are: at most 2,000 of each.

    Rows: model, as `generate` draws; copy, training rows as they are; columns, each column by itself; copula, columns joined
    by the correlations of their normal scores. shape: columns one by one; pair: two by two; 1 at best, see
    `aerun.metrics.rows`. auc: of boosted trees that tell them from test rows, 0.5 where they cannot. tstr: how well boosted
    trees trained on drawn rows know the label of test rows where the model is told it, else each of the first 3 categories
    from the other columns, else 3 numbers (R^2); the note gives trtr, the same of trees trained on training rows. closer:
    whether drawn rows lie nearer to training rows than to test rows: 0.5 as new rows do, 1 for copies, which no user needs a
    model for: read the other figures beside it. What the model is told is drawn from training rows, and is part of its rows.
    """
    model, data = trained.autoencoder, trained.data
    for name, split in (("test", data.test), ("training", data.train)):
        refuse_few(len(split), _FEWEST, name, "rows to compare with")
    features = [*model.preparation.features, *(() if model.told is None else model.told.features)]
    words = [len(f.words) for f in features]
    train, test = (own_rows(trained, subsample(s, n, 1)) for s, n in ((data.train, _KNOWN), (data.test, _MOST)))
    n, g = min(_MOST, len(train)), np.random.default_rng(trained.seed)
    made = {
        "model": drawn_rows(trained, n),
        "copy": train[g.permutation(len(train))[:n]],
        "columns": rows.independent(train, n, g),
        "copula": rows.copula(train, words, n, g),
    }
    targets, what = _targets(features, len(model.preparation.features))
    figures = {
        who: {
            "shape": rows.shape(test, drawn, words),
            "pair": rows.pair(test, drawn, words),
            "auc": rows.told_apart(test, drawn, words, trained.seed),
            "tstr": rows.utility(drawn, test, words, targets, trained.seed),
            "closer": rows.closer(drawn, train, test, words),
        }
        for who, drawn in made.items()
    }
    trtr = rows.utility(train, test, words, targets, trained.seed)
    note = f"{n:,} drawn, {len(test):,} test, {len(train):,} training rows; tstr of {what}, trtr {trtr:.3f}"
    draws = "" if model.loss.draws else "; the loss draws nothing: numbers and words are those of reconstructions"
    return Outcome({who: _known(row) for who, row in figures.items()}, f"{note}{draws}", beside={"trtr": trtr})


def _known(row: dict[str, float]) -> dict[str, float]:
    """Return the figures that there are: a single column has no pairs, and nothing to be known from."""
    return {k: v for k, v in row.items() if v == v}


def own_rows(trained: Trained, split: Split) -> NDArray[np.float64]:
    """Return stored rows in own units, with what the model is told behind them."""
    facts, stored = trained.autoencoder.facts, split.x.cpu()
    own = facts.units(stored).double()
    return (own if trained.autoencoder.told is None else torch.cat([own, facts.conditions(stored).double()], 1)).numpy()


def drawn_rows(trained: Trained, n: int) -> NDArray[np.float64]:
    """Return n rows as `generate` draws them, with what the model was told of each behind it."""
    model, facts = trained.autoencoder, trained.autoencoder.facts
    sources = samplers(trained)
    source = sources["prior" if model.follows_prior or model.bottleneck.curved else "gaussian"]
    values, c = _told(trained, n)
    z = source(n, c) if isinstance(source, OfPrior) else source(n)

    def own(codes: Tensor, known: Tensor | None) -> Tensor:
        drawn = model.sampled(codes, c=known) if known is not None else model.sampled(codes)
        return model.preparation.drawn(clamped(drawn, facts)).double().cpu()

    made = in_parts(own, rows_of(model), z, c)
    return (made if values is None else torch.cat([made, values.double().cpu()], 1)).numpy()


def _told(trained: Trained, n: int) -> tuple[Tensor | None, Tensor | None]:
    """Return conditions of n training rows, drawn with replacement, and c of them; nothing where the model is told nothing."""
    model, stored = trained.autoencoder, trained.data.train.x
    if model.told is None:
        return None, None
    chosen = stored[torch.randint(len(stored), (n,)).to(stored.device)].to(trained.device)
    return model.facts.conditions(chosen), model.known(chosen)


def _targets(features: Sequence[Feature], own: int) -> tuple[list[int], str]:
    """Return the columns that are to be known from the others, and their names."""
    told = [i for i in range(own, len(features)) if features[i].kind == "category"]
    categories = [i for i, f in enumerate(features) if len(f.words) > 1]
    chosen = (told or categories or list(range(len(features))))[:_TARGETS]
    return chosen, ", ".join(features[i].name for i in chosen)
