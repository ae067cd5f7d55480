"""Chemical analyses of wines that ship with scikit-learn."""

from aerun.dataset.tables.partition import Cut
from aerun.dataset.tables.tabular import Roles, Tabular, bundled
from aerun.formats.frame import Frame


class Wine(Tabular):
    """178 wines of one region, 13 chemical measurements, 3 growers as classes.

    70 % training, 15 % validation, 15 % test. Aeberhard & Forina 1991, https://doi.org/10.24432/C5PC7J, CC BY 4.0.
    """

    roles = Roles(label="class")
    cut = Cut(split=None, group=None, time=None, val=0.15, test=0.15)

    def frame(self) -> Frame:
        from sklearn.datasets import load_wine

        return bundled("wine", load_wine())
