"""Samples as a file of their codes: `aerun compress` and `aerun decompress`. For its format see `packed_format`."""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from aerun.coding.block import pack, unpack
from aerun.coding.quantizer import Quantizer
from aerun.core.errors import AerunError
from aerun.core.version import __version__
from aerun.formats.writing.base import Array
from aerun.inference.columns import Rows
from aerun.inference.packed_format import block, read_block, read_start, start
from aerun.inference.reading import join_samples
from aerun.inference.rounding import Rounding, rounding
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat
from aerun.inference.support import unsupported_reason

_KINDS = ("array", "tensor", "list", "columns", "words")
_SIZE, _SAMPLES = struct.Struct("<I"), struct.Struct("<IB3s")
_MOST_ROWS = 4096


def fingerprint(runner: Runner) -> str:
    """Return a hash of all that codes and samples depend on: the weights, the parts that use them, facts about the data."""
    digest, own = hashlib.sha256(), runner.config["model"]
    parts = {k: own[k] for k in ("arch", "bottleneck", "loss")}
    digest.update(json.dumps([parts, asdict(runner.facts)], sort_keys=True).encode())
    for name, value in sorted(runner.autoencoder.state_dict().items()):
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Packer:
    """A model and how its codes are rounded."""

    runner: Runner
    rounding: Rounding
    shared: Quantizer | None

    @classmethod
    def of(cls, runner: Runner, step: float | None) -> "Packer":
        """Return the packer of a model whose codes are rounded as `rounding` says.

        Raises AerunError for a step that cannot be.
        """
        if why := unsupported_reason("compress", runner.autoencoder):
            raise AerunError(f"compress: {why}")
        rule = rounding(runner, step)
        return cls(runner, rule, rule.shared(runner))

    def head(self) -> bytes:
        """Return the file's head, deflated."""
        steps = None if self.rounding.steps is None else self.rounding.steps.tolist()
        about = {"aerun": __version__, "model": fingerprint(self.runner), "code": self.runner.code_shape, "steps": steps}
        return zlib.compress(json.dumps(about).encode(), 9)

    def arrays(self, x: Any) -> dict[str, Array]:
        """Return samples as the arrays that `Packed` takes."""
        blocks = list(self.blocks(x))
        joined = np.frombuffer(b"".join(data for _, data in blocks), np.uint8)
        return {"blocks": joined, "samples": np.array([n for n, _ in blocks])}

    def blocks(self, x: Any) -> Iterator[tuple[int, bytes]]:
        """Yield the number of samples in each block, and the block's bytes."""
        stored, output_format = self.runner.form.to_stored(x)
        rows = min(self.runner.rows, _MOST_ROWS)
        for first in range(0, len(stored), rows):
            part = stored[first : first + rows]
            yield len(part), self._block(part, output_format)

    def _block(self, stored: Tensor, output_format: OutputFormat) -> bytes:
        valid = self.runner.facts.valid(stored)
        lengths = b"" if valid is None else zlib.compress(valid.sum(1).numpy().astype("<u4").tobytes(), 9)
        kind = _SAMPLES.pack(len(stored), _KINDS.index(output_format.kind), output_format.dtype.str.encode())
        data = kind + _SIZE.pack(len(lengths)) + lengths + pack(self.rounding.levels(self.runner, stored), self.shared)
        return block(data)

    def samples(self, data: bytes) -> tuple[int, Any]:
        """Return the number of samples in a block's bytes, and the samples.

        Raises AerunError or ValueError for anything that is no block of this model.
        """
        n, kind, dtype = _SAMPLES.unpack_from(data)
        (size,) = _SIZE.unpack_from(data, _SAMPLES.size)
        at = _SAMPLES.size + _SIZE.size
        if not 0 < n <= min(self.runner.rows, _MOST_ROWS) or kind >= len(_KINDS):
            raise ValueError("a block that cannot be")
        facts, grid = self.runner.facts, self.runner.code_shape[1:]
        lengths = np.frombuffer(zlib.decompressobj().decompress(data[at : at + size], 4 * n + 1), "<u4") if size else None
        if (lengths is not None) != facts.ragged:
            raise ValueError("lengths")
        valid = None if lengths is None else self.runner.steps_of(n, lengths.astype(np.int64).tolist())
        shape = (n, self.rounding.units(self.runner), *grid)
        levels = unpack(data[at + size :], shape, self.shared)
        z = self.rounding.codes(self.runner, levels)
        own = self.runner.decoded(z, valid)
        return n, self.runner.form.to_caller(own, valid, OutputFormat(_KINDS[kind], np.dtype(dtype.rstrip(b"\0").decode())))


def compress(runner: Runner, x: Any, step: float | None) -> bytes:
    """Return samples as the bytes of a file."""
    packer = Packer.of(runner, step)
    blocks = list(packer.blocks(x))
    return start(packer.head(), sum(n for n, _ in blocks)) + b"".join(data for _, data in blocks)


def decompress(runner: Runner, data: bytes) -> Any:
    """Return the samples that a file's bytes hold."""
    parts = [x for _, x in pieces(runner, BytesIO(data), "data")]
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    if isinstance(parts[0], Mapping) and not isinstance(parts[0], Rows):
        return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return join_samples(parts)


def pieces(runner: Runner, file: BinaryIO, name: str) -> Iterator[tuple[int, Any]]:
    """Yield the number of samples in each block, and the samples.

    Raises AerunError for a file of another kind or of another model, and for a damaged one.
    """
    count, head = read_start(file, name)
    _refuse_others(runner, head, name)
    steps = head["steps"]
    rule = Rounding(None if steps is None else torch.tensor(steps, dtype=torch.float32))
    packer, done = Packer(runner, rule, rule.shared(runner)), 0
    while done < count:
        data = read_block(file, name, done)
        try:
            n, x = packer.samples(data)
        except (AerunError, ValueError, TypeError, struct.error, zlib.error) as e:
            raise AerunError(f"{name}: damaged behind sample {done:,}, or its tables came out otherwise here ({e}).") from e
        done += n
        yield n, x
    if done != count or file.read(1):
        raise AerunError(f"{name}: damaged: does not end where its {count:,} samples do.")


def _refuse_others(runner: Runner, head: Mapping[str, Any], name: str) -> None:
    mine = fingerprint(runner)
    if head["model"] != mine:
        raise AerunError(
            f"{name}: was compressed by another model ({str(head['model'])[:12]}) than this run's with these weights "
            f"({mine[:12]})."
        )
    steps, code = head["steps"], tuple(head["code"])
    real = steps is None or (len(steps) == code[0] and all(isinstance(s, float) and s > 0 for s in steps))
    if code != runner.code_shape or not real:
        raise AerunError(f"{name}: damaged in its head.")
