"""Arrays in idx files, MNIST's format."""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from aerun.dataset.base import Data, Dataset, Split, split
from aerun.dataset.bounds import refuse_beyond
from aerun.dataset.labels import Labels
from aerun.dataset.listing import folder, protocol
from aerun.dataset.normal import normal_rows
from aerun.errors import AerunError
from aerun.facts import Facts

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_DENSEST = 1032  # bytes that one byte of gzip can stand for


@dataclass(frozen=True)
class Header:
    """What an idx file says of itself: the type of its numbers, and the sizes of its axes."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


class Idx(Dataset):
    """Samples of an idx file (also as .gz): images (n, H, W) or (n, C, H, W), tables (n, D).

    Bytes stay bytes, and 255 means 1; other numbers become 32-bit and are unbounded. labels: an idx file (n,) of whole numbers.
    test: the share that is held out for testing, or an idx file of its own, with `test_labels`. normal, contamination: the
    anomaly protocol, see `normal_only`. Format: LeCun, Cortes & Burges, http://yann.lecun.com/exdb/mnist/.
    Raises AerunError for files that are missing, damaged, or do not fit together or into memory.
    """

    def __init__(
        self,
        *,
        path: str | None,
        labels: str | None,
        val: float,
        test: float | str,
        test_labels: str | None,
        normal: int | str | Sequence[int | str] | None,
        contamination: float,
    ) -> None:
        self.path, self.labels = _file("dataset.path", path), _optional("dataset.labels", labels)
        self.test = _file("dataset.test", test) if isinstance(test, str) else None
        self.test_labels = _optional("dataset.test_labels", test_labels)
        self.shares = _shares(val, test)
        self.normal = protocol(normal, contamination)
        if self.test is None and test_labels is not None:
            raise AerunError(f"dataset.test_labels={test_labels} needs dataset.test=FILE.")
        if self.test is not None and (labels is None) != (test_labels is None):
            raise AerunError("dataset.labels and dataset.test_labels: both files of samples have labels, or none.")

    def facts(self) -> Facts:
        header = self._header
        low, high, unit = (0.0, 1.0, 255.0) if header.dtype.itemsize == 1 and header.dtype.kind == "u" else (None, None, 1.0)
        shape = header.shape[1:]
        event, kind = (shape, "table") if len(shape) == 1 else ((1,) * (3 - len(shape)) + shape, "image")
        return Facts(shape=event, kind=kind, unit=unit, low=low, high=high, classes=self._classes)

    @cached_property
    def _header(self) -> Header:
        with _opened(self.path) as file:
            header = _header(self.path, file)
        if not 2 <= len(header.shape) <= 4:
            raise AerunError(
                f"{self.path}: holds an array of shape {header.shape}; samples are (n, D), (n, H, W) or (n, C, H, W)."
            )
        return header

    @cached_property
    def _known(self) -> Labels | None:
        """Classes of the samples in both files."""
        files = [path for path in (self.labels, self.test_labels) if path is not None]
        if not files:
            return None
        values, codes = np.unique(np.concatenate([_classes(path) for path in files]), return_inverse=True)
        return Labels(torch.from_numpy(codes.astype(np.int64)), tuple(str(v) for v in values))

    @property
    def _classes(self) -> int | None:
        return None if self._known is None else len(self._known.names)

    def load(self) -> Data:
        parts = [_read(path) for path in (self.path, self.test) if path is not None]
        if len(parts) == 2 and parts[1].shape[1:] != parts[0].shape[1:]:
            raise AerunError(f"{self.path} holds samples of shape {parts[0].shape[1:]}, {self.test} of {parts[1].shape[1:]}.")
        sizes = [len(part) for part in parts]
        known = self._known
        if known is not None and len(known.codes) != sum(sizes):
            raise AerunError(f"dataset.labels={self.labels}: {len(known.codes)} labels for {sum(sizes)} samples.")
        rows = [part.x for part in split(Split(torch.arange(sizes[0]), None), *self.shares)]
        if len(parts) == 2:
            rows.append(torch.arange(sizes[0], sum(sizes)))
        y = None if known is None else known.codes
        chosen = normal_rows(Data(*(Split(r, None if y is None else y[r]) for r in rows)), known, *self.normal)
        return Data(*(self._taken(parts, part) for part in (chosen.train, chosen.val, chosen.test)))

    def _taken(self, parts: list[Tensor], rows: Split) -> Split:
        """The samples of numbered rows, which all lie in one file."""
        n = len(parts[0])
        inside = not len(rows) or int(rows.x[0]) < n
        x = parts[0][rows.x] if inside else parts[1][rows.x - n]
        return Split(x.reshape(-1, *self.facts().shape), rows.y)


def _file(key: str, path: str | None) -> Path:
    found = folder(key, path, "your samples")
    if found.is_dir():
        raise AerunError(f"{key}={path}: is a folder; give one idx file.")
    return found


def _optional(key: str, path: str | None) -> Path | None:
    return None if path is None else _file(key, path)


def _shares(val: float, test: float | str) -> list[float]:
    """Shares of the first file that are held out."""
    found = [val] if isinstance(test, str) else [val, test]
    if not all(0 < share < 1 for share in found) or sum(found) >= 1:
        raise AerunError(f"dataset.val={val} dataset.test={test}: must be positive and leave some for training, such as 0.15.")
    return found


def _opened(path: Path) -> BinaryIO:
    """The file, unpacked where it is packed, whatever its name is."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _header(path: Path, file: BinaryIO) -> Header:
    """Read the header. AerunError where there is none, or where it promises more than the file can hold."""
    try:
        magic = file.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
            raise AerunError(f"{path}: not an idx file (it begins with {magic.hex() or 'nothing'}).")
        sizes = file.read(4 * magic[3])
    except (OSError, EOFError, zlib.error) as e:
        raise AerunError(f"{path}: cannot be read: {e}") from e
    if len(sizes) < 4 * magic[3]:
        raise AerunError(f"{path}: truncated: it ends within its header.")
    header = Header(np.dtype(_TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", sizes))
    if header.size > path.stat().st_size * _DENSEST:
        raise AerunError(f"{path}: truncated or damaged: its header promises {header.shape}, more than the file can hold.")
    if not header.size:
        raise AerunError(f"{path}: empty: its header says {header.shape}.")
    refuse_beyond(str(path), header.size)
    return header


def _read(path: Path) -> Tensor:
    """The numbers: bytes as they are, others as float32."""
    values = _values(path)
    native = values.astype(np.uint8 if values.dtype == np.uint8 else np.float32)
    return torch.from_numpy(native)


def _values(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    with _opened(path) as file:
        header = _header(path, file)
        try:
            found = file.read(header.size + 1)  # never more, whatever a packed file unpacks to
        except (OSError, EOFError, zlib.error) as e:
            raise AerunError(f"{path}: truncated or damaged: {str(e).rstrip('.')}.") from e
    if len(found) != header.size:
        less = "fewer" if len(found) < header.size else "more"
        raise AerunError(f"{path}: truncated or damaged: its header says {header.shape}, and it holds {less} numbers.")
    return np.frombuffer(found, header.dtype).reshape(header.shape)


def _classes(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    values = _values(path)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise AerunError(f"{path}: labels are whole numbers (n,); it holds {values.dtype.name} of shape {values.shape}.")
    return values.astype(np.int64)
