"""How many rows that a model draws keep the rules that its table was made by, and what its test rows cost in nats?"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Normal

from aerun.core.errors import AerunError
from aerun.evaluate.applications.synthesis import drawn_rows, own_rows
from aerun.evaluate.likelihood import log_likelihood
from aerun.metrics.rows import independent
from aerun.parts import Loss
from aerun.trained import Trained

_ROWS, _CODES = 3000, 200


class _OfOneHots(Loss):
    """What a Gaussian on one-hots says of rows, if no other vectors than one-hots could be: -log p in nats, (B, D) -> (B,).

    A word has the share of its density in that of all words, softmax(x_hat / s^2). own: the loss that the model is trained by.
    """

    density = "columns"

    def __init__(self, own: Loss, columns: Sequence[tuple[str, str, int, int]]) -> None:
        super().__init__()
        self.own, self.columns, self.sigma = own, columns, own.watch()["sigma"]

    def activate(self, raw: Tensor) -> Tensor:
        return self.own.activate(raw)

    def deactivate(self, x: Tensor) -> Tensor:
        return self.own.deactivate(x)

    def forward(self, raw: Tensor, x: Tensor) -> Tensor:
        x_hat, total = self.activate(raw), torch.zeros(len(x), dtype=raw.dtype)
        for _, kind, start, length in self.columns:
            mine, true = x_hat[:, start : start + length], x[:, start : start + length]
            words = -true * (mine / self.sigma.square()).log_softmax(1)
            total = total + (words if kind == "category" else -Normal(mine, self.sigma).log_prob(true)).sum(1)
        return total


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return kept, of 3,000 drawn rows; independent, of rows of columns that know nothing of each other; nats of a test row.

    nats: by 200 codes, of numbers and words. Of the loss gaussian, which is a density of one-hots, a word has the share of its
    density in that of all words, softmax(x_hat / s^2). AerunError for data without rules.
    """
    train, g = own_rows(trained, trained.data.train), np.random.default_rng(trained.seed)
    made = {"kept": drawn_rows(trained, _ROWS), "independent": independent(train, _ROWS, g)}
    return {**{k: _lawful(trained, rows) for k, rows in made.items()}, "nats": _nats(trained)}


def _lawful(trained: Trained, rows: NDArray[np.float64]) -> float:
    keeps = trained.dataset.lawful(rows)
    if keeps is None:
        raise AerunError("measures: kept_rules: needs a table whose rules are known, such as dataset=rules.")
    return float(keeps.mean())


def _nats(trained: Trained) -> float:
    """Return the mean of -log p(x) over test rows."""
    model, own = trained.autoencoder, trained.autoencoder.loss
    model.loss = own if own.density == "columns" else _OfOneHots(own, model.facts.columns)
    found = [log_likelihood(model, x, _CODES, **beside) for x, beside in trained.known_batches(trained.data.test)]
    model.loss = own
    return -float(torch.cat(found).mean())
