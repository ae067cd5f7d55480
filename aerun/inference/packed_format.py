"""The format of a file of compressed samples.

8 bytes: "aerun z" and the format's number. 8: how many samples. 4: length of the head, then it: deflated JSON with the model's
fingerprint, the shape of a code, the steps of its rounding and, in format 2, the name and the hash of the probabilities that
discrete codes were coded by (the run's folder holds them). 4: crc32 of all that. Then blocks of up to 4,096 samples: 4 bytes
length, 4 crc32, and 4 how many samples, 1 + 3 the form in which they came, lengths of sequences (4 bytes length, deflated), and
the levels (see `aerun.coding.block`, and `aerun.inference.predicted` where they begin with a byte 2). Nothing follows the last.
Numbers are little-endian.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from aerun.core.errors import AerunError
from aerun.core.version import __version__
from aerun.formats.writing.base import Array, FileWriter

_MAGIC, _FORMAT, _PREDICTED = b"aerun z", 1, 2
_START, _SIZE, _BLOCK = struct.Struct("<7sBQI"), struct.Struct("<I"), struct.Struct("<II")
_MOST_HEAD, _MOST_BLOCK = 1 << 22, 1 << 26


class Packed(FileWriter):
    """Writes blocks of bytes and, at the end, the number of samples that they hold. about: `start`, a function of it."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.count = 0
        self.file.write(about["start"](0))

    def add(self, arrays: Mapping[str, Array]) -> None:
        self.file.write(arrays["blocks"].data)
        self.count += int(arrays["samples"].sum())

    def close(self) -> None:
        self.file.seek(0)
        self.file.write(self.about["start"](self.count))


def start(head: bytes, count: int, predicted: bool = False) -> bytes:
    """Return what stands before the first block; predicted: discrete codes were coded by probabilities that the head names."""
    data = _START.pack(_MAGIC, _PREDICTED if predicted else _FORMAT, count, len(head)) + head
    return data + _SIZE.pack(zlib.crc32(data))


def block(data: bytes) -> bytes:
    """Return a block of these bytes: their length and checksum, then the bytes."""
    return _BLOCK.pack(len(data), zlib.crc32(data)) + data


def read_start(file: BinaryIO, name: str) -> tuple[int, dict[str, Any]]:
    """Return how many samples follow, and the head. Raises AerunError for anything that `start` did not write."""
    first = file.read(_START.size)
    if not first or first[: len(_MAGIC)] != _MAGIC[: len(first)]:
        raise AerunError(f"{name}: {'was not written by aerun compress' if first else 'is empty'}.")
    if len(first) < _START.size:
        raise AerunError(f"{name}: cut short.")
    _, kind, count, size = _START.unpack(first)
    if kind not in (_FORMAT, _PREDICTED):
        raise AerunError(f"{name}: is of format {kind}; this aerun ({__version__}) reads {_FORMAT} and {_PREDICTED}.")
    head = _read(file, size, name) if size <= _MOST_HEAD else b""
    (crc,) = _SIZE.unpack(_read(file, _SIZE.size, name))
    if zlib.crc32(first + head) != crc or not count:
        raise AerunError(f"{name}: damaged in its head.")
    try:
        plain = zlib.decompressobj().decompress(head, _MOST_HEAD + 1)
        if len(plain) > _MOST_HEAD:
            raise ValueError("too large")
        table = json.loads(plain)
        return count, {k: table[k] for k in ("model", "code", "steps")} | {"prior": table.get("prior")}
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error) as e:
        raise AerunError(f"{name}: damaged in its head.") from e


def read_block(file: BinaryIO, name: str, done: int) -> bytes:
    """Return the bytes of the next block, which comes after `done` samples. Raises AerunError for a damaged one."""
    size, crc = _BLOCK.unpack(_read(file, _BLOCK.size, name))
    data = _read(file, size, name) if size <= _MOST_BLOCK else b""
    if zlib.crc32(data) != crc or not data:
        raise AerunError(f"{name}: damaged behind sample {done:,}.")
    return data


def _read(file: BinaryIO, size: int, name: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise AerunError(f"{name}: cut short.")
    return data
