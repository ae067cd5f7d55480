"""Handwritten digits that ship with scikit-learn: real data, no download."""

import torch

from aerun.dataset.base import Data, Dataset, Split, split
from aerun.facts import Facts


class Digits(Dataset):
    """1,797 images of 8 x 8 pixels, values 0..16, 10 classes; 70 % training, 15 % validation, 15 % test.

    Alpaydin & Kaynak 1998, https://doi.org/10.24432/C50P49 (the test part of the UCI set), CC BY 4.0.
    """

    def facts(self) -> Facts:
        return Facts(shape=(1, 8, 8), kind="image", unit=16.0, low=0.0, high=1.0, classes=10)

    def read(self) -> Data:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        samples = Split(torch.from_numpy(pixels).to(torch.uint8).reshape(-1, 1, 8, 8), torch.from_numpy(labels))
        return Data(*split(samples, 0.15, 0.15))
