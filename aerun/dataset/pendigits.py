"""Digits written with a pen, as strokes."""

import torch

from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.files import read
from aerun.dataset.splits import Data, Split, split


class Pendigits(Dataset):
    """10,992 digits by 44 writers, where the pen was at 8 moments, values 0..100, 10 classes; shape (8, 2).

    70 % training, 15 % validation, 15 % test, drawn at random and not by writer as UCI's parts: the file has them mixed.
    Alpaydin & Alimoglu 1996, https://doi.org/10.24432/C5MG6K, CC BY 4.0.
    """

    def facts(self) -> Facts:
        return Facts(shape=(8, 2), kind="sequence", unit=100.0, low=0.0, high=1.0, classes=10)

    def read(self) -> Data:
        arrays = read("pendigits.npz")
        samples = Split(torch.from_numpy(arrays["x"]).reshape(-1, 8, 2), torch.from_numpy(arrays["y"]).long())
        return Data(*split(samples, 0.15, 0.15))
