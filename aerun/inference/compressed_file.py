"""Samples as a file of their codes: `aerun compress` and `aerun decompress`.

8 bytes: "aerun z" and the format's number. 8: how many samples. 4: length of the head, then it: deflated JSON with the model's
fingerprint, the shape of a code and the steps of its rounding. 4: crc32 of all that. Then blocks of up to 4,096 samples: 4
bytes length, 4 crc32, and 4 how many samples, 1 + 3 how they were given, lengths of sequences (4 bytes length, deflated),
and the levels (see `aerun.coding.block`). Nothing follows the last. Numbers are little-endian.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from aerun.coding.block import pack, unpack
from aerun.coding.quantizer import Quantizer
from aerun.core.errors import AerunError
from aerun.core.version import __version__
from aerun.formats.writing.base import Array, FileWriter
from aerun.inference.rounding import Rounding, rounding
from aerun.inference.samples import OutputFormat

if TYPE_CHECKING:
    from aerun.inference.model import Model

_MAGIC, _FORMAT = b"aerun z", 1
_KINDS = ("array", "tensor", "list", "columns", "words")
_START, _SIZE, _BLOCK, _SAMPLES = struct.Struct("<7sBQI"), struct.Struct("<I"), struct.Struct("<II"), struct.Struct("<IB3s")
_MOST_HEAD, _MOST_BLOCK, _MOST_ROWS = 1 << 20, 1 << 28, 4096


def fingerprint(model: "Model") -> str:
    """Of everything that codes and samples depend on: weights, the parts that use them, and facts about the data."""
    found, own = hashlib.sha256(), model.config["model"]
    parts = {k: own[k] for k in ("arch", "bottleneck", "loss")}
    found.update(json.dumps([parts, asdict(model.facts)], sort_keys=True).encode())
    for name, value in sorted(model.autoencoder.state_dict().items()):
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Packer:
    """A model and how its codes are rounded."""

    model: "Model"
    rounding: Rounding
    shared: Quantizer | None

    @classmethod
    def of(cls, model: "Model", step: float | None) -> "Packer":
        """AerunError for a step that cannot be."""
        found = rounding(model, step)
        return cls(model, found, found.shared(model))

    def head(self) -> bytes:
        """The file's head, deflated."""
        steps = None if self.rounding.steps is None else self.rounding.steps.tolist()
        about = {"aerun": __version__, "model": fingerprint(self.model), "code": self.model.code_shape, "steps": steps}
        return zlib.compress(json.dumps(about).encode(), 9)

    def arrays(self, x: Any) -> dict[str, Array]:
        """Samples as `Packed` takes them."""
        found = list(self.blocks(x))
        joined = np.frombuffer(b"".join(block for _, block in found), np.uint8)
        return {"blocks": joined, "samples": np.array([n for n, _ in found])}

    def blocks(self, x: Any) -> Iterator[tuple[int, bytes]]:
        """Samples as blocks, and how many are in each."""
        stored, way = self.model.form.to_stored(x)
        rows = min(self.model.rows, _MOST_ROWS)
        for first in range(0, len(stored), rows):
            part = stored[first : first + rows]
            yield len(part), self._block(part, way)

    def _block(self, stored: Tensor, way: OutputFormat) -> bytes:
        valid = self.model.facts.valid(stored)
        lengths = b"" if valid is None else zlib.compress(valid.sum(1).numpy().astype("<u4").tobytes(), 9)
        kind = _SAMPLES.pack(len(stored), _KINDS.index(way.kind), way.dtype.str.encode())
        data = kind + _SIZE.pack(len(lengths)) + lengths + pack(self.rounding.levels(self.model, stored), self.shared)
        return _BLOCK.pack(len(data), zlib.crc32(data)) + data

    def samples(self, data: bytes) -> tuple[int, Any]:
        """How many, and they. AerunError or ValueError for what is no block of this model."""
        n, kind, dtype = _SAMPLES.unpack_from(data)
        (size,) = _SIZE.unpack_from(data, _SAMPLES.size)
        at = _SAMPLES.size + _SIZE.size
        if not 0 < n <= _MOST_ROWS or kind >= len(_KINDS):
            raise ValueError("a block that cannot be")
        facts, grid = self.model.facts, self.model.code_shape[1:]
        lengths = np.frombuffer(zlib.decompressobj().decompress(data[at : at + size], 4 * n + 1), "<u4") if size else None
        if (lengths is not None) != facts.ragged:
            raise ValueError("lengths")
        valid = None if lengths is None else self.model._valid(n, lengths.astype(np.int64).tolist())
        units = getattr(self.model.autoencoder.bottleneck, "groups", self.model.code_shape[0])
        levels = unpack(data[at + size :], (n, units, *grid), self.shared)
        z = self.rounding.codes(self.model, levels)
        own = self.model._in_parts(self.model._decoded, z, valid)
        return n, self.model.form.to_caller(own, valid, OutputFormat(_KINDS[kind], np.dtype(dtype.rstrip(b"\0").decode())))


class Packed(FileWriter):
    """Takes blocks, as bytes, and how many samples they hold, which is filled in at the end. about: `head`."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.count = 0
        self.file.write(start(about["head"], 0))

    def add(self, arrays: Mapping[str, Array]) -> None:
        self.file.write(arrays["blocks"].data)
        self.count += int(arrays["samples"].sum())

    def close(self) -> None:
        self.file.seek(0)
        self.file.write(start(self.about["head"], self.count))


def start(head: bytes, count: int) -> bytes:
    """What stands before the first block."""
    found = _START.pack(_MAGIC, _FORMAT, count, len(head)) + head
    return found + _SIZE.pack(zlib.crc32(found))


def compress(model: "Model", x: Any, step: float | None) -> bytes:
    """Samples as the bytes of a file."""
    packer = Packer.of(model, step)
    blocks = list(packer.blocks(x))
    return start(packer.head(), sum(n for n, _ in blocks)) + b"".join(block for _, block in blocks)


def decompress(model: "Model", data: bytes) -> Any:
    """The samples of a file's bytes."""
    from aerun.inference.columns import Rows
    from aerun.inference.reading import join_samples

    parts = [x for _, x in pieces(model, BytesIO(data), "data")]
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    if isinstance(parts[0], Mapping) and not isinstance(parts[0], Rows):
        return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return join_samples(parts)


def pieces(model: "Model", file: BinaryIO, name: str) -> Iterator[tuple[int, Any]]:
    """Blocks of samples, and how many are in each. AerunError for another's or another model's file, and a damaged one."""
    count, head = _opened(file, name)
    _refuse_others(model, head, name)
    steps = head["steps"]
    found = Rounding(None if steps is None else torch.tensor(steps, dtype=torch.float32))
    packer, done = Packer(model, found, found.shared(model)), 0
    while done < count:
        size, crc = _BLOCK.unpack(_read(file, _BLOCK.size, name))
        data = _read(file, size, name) if size <= _MOST_BLOCK else b""
        if zlib.crc32(data) != crc or not data:
            raise AerunError(f"{name}: damaged behind sample {done:,}.")
        try:
            n, x = packer.samples(data)
        except (AerunError, ValueError, TypeError, struct.error, zlib.error) as e:
            raise AerunError(f"{name}: damaged behind sample {done:,}, or its tables came out otherwise here ({e}).") from e
        done += n
        yield n, x
    if done != count or file.read(1):
        raise AerunError(f"{name}: damaged: does not end where its {count:,} samples do.")


def _read(file: BinaryIO, size: int, name: str) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise AerunError(f"{name}: cut short.")
    return found


def _opened(file: BinaryIO, name: str) -> tuple[int, dict[str, Any]]:
    first = file.read(_START.size)
    if not first or first[: len(_MAGIC)] != _MAGIC[: len(first)]:
        raise AerunError(f"{name}: {'was not written by aerun compress' if first else 'is empty'}.")
    if len(first) < _START.size:
        raise AerunError(f"{name}: cut short.")
    _, kind, count, size = _START.unpack(first)
    if kind != _FORMAT:
        raise AerunError(f"{name}: is of format {kind}; this aerun ({__version__}) reads {_FORMAT}.")
    head = _read(file, size, name) if size <= _MOST_HEAD else b""
    (crc,) = _SIZE.unpack(_read(file, _SIZE.size, name))
    if zlib.crc32(first + head) != crc or not count:
        raise AerunError(f"{name}: damaged in its head.")
    try:
        found = json.loads(zlib.decompressobj().decompress(head, 64 * _MOST_HEAD))
        return count, {k: found[k] for k in ("model", "code", "steps")}
    except (ValueError, KeyError, TypeError, zlib.error) as e:
        raise AerunError(f"{name}: damaged in its head.") from e


def _refuse_others(model: "Model", head: Mapping[str, Any], name: str) -> None:
    mine = fingerprint(model)
    if head["model"] != mine:
        raise AerunError(
            f"{name}: was compressed by another model ({str(head['model'])[:12]}) than this run's with these weights "
            f"({mine[:12]})."
        )
    steps, code = head["steps"], tuple(head["code"])
    real = steps is None or (len(steps) == code[0] and all(isinstance(s, float) and s > 0 for s in steps))
    if code != model.code_shape or not real:
        raise AerunError(f"{name}: damaged in its head.")
