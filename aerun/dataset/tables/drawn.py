"""Tables that are drawn here from a known law, so that what a model finds can be compared with the truth."""

import numpy as np
from numpy.typing import NDArray

from aerun.dataset.generated import generator, samples
from aerun.dataset.tables.partition import Cut
from aerun.dataset.tables.tabular import Roles, Tabular
from aerun.formats.frame import Column


class DrawnTable(Tabular):
    """Rows drawn by the same settings are the same, whatever the run's seed is: 70 % for training, 15 % each for the rest."""

    roles = Roles()
    cut = Cut(split=None, group=None, time=None, val=0.15, test=0.15)

    def __init__(self, *, n: int, seed: int, prepare: str) -> None:
        super().__init__(prepare=prepare)
        self.n, self.seed = samples(n), seed
        generator(seed)

    @property
    def chance(self) -> np.random.Generator:
        """Return a random generator of the data set's own."""
        return np.random.default_rng(self.seed)


def words(name: str, codes: NDArray[np.int64], count: int) -> Column:
    """Return a column of the words NAME0, NAME1, ..."""
    return Column("text", codes.astype(np.float64), tuple(f"{name}{i}" for i in range(count)))
