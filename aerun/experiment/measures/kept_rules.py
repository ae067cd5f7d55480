"""How many rows that a model draws keep the rules that its table was made by, and what its test rows cost in nats?"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.evaluate.applications.synthesis import drawn_rows, own_rows
from aerun.evaluate.likelihood import log_likelihood
from aerun.metrics.rows import independent
from aerun.model.loss.gaussian import Gaussian
from aerun.model.loss.mixed import Mixed
from aerun.trained import Trained

_ROWS, _CODES = 3000, 200


class _OfGaussian(Mixed):
    """What a Gaussian on one-hots says of rows, if no other vectors than one-hots could be: of words softmax(x_hat / s^2)."""

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        numbers, words, marks = raw.split([self.numbers, sum(self.words), self.marks], 1)
        return super().element(torch.cat([numbers, words / self.sigma.square(), marks], 1), x)


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
    if isinstance(own, Gaussian):
        sigma, shape, columns = float(own.variance.sqrt()), model.facts.shape, model.facts.columns
        words = _OfGaussian(noise="fixed", sigma=sigma, balance="none", reduction="sum", shape=shape, columns=columns)
        model.loss = words.to(own.variance)
    found = [log_likelihood(model, x, _CODES, **beside) for x, beside in trained.known_batches(trained.data.test)]
    model.loss = own
    return -float(torch.cat(found).mean())
