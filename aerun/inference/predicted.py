"""Discrete codes as bytes by the probability of each number given those before it (`aerun.evaluate.samplers.code_prior`)."""

import hashlib
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from aerun.coding.rans import Reader, Writer, tables_of
from aerun.core.errors import AerunError
from aerun.evaluate.samplers import OfNumbers
from aerun.evaluate.samplers.code_prior import CodePrior, from_raster, in_raster
from aerun.inference.fingerprint import add_arrays

_DIGITS = 16  # of a hash
_HEAD, MARK = struct.Struct("<BI"), 2  # 0 and 1 are of `aerun.coding.block`


def pack_predicted(levels: Tensor, sampler: OfNumbers) -> bytes:
    """Return the numbers (n, u, *grid) as bytes: 1 byte, the mark of these, 4 bytes, crc32 of the numbers, and the coder's.

    Codes are coded a part at a time, in it position by position, all samples of the part by one table each.
    """
    writer, prior, rows = Writer(), sampler.fit, in_raster(levels)
    for part in _parts(rows, prior):
        after, last = prior.steps(len(part)), None
        for column in part.t():
            writer.add(column.numpy(), np.arange(len(part)), tables_of(after(last).numpy()))
            last = column
    return _HEAD.pack(MARK, _crc(rows)) + writer.to_bytes()


def unpack_predicted(data: bytes, shape: tuple[int, ...], sampler: OfNumbers) -> Tensor:
    """Return the numbers (n, u, *grid) that `pack_predicted` wrote. Raises AerunError for other bytes."""
    prior, (_, crc) = sampler.fit, _HEAD.unpack_from(data)
    reader, parts = Reader(data[_HEAD.size :]), []
    for part in _parts(torch.empty(shape[0], 0), prior):
        after, columns, last = prior.steps(len(part)), list[Tensor](), None
        for _ in prior.levels:
            last = torch.from_numpy(reader.take(np.arange(len(part)), tables_of(after(last).numpy())))
            columns.append(last)
        parts.append(torch.stack(columns, 1))
    reader.finish()
    rows = torch.cat(parts)
    if _crc(rows) != crc:
        raise AerunError("coding: these bytes belong to other tables.")
    return from_raster(rows, shape[1], shape[2:])


def hash_of(sampler: OfNumbers) -> str:
    """Return a hash of a fitted probability."""
    digest = hashlib.sha256()
    add_arrays(digest, sampler.fit.arrays())
    return digest.hexdigest()[:_DIGITS]


def _parts(rows: Tensor, prior: CodePrior) -> Iterator[Tensor]:
    yield from rows.split(prior.rows_at_once)


def _crc(rows: Tensor) -> int:
    return zlib.crc32(np.ascontiguousarray(rows.numpy(), dtype="<i8").tobytes())
