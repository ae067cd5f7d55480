"""The anomaly score: one function for what a run writes down, for verbs, evaluation, scikit-learn and exported files."""

from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import valid_weight
from aerun.metrics.squared_error import mean, of_elements


def score(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the mean squared error of each stored sample's reconstruction over its real and seen elements, (B,), 64-bit.

    The encoder sees what it was trained on (clipped and filled in); the error is held against the exact value, so that nothing
    far outside of the training range passes for its edge. Elements of missing cells count for nothing; 0 where none is seen.
    Scores that are compared with each other are those of a model in 64 bits, see `in_64_bits`.
    """
    return score_of(model, stored, _rebuilt(model, stored))


def errors(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the squared error of each element (B, *S), 0 where there is no step and where the cell is missing."""
    return _errors(model, stored, _rebuilt(model, stored))


def score_of(model: Autoencoder, stored: Tensor, x_hat: Tensor) -> Tensor:
    """Return `score` for reconstructions (B, *S) that are there already."""
    return mean(_errors(model, stored, x_hat), weight(model, stored, x_hat))


def weight(model: Autoencoder, stored: Tensor, like: Tensor) -> Tensor | float:
    """Return 1 for elements (B, *S) that are real and seen, else 0; plainly 1 where all are."""
    seen = model.seen(stored)
    return valid_weight(model.facts.valid(stored), like) if seen is None else seen.to(like.dtype)


def _rebuilt(model: Autoencoder, stored: Tensor) -> Tensor:
    like = next(model.arch.parameters())
    found: Tensor = model(model.units(stored).to(like.dtype), valid=model.facts.valid(stored))
    return found


def _errors(model: Autoencoder, stored: Tensor, x_hat: Tensor) -> Tensor:
    return of_elements(x_hat, model.exact(stored).to(x_hat.dtype), weight(model, stored, x_hat))
