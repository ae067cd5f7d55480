"""Measurements of cell nuclei that ship with scikit-learn."""

from aerun.dataset.tables.partition import Cut
from aerun.dataset.tables.tabular import Roles, Tabular, bundled
from aerun.formats.frame import Frame


class BreastCancer(Tabular):
    """569 patients, 30 measurements of cell nuclei in an image, classes malignant and benign.

    70 % training, 15 % validation, 15 % test. As an anomaly set it proves little: the distance from the mean
    alone finds what is malignant. Wolberg, Street & Mangasarian 1993, https://doi.org/10.24432/C5DW2B, CC BY 4.0.
    """

    roles = Roles(label="class")
    cut = Cut(split=None, group=None, time=None, val=0.15, test=0.15)

    def frame(self) -> Frame:
        from sklearn.datasets import load_breast_cancer

        return bundled("breast_cancer", load_breast_cancer())
