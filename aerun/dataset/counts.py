"""A table of counts in groups, of rows of different sizes, as single cells are sequenced."""

import numpy as np

from aerun.core.checks import at_least, integer
from aerun.dataset.tables.drawn import DrawnTable, words
from aerun.dataset.tables.tabular import Roles
from aerun.formats.frame import Column, Frame

_SIZE = 6.0  # mean of log l


class Counts(DrawnTable):
    """x_id ~ NB(l_i rho_kd, theta): k the group of a row, rho_k its rates, softmax of N(0, 1); log l_i ~ N(6, spread^2).

    The size l_i of a row says nothing of its group: a code that knows it holds depth, which is an artefact of measuring. theta:
    of few, counts vary more than a Poisson's, by l rho (1 + l rho / theta). Rows without any count are drawn again.
    """

    roles = Roles(label="group")

    def __init__(self, *, columns: int, groups: int, spread: float, theta: float, n: int, seed: int) -> None:
        super().__init__(n=n, seed=seed, prepare="counts")
        self.columns, self.groups = integer("dataset.columns", columns, 2), integer("dataset.groups", groups, 1)
        self.spread, self.theta = at_least("dataset.spread", spread, 0), at_least("dataset.theta", theta, 0.01)

    def frame(self) -> Frame:
        g, n = self.chance, self.n
        rates = np.exp(g.normal(0, 1, (self.groups, self.columns)))
        group, size = g.integers(0, self.groups, n), np.exp(g.normal(_SIZE, self.spread, n))
        mean = size[:, None] * (rates / rates.sum(1, keepdims=True))[group]
        x = np.zeros_like(mean)
        while (empty := x.sum(1) == 0).any():
            x[empty] = g.poisson(mean[empty] * g.gamma(self.theta, 1 / self.theta, mean[empty].shape))
        counts = {f"x{d}": Column("number", x[:, d]) for d in range(self.columns)}
        return Frame({**counts, "group": words("group", group, self.groups)}, (("counts", n),))
