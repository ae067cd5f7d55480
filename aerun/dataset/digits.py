"""Handwritten digits that ship with scikit-learn: real data, no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split, split


class Digits(Dataset):
    """1,797 images of 8 x 8 pixels, values 0..16, 10 classes; 70 % training, 15 % validation, 15 % test.

    Alpaydin & Kaynak 1998, https://doi.org/10.24432/C50P49 (the test part of the UCI set), CC BY 4.0.
    """

    def facts(self) -> Facts:
        return Facts(shape=(1, 8, 8), kind="image", unit=16.0, low=0.0, high=1.0, classes=10)

    def read(self) -> Data:
        rows = torch.from_numpy(np.loadtxt(_file(), np.uint8, delimiter=","))
        return Data(*split(Split(rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].long()), 0.15, 0.15))


def _file() -> Path:
    """Return the path of scikit-learn's copy, without importing scikit-learn: that would take a third of a short run."""
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
