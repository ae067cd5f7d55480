"""Spoken vowels: sequences of varying length."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.files import read
from aerun.dataset.splits import Data, Split, split

_STEPS, _MILLION = 29, 1e6


class JapaneseVowels(Dataset):
    """640 utterances of two vowels by 9 men, 7..29 steps of 12 cepstrum coefficients, the speaker as label.

    Shape (29, 12), NaN behind the last step. The given split: 270 training utterances, of which `val` are held out for
    validation, and 370 test utterances. Kudo, Toyama & Shimbo 1999, https://doi.org/10.24432/C5NS47, CC BY 4.0.
    """

    def __init__(self, *, val: int) -> None:
        self.val = integer("dataset.val", val, 1)

    def facts(self) -> Facts:
        return Facts(shape=(_STEPS, 12), kind="sequence", unit=1.0, low=None, high=None, classes=9, ragged=True)

    def read(self) -> Data:
        arrays = read("japanese_vowels.npz")
        whole, test = _padded(arrays, "train"), _padded(arrays, "test")
        if self.val >= len(whole):
            raise AerunError(f"dataset.val={self.val}: only {len(whole)} training utterances are there.")
        train, val = split(whole, self.val / len(whole))
        return Data(train, val, test)


def _padded(arrays: Mapping[str, Any], name: str) -> Split:
    """Return the utterances of a split, stored end to end in millionths, as samples (n, T, F)."""
    steps = torch.from_numpy(arrays[f"{name}_x"]).double().div(_MILLION).float()
    parts = steps.split(arrays[f"{name}_lengths"].tolist())
    x = pad_sequence([steps.new_zeros(_STEPS, 12), *parts], batch_first=True, padding_value=float("nan"))[1:]
    return Split(x, torch.from_numpy(arrays[f"{name}_y"]).long())
