"""The anomaly score: one function for what a run writes down, for verbs, evaluation, scikit-learn and exported files."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import valid_weight


def score(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the mean squared error of each stored sample's reconstruction over its real and seen elements, (B,), 64-bit.

    The encoder sees what it was trained on (clipped and filled in); the error is held against the exact value, so that nothing
    far outside of the training range passes for its edge. Elements of missing cells count for nothing; 0 where none is seen.
    """
    return score_of(model, stored, _rebuilt(model, stored)).double()


def errors(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the squared error of each element (B, *S), 0 where there is no step and where the cell is missing."""
    return _errors(model, stored, _rebuilt(model, stored))


def score_of(model: Autoencoder, stored: Tensor, x_hat: Tensor) -> Tensor:
    """Return `score` for reconstructions (B, *S) that are there already, in 64 bits but where it is exported."""
    error = _errors(model, stored, x_hat)
    wide = error.double() if not torch.compiler.is_exporting() else error
    return wide.flatten(1).sum(1) / elements(model, stored, wide).clamp_min(1)


def elements(model: Autoencoder, stored: Tensor, like: Tensor) -> Tensor:
    """Return how many elements of each sample are real and seen, (B,), in the type of `like` (B, *S)."""
    return (torch.ones_like(like) * weight(model, stored, like)).flatten(1).sum(1)


def weight(model: Autoencoder, stored: Tensor, like: Tensor) -> Tensor | float:
    """Return 1 for elements (B, *S) that are real and seen, else 0; plainly 1 where all are."""
    seen = model.seen(stored)
    return valid_weight(model.facts.valid(stored), like) if seen is None else seen.to(like.dtype)


def _rebuilt(model: Autoencoder, stored: Tensor) -> Tensor:
    like = next(model.arch.parameters())
    found: Tensor = model(model.units(stored).to(like.dtype), valid=model.facts.valid(stored))
    return found


def _errors(model: Autoencoder, stored: Tensor, x_hat: Tensor) -> Tensor:
    return (x_hat - model.exact(stored).to(x_hat.dtype)).square() * weight(model, stored, x_hat)
