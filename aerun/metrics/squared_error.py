"""Squared error, in one place: of elements, and of samples over their real elements."""

import torch
from torch import Tensor

from aerun.core.facts import valid_weight


def of_elements(x_hat: Tensor, x: Tensor, where: Tensor | float = 1.0, exact: bool = False) -> Tensor:
    """Return w (x_hat - x)^2 of each element, (B, *S).

    where: the weights w of the elements, 0 where there is no step. exact: in 64 bits, else in the type of x.
    """
    error = (x_hat - x).double() if exact else x_hat - x
    return error.square() * where


def of_samples(x_hat: Tensor, x: Tensor, where: Tensor | float = 1.0) -> Tensor:
    """Return SE_i = sum_d w_id (x_hat_id - x_id)^2, (B,), in 64 bits."""
    return of_elements(x_hat, x, where, exact=True).flatten(1).sum(1)


def mean(error: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean of element errors (B, *S) over the real steps `valid` (B, T) of each sample, (B,), in 64 bits."""
    count = (torch.ones_like(error, dtype=torch.float64) * valid_weight(valid, error)).flatten(1).sum(1)
    return error.double().flatten(1).sum(1) / count
