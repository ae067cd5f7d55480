"""Reconstruction error of each numeric column of a table, in its own units."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.memory import rows_that_fit
from aerun.dataset.splits import Data

_MOST = 50  # columns: more would drown the other figures


@torch.no_grad()
def rmse(model: Autoencoder, data: Data, device: torch.device) -> dict[str, float]:
    """Return {test,mean}/rmse/COLUMN = sqrt(mean_i (v_i - v_hat_i)^2) over the test rows that have a value v in COLUMN.

    test: v_hat is the model's output behind the preparation's inverse. mean: v_hat is the mean of the training rows' values.
    The result is empty for data without numeric columns, or with more than 50.
    """
    columns = model.preparation.columns
    if not 0 < len(columns) <= _MOST:
        return {}
    model.eval()
    at, dtype = torch.tensor(list(columns), device=device), next(model.arch.parameters()).dtype
    rows = rows_that_fit(model.facts.size)
    mean = _mean(data.train.x.to(device), at, rows)
    sums = torch.zeros(3, len(at), dtype=torch.float64, device=device)
    for stored in data.test.x.to(device).split(rows):
        own = model.facts.units(stored)[:, at].double()
        output = model.preparation.inverse(model(model.units(stored).to(dtype), **model.beside(stored)))[:, at].double()
        there = ~own.isnan()
        sums = sums + torch.stack([_squares(output, own, there), _squares(mean, own, there), there.double().sum(0)])
    roots = (sums[:2] / sums[2]).sqrt().tolist()
    counts = sums[2].tolist()
    return {
        f"{who}/rmse/{name}": value
        for who, row in zip(("test", "mean"), roots, strict=True)
        for name, value, count in zip(columns.values(), row, counts, strict=True)
        if count
    }


def _mean(x: Tensor, at: Tensor, rows: int) -> Tensor:
    """Return the means of the columns `at` of x (n, D) over the values that are there, taken so many rows at a time."""
    total = torch.zeros(2, len(at), dtype=torch.float64, device=x.device)
    for stored in x.split(rows):
        own = stored[:, at].double()
        total = total + torch.stack([own.nansum(0), (~own.isnan()).double().sum(0)])
    return total[0] / total[1]


def _squares(estimate: Tensor, own: Tensor, there: Tensor) -> Tensor:
    """Sum the squared errors of each column, over the rows where it has a value."""
    return torch.where(there, (estimate - own).square(), torch.zeros_like(own)).sum(0)
