"""idx files, MNIST's format: a header that says type and sizes, then the numbers."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_DENSEST = 1032  # bytes that one byte of gzip can stand for
Numbers = NDArray[Any]


@dataclass(frozen=True)
class Header:
    """What an idx file says of itself: the type of its numbers, and the sizes of its axes."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Return the number of bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def opened(path: Path) -> BinaryIO:
    """Open the file, and unpack it where it is packed, whatever its name is."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def header_of(path: Path, file: BinaryIO) -> Header:
    """Read the header. Raise AerunError where there is none, or where it promises more than the file can hold."""
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


def samples_of(path: Path) -> Tensor:
    """Return the numbers: bytes as they are, others as float32.

    Raises AerunError, with the sample's number, for what float32 cannot hold.
    """
    values = values_of(path)
    fits = np.abs(values.reshape(len(values), -1)) <= np.finfo(np.float32).max if values.dtype.kind == "f" else None
    if fits is not None and not fits.all():
        raise AerunError(f"{path}: sample {int((~fits.all(1)).argmax()) + 1} holds NaN, infinite or too large values.")
    native = values.astype(np.uint8 if values.dtype == np.uint8 else np.float32)
    return torch.from_numpy(native)


def values_of(path: Path) -> Numbers:
    """Return the numbers as they are stored."""
    with opened(path) as file:
        header = header_of(path, file)
        try:
            stored = file.read(header.size + 1)  # never more, whatever a packed file unpacks to
        except (OSError, EOFError, zlib.error) as e:
            raise AerunError(f"{path}: truncated or damaged: {str(e).rstrip('.')}.") from e
    if len(stored) != header.size:
        less = "fewer" if len(stored) < header.size else "more"
        raise AerunError(f"{path}: truncated or damaged: its header says {header.shape}, and it holds {less} numbers.")
    return np.frombuffer(stored, header.dtype).reshape(header.shape)


def classes_of(path: Path, samples: Path) -> Numbers:
    """Return one label for each of the samples in the file `samples`."""
    values = values_of(path)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise AerunError(f"{path}: labels are whole numbers (n,); it holds {values.dtype.name} of shape {values.shape}.")
    with opened(samples) as file:
        count = header_of(samples, file).shape[0]
    if len(values) != count:
        raise AerunError(f"{path} holds {len(values)} labels, {samples} holds {count} samples.")
    return values.astype(np.int64)
