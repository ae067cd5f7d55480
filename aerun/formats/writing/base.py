"""The interface of all writers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Writer(ABC):
    """Takes arrays by name, in pieces whose first axis is samples. about: what is known of them, such as kind and rate."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = about

    @abstractmethod
    def add(self, arrays: Mapping[str, Array]) -> None:
        """Write the next samples."""

    @abstractmethod
    def close(self) -> None:
        """Write what can only be written when nothing more comes."""

    def flush(self) -> None:  # noqa: B027 - most write at the end
        """Hand on what was written so far, where the kind of file allows it."""

    def drop(self) -> None:  # noqa: B027 - most hold nothing
        """Release what is held, because something went wrong."""


class Nothing(Writer):
    """Writes nothing: what was asked is printed."""

    def add(self, arrays: Mapping[str, Array]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class FileWriter(Writer):
    """Writes into one file, which is opened and closed by others."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self.file = file


def flattened(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return columns (n,) of arrays (n, ...): NAME where there is one, else NAME1, NAME2, ..."""
    columns: dict[str, Array] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            columns[name] = array
        else:
            flat = array.reshape(len(array), -1)
            columns |= {f"{name}{i + 1}": flat[:, i] for i in range(flat.shape[1])}
    return columns


def is_numeric(array: Array) -> bool:
    """Return whether an array holds numbers, and not words."""
    return np.asarray(array).dtype.kind in "biuf"
