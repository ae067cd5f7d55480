"""Arrays in idx files, MNIST's format."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.kept import kept_warnings
from aerun.dataset.base import Dataset
from aerun.dataset.labels import Labels, refuse_many
from aerun.dataset.normal import normal_rows
from aerun.dataset.splits import Data, Split, split
from aerun.dataset.storage.listing import folder
from aerun.dataset.storage.scale import image_unit, unit_asked
from aerun.formats.idx import Header, classes_of, header_of, opened, samples_of


class Idx(Dataset):
    """Samples of an idx file (also as .gz): images (n, H, W) or (n, C, H, W), tables (n, D).

    Bytes stay bytes, and 255 means 1; other numbers become 32-bit: images of whole numbers are scaled by their depth, see
    `image_unit`. labels: an idx file (n,) of whole numbers.
    test: the share that is held out for testing, or an idx file of its own, with `test_labels`. Format: LeCun, Cortes & Burges,
    http://yann.lecun.com/exdb/mnist/.
    Raises AerunError for files that are missing, damaged, or do not fit together or into memory.
    """

    selects = True

    def __init__(
        self,
        *,
        path: str | None,
        labels: str | None,
        val: float,
        test: float | str,
        test_labels: str | None,
        unit: float | str,
    ) -> None:
        self.unit = unit_asked(unit)
        self.path, self.labels = _file("dataset.path", path), _optional("dataset.labels", labels)
        self.test = _file("dataset.test", test) if isinstance(test, str) else None
        self.test_labels = _optional("dataset.test_labels", test_labels)
        self.shares = _shares(val, test)
        if self.test is None and test_labels is not None:
            raise AerunError(f"dataset.test_labels={test_labels} needs dataset.test=FILE.")
        if self.test is not None and (labels is None) != (test_labels is None):
            raise AerunError("dataset.labels and dataset.test_labels: both files of samples have labels, or none.")

    def facts(self) -> Facts:
        header = self._header
        shape = header.shape[1:]
        event, kind = (shape, "table") if len(shape) == 1 else ((1,) * (3 - len(shape)) + shape, "image")
        unit = self._unit if kind == "image" or self.unit else 255.0 if header.dtype == np.uint8 else None
        low, high = (None, None) if unit is None else (0.0, 1.0)
        unit = 1.0 if unit is None else unit
        return Facts(shape=event, kind=kind, unit=unit, low=low, high=high, classes=len(self.class_names) or None)

    @cached_property
    def _unit(self) -> float | None:
        """Return the value that means 1 in images, or None where no value brings them into [0, 1]."""
        if self._header.dtype == np.uint8 and self.unit is None:
            return 255.0
        spans = [samples_of(path).aminmax() for path in (self.path, self.test) if path is not None]
        low, high = min(float(s.min) for s in spans), max(float(s.max) for s in spans)
        with kept_warnings(self.notes):
            unit = self.unit or image_unit(self.path, self._header.dtype, low, high)
        return unit if low >= 0 and high <= unit else None

    @cached_property
    def _header(self) -> Header:
        with opened(self.path) as file:
            header = header_of(self.path, file)
        if not 2 <= len(header.shape) <= 4:
            raise AerunError(
                f"{self.path}: holds an array of shape {header.shape}; samples are (n, D), (n, H, W) or (n, C, H, W)."
            )
        return header

    @cached_property
    def _labels(self) -> Labels | None:
        """Return the classes of the samples in both files, or None where there are no labels."""
        pairs = [(self.path, self.labels), (self.test, self.test_labels)]
        parts = [classes_of(labels, samples) for samples, labels in pairs if samples is not None and labels is not None]
        if not parts:
            return None
        values, codes = np.unique(np.concatenate(parts), return_inverse=True)
        refuse_many(f"dataset.labels={self.labels}", len(values), len(codes), "samples", "Leave it out.")
        return Labels(torch.from_numpy(codes.astype(np.int64)), tuple(str(v) for v in values))

    @property
    def class_names(self) -> tuple[str, ...]:
        return () if self._labels is None else self._labels.names

    def read(self) -> Data:
        parts = [samples_of(path) for path in (self.path, self.test) if path is not None]
        if len(parts) == 2 and parts[1].shape[1:] != parts[0].shape[1:]:
            first, second = (tuple(part.shape[1:]) for part in parts)
            raise AerunError(f"{self.path} holds samples of shape {first}, {self.test} of {second}.")
        sizes = [len(part) for part in parts]
        labels = self._labels
        rows = [part.x for part in split(Split(torch.arange(sizes[0]), None), *self.shares)]
        if len(parts) == 2:
            rows.append(torch.arange(sizes[0], sum(sizes)))
        y = None if labels is None else labels.codes
        whole = Data(*(Split(r, None if y is None else y[r]) for r in rows))
        chosen = normal_rows(whole, self.class_names, self.normal_classes, self.contamination)
        return Data(*(self._samples(parts, part) for part in (chosen.train, chosen.val, chosen.test)))

    def _samples(self, parts: list[Tensor], rows: Split) -> Split:
        """Return the samples of the numbered rows, which all lie in one file."""
        n = len(parts[0])
        inside = not len(rows) or int(rows.x[0]) < n
        x = parts[0][rows.x] if inside else parts[1][rows.x - n]
        return Split(x.reshape(-1, *self.facts().shape), rows.y)


def _file(key: str, path: str | None) -> Path:
    file = folder(key, path, "your samples")
    if file.is_dir():
        raise AerunError(f"{key}={path}: is a folder; give one idx file.")
    return file


def _optional(key: str, path: str | None) -> Path | None:
    return None if path is None else _file(key, path)


def _shares(val: float, test: float | str) -> list[float]:
    """Return the shares of the first file that are held out."""
    shares = [val] if isinstance(test, str) else [val, test]
    if not all(0 < share < 1 for share in shares) or sum(shares) >= 1:
        raise AerunError(f"dataset.val={val} dataset.test={test}: must be positive and leave some for training, such as 0.15.")
    return shares
