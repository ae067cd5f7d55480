"""The whole numbers of some samples as bytes, which need nothing else or only tables that both sides know."""

import struct
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.coding.quantizer import Quantizer
from aerun.coding.rans import tables_of
from aerun.core.errors import AerunError

_OWN, _SHARED = 0, 1
_MOST, _CELLS = 1 << 15, 1 << 21  # levels of one unit; numbers in all tables of a block
_HEAD = struct.Struct("<BI")


def pack(levels: Tensor, shared: Quantizer | None) -> bytes:
    """Return levels (n, d, *grid) as bytes, coded by tables of their own or by the `shared` ones.

    The shared tables are used where they know all levels and the result is shorter.

    1 byte: which tables. 4 bytes: crc32 of the levels. Own tables: 4 bytes for their length, then the deflated tables. The rest
    is the coder's. Raises AerunError where a unit has over 32,768 levels.
    """
    lowest, widths, counts = _counted(levels)
    tables = zlib.compress(_tables_to_bytes(lowest, widths, counts), 9)
    head = _crc(levels)
    own = struct.pack("<I", len(tables)) + tables + _quantizer(lowest, widths, counts).to_bytes(levels)
    best = _HEAD.pack(_OWN, head) + own
    if shared is not None and _covers(shared, lowest, widths):
        other = _HEAD.pack(_SHARED, head) + shared.to_bytes(levels)
        best = min(best, other, key=len)
    return best


def unpack(data: bytes, shape: tuple[int, ...], shared: Quantizer | None) -> Tensor:
    """Return the levels (n, d, *grid) that `pack` wrote as `data`.

    Raises AerunError for bytes that `pack` did not write for this shape, or where `shared` is not what it was then.
    """
    try:
        which, crc = _HEAD.unpack_from(data)
        data = data[_HEAD.size :]
        if which == _SHARED and shared is None:
            raise AerunError("coding: the tables that these bytes need are not there.")
        if which == _SHARED:
            assert shared is not None
            levels = shared.from_bytes(data, shape)
        else:
            (size,) = struct.unpack_from("<I", data)
            levels = _quantizer(*_tables_from_bytes(data[4 : 4 + size], shape[1])).from_bytes(data[4 + size :], shape)
    except (struct.error, zlib.error, ValueError, IndexError) as e:
        raise AerunError(f"coding: these bytes are no encoding ({e}).") from e
    if _crc(levels) != crc:
        raise AerunError("coding: these bytes belong to other tables.")
    return levels


def _crc(levels: Tensor) -> int:
    return zlib.crc32(np.ascontiguousarray(levels.cpu().numpy(), dtype="<i8").tobytes())


def _counted(levels: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the lowest level (d,), the number of levels (d,) and how often each level occurs (d, A)."""
    flat = levels.cpu().transpose(0, 1).flatten(1)
    lowest, highest = flat.min(1).values, flat.max(1).values
    widths = highest - lowest + 1
    most = int(widths.max())
    if most > _MOST or most * len(flat) > _CELLS:
        raise AerunError(f"a code spans {most:,} levels, more than are coded: the samples are unlike those of training.")
    place = flat - lowest[:, None] + torch.arange(len(flat))[:, None] * most
    counts = torch.bincount(place.flatten(), minlength=len(flat) * most).reshape(-1, most)
    return lowest.numpy(), widths.numpy(), counts.numpy()


def _quantizer(lowest: NDArray[np.int64], widths: NDArray[np.int64], counts: NDArray[np.int64]) -> Quantizer:
    tables = tables_of(counts.astype(np.float64))
    return Quantizer(torch.ones(len(lowest)), torch.from_numpy(lowest), torch.from_numpy(widths), tables)


def _tables_to_bytes(lowest: NDArray[np.int64], widths: NDArray[np.int64], counts: NDArray[np.int64]) -> bytes:
    inside = np.concatenate([row[:width] for row, width in zip(counts, widths, strict=True)])
    return lowest.astype("<i8").tobytes() + widths.astype("<u2").tobytes() + inside.astype("<u4").tobytes()


def _tables_from_bytes(data: bytes, d: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    plain = zlib.decompressobj().decompress(data, 10 * d + 4 * _CELLS)
    lowest = np.frombuffer(plain, "<i8", d).copy()
    widths = np.frombuffer(plain, "<u2", d, 8 * d).astype(np.int64)
    inside = np.frombuffer(plain, "<u4", offset=10 * d).astype(np.int64)
    most = int(widths.max())
    if int(widths.sum()) != len(inside) or not widths.all() or most * d > _CELLS or np.abs(lowest).max() > 1 << 53:
        raise ValueError("its tables do not fit together")
    counts = np.zeros((d, most), np.int64)
    counts[np.arange(most) < widths[:, None]] = inside
    return lowest, widths, counts


def _covers(shared: Quantizer, lowest: NDArray[np.int64], widths: NDArray[np.int64]) -> bool:
    low, end = shared.lowest.numpy(), (shared.lowest + shared.widths).numpy()
    return bool((low <= lowest).all() and (lowest + widths <= end).all())
