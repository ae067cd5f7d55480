"""Samples as a file of their codes: `aerun compress` and `aerun decompress`. For its format see `packed_format`."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from aerun.coding.block import pack, unpack
from aerun.coding.quantizer import Quantizer
from aerun.core.errors import AerunError
from aerun.core.version import __version__
from aerun.evaluate.samplers import CODE_PRIORS, OfNumbers
from aerun.formats.writing.base import Array
from aerun.inference.columns import Rows
from aerun.inference.fingerprint import fingerprint
from aerun.inference.fitted_samplers import code_prior
from aerun.inference.kept_samplers import kept_sampler
from aerun.inference.packed_format import block, read_block, read_start, start
from aerun.inference.predicted import MARK, hash_of, pack_predicted, unpack_predicted
from aerun.inference.reading import join_samples
from aerun.inference.rounding import Rounding, rounding
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat
from aerun.inference.support import unsupported_reason

_KINDS = ("array", "tensor", "list", "columns", "words")
_SIZE, _SAMPLES = struct.Struct("<I"), struct.Struct("<IB3s")
_MOST_ROWS = 4096


@dataclass(frozen=True)
class Packer:
    """A model and how its codes are rounded; prior: the name and the sampler by whose probabilities discrete ones are coded."""

    runner: Runner
    rounding: Rounding
    shared: Quantizer | None
    prior: tuple[str, OfNumbers] | None = None

    @classmethod
    def of(cls, runner: Runner, step: float | None, prior: str | None = None, data: str | Path | None = None) -> "Packer":
        """Return the packer of a model whose codes are rounded as `rounding` says.

        prior: a sampler of discrete codes by whose probabilities they are coded; data: where the training data are, to which
        it is fitted. Raises AerunError for a step that cannot be, and a prior of other codes.
        """
        if why := unsupported_reason("compress", runner.autoencoder):
            raise AerunError(f"compress: {why}")
        rule, sampler = rounding(runner, step), code_prior(runner, prior, data)
        return cls(runner, rule, rule.shared(runner), None if sampler is None or prior is None else (prior, sampler))

    def start(self, count: int) -> bytes:
        """Return what stands before the blocks of so many samples."""
        steps = None if self.rounding.steps is None else self.rounding.steps.tolist()
        about = {"aerun": __version__, "model": fingerprint(self.runner), "code": self.runner.code_shape, "steps": steps}
        if self.prior is not None:
            about["prior"] = [self.prior[0], hash_of(self.prior[1])]
        return start(zlib.compress(json.dumps(about).encode(), 9), count, predicted=self.prior is not None)

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
        levels = self.rounding.levels(self.runner, stored)
        packed = pack(levels, self.shared)
        if self.prior is not None:
            packed = min(packed, pack_predicted(levels, self.prior[1]), key=len)
        return block(kind + _SIZE.pack(len(lengths)) + lengths + packed)

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
        rest = data[at + size :]
        if self.prior is not None and rest[:1] == bytes([MARK]):
            levels = unpack_predicted(rest, shape, self.prior[1])
        else:
            levels = unpack(rest, shape, self.shared)
        z = self.rounding.codes(self.runner, levels)
        own = self.runner.decoded(z, valid)
        return n, self.runner.form.to_caller(own, valid, OutputFormat(_KINDS[kind], np.dtype(dtype.rstrip(b"\0").decode())))


def compress(runner: Runner, x: Any, step: float | None, prior: str | None, data: str | Path | None) -> bytes:
    """Return samples as the bytes of a file."""
    packer = Packer.of(runner, step, prior, data)
    blocks = list(packer.blocks(x))
    return packer.start(sum(n for n, _ in blocks)) + b"".join(part for _, part in blocks)


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
    packer, done = Packer(runner, rule, rule.shared(runner), _prior(runner, head["prior"], name)), 0
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


def _prior(runner: Runner, asked: Any, name: str) -> tuple[str, OfNumbers] | None:
    """Return the probabilities that a file was coded by, which the run's folder holds. Raises AerunError where it does not."""
    if asked is None:
        return None
    if (
        not isinstance(asked, list)
        or len(asked) != 2
        or asked[0] not in CODE_PRIORS
        or not runner.autoencoder.bottleneck.levels
    ):
        raise AerunError(f"{name}: damaged in its head.")
    sampler = kept_sampler(runner, asked[0])
    if not isinstance(sampler, OfNumbers) or hash_of(sampler) != asked[1]:
        lacks = "lacks" if sampler is None else "holds another fit of"
        raise AerunError(
            f"{name}: was coded by the probabilities in the run's sampler_{asked[0]}.npz, and its folder {lacks} that file. "
            "Without them it cannot be read."
        )
    return asked[0], sampler
