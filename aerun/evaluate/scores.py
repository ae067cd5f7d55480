"""The anomaly score: one function for what a run writes down, for verbs, evaluation, scikit-learn and exported files."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import valid_weight
from aerun.metrics.squared_error import mean, of_elements

_REFILLS = 8  # of missing cells; after that alarm rates of rows with and without gaps differed by no more than chance


def score(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the mean squared error of each stored sample's reconstruction over its real and seen elements, (B,), 64-bit.

    The encoder sees what it was trained on (clipped, and filled in); the error is held against the exact value, so that nothing
    far outside of the training range passes for its edge. Elements of missing cells count for nothing, and are not what a fill
    would make of them: x_0 = x, then x_{k+1} is x where seen and the reconstruction of x_k elsewhere, for 8 steps, the fixed
    point of conditional reconstruction; an encoder that reads which cells are missing sees no fill.
    0 where no element is seen; infinite where the model's numbers overflow: no such
    sample is ordinary.
    """
    x = _units(model, stored)
    return score_of(model, stored, x, model(x, **model.beside(stored))).double()


def errors(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the squared error of each element (B, *S), 0 where there is no step and where the cell is missing."""
    x = _units(model, stored)
    return _errors(model, stored, _refilled(model, stored, x, model(x, **model.beside(stored))))


def score_of(model: Autoencoder, stored: Tensor, x: Tensor, x_hat: Tensor) -> Tensor:
    """Return `score` where units x (B, *S) and their reconstructions are there already; of 32 bits where it is exported."""
    error = _errors(model, stored, _refilled(model, stored, x, x_hat))
    wide = error if torch.compiler.is_exporting() else error.double()
    scores = mean(wide, weight(model, stored, wide))
    return torch.where(scores.isnan(), torch.full_like(scores, torch.inf), scores)


def weight(model: Autoencoder, stored: Tensor, like: Tensor) -> Tensor | float:
    """Return 1 for elements (B, *S) that are real and seen, else 0; plainly 1 where all are."""
    seen = model.seen(stored)
    real = valid_weight(model.facts.valid(stored), like)
    return real if seen is None else seen.to(like.dtype) * real


def _units(model: Autoencoder, stored: Tensor) -> Tensor:
    return model.units(stored).to(next(model.arch.parameters()).dtype)


def _refilled(model: Autoencoder, stored: Tensor, x: Tensor, x_hat: Tensor) -> Tensor:
    """Return reconstructions in which missing cells were no fill but what the model itself makes of them."""
    seen = model.seen(stored)
    if seen is None or model.preparation.shows_gaps:  # an encoder that reads what is missing reads no fill
        return x_hat
    beside, seen = model.beside(stored), model.preparation.known(seen)
    if torch.compiler.is_exporting():  # no rows can be chosen by their values there
        return settled(partial(model, **beside), x, seen, x_hat)
    rows = (~seen).flatten(1).any(1)
    if not bool(rows.any()):
        return x_hat
    refilled = x_hat.clone()
    chosen = {k: v[rows] for k, v in beside.items()}
    refilled[rows] = settled(partial(model, **chosen), x[rows], seen[rows], x_hat[rows])
    return refilled


def settled(rebuild: Callable[[Tensor], Tensor], x: Tensor, seen: Tensor, x_hat: Tensor, rounds: int = _REFILLS) -> Tensor:
    """Return reconstructions of x (B, *S) whose elements that are not `seen` were filled in by reconstructions, 8 times."""
    for _ in range(rounds):
        x_hat = rebuild(torch.where(seen, x, x_hat))
    return x_hat


def _errors(model: Autoencoder, stored: Tensor, x_hat: Tensor) -> Tensor:
    return of_elements(x_hat, model.exact(stored).to(x_hat.dtype), weight(model, stored, x_hat))
