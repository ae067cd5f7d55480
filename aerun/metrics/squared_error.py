"""Squared error, in one place: of elements, and of samples over their real elements."""

import torch
from torch import Tensor


def of_elements(x_hat: Tensor, x: Tensor, where: Tensor | float = 1.0, exact: bool = False) -> Tensor:
    """Return w (x_hat - x)^2 of each element, (B, *S).

    where: the weights w of the elements, 0 where there is no step. exact: in 64 bits, else in the type of x.
    """
    error = (x_hat - x).double() if exact else x_hat - x
    return error.square() * where


def of_samples(x_hat: Tensor, x: Tensor, where: Tensor | float = 1.0) -> Tensor:
    """Return SE_i = sum_d w_id (x_hat_id - x_id)^2, (B,), in 64 bits."""
    return of_elements(x_hat, x, where, exact=True).flatten(1).sum(1)


def mean(error: Tensor, where: Tensor | float = 1.0) -> Tensor:
    """Return the mean of the errors of elements (B, *S), which `where` w has weighted, over those that count: (B,).

    0 where none counts. In the type of `error`.
    """
    return error.flatten(1).sum(1) / count(error, where).clamp_min(1)


def count(like: Tensor, where: Tensor | float = 1.0) -> Tensor:
    """Return the sum of the weights `where` of the elements of each sample (B, *S), (B,), in the type of `like`."""
    return (torch.ones_like(like) * where).flatten(1).sum(1)
