"""Many image files as rows of bytes, decoded by several threads."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from aerun.dataset.storage.listing import File, Listing
from aerun.dataset.storage.skipped_files import SkippedFiles
from aerun.formats.images import Pixels, Shape, Source, UnreadableError, read, strict

_VERSION = 2  # changes whenever decoding yields other samples
_AHEAD = 256  # images that are decoded and not yet stored


@dataclass(frozen=True)
class Images:
    """Files below `root`, what each of them becomes, and how messages name them. sources: where they are instead, by name."""

    root: Path
    files: Sequence[File]
    listing: Listing
    shape: Shape
    where: str
    sources: Mapping[str, Source] | None = None

    @property
    def row(self) -> tuple[int, int, int]:
        """Return the shape of one sample."""
        return self.shape.channels, self.shape.height, self.shape.width

    @property
    def size(self) -> int:
        """Return the number of bytes of all samples."""
        return len(self.order) * self.each

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of stored samples: bytes, or 32-bit numbers for deeper images."""
        return torch.uint8 if self.shape.depth == 8 else torch.float32

    @property
    def each(self) -> int:
        """Return the number of bytes of one sample."""
        return int(np.prod(self.row)) * self.dtype.itemsize

    @cached_property
    def order(self) -> list[int]:
        """Return the file numbers, one split after the other."""
        return [i for part in self.listing.parts for i in part.tolist()]

    def key(self) -> str:
        """Return a key that changes with any file, with their order, and with what they become."""
        identity = (_VERSION, str(self.root.resolve()), self.shape, self.order, self.files)
        return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]


def decode(images: Images, sink: Callable[[Pixels], object]) -> SkippedFiles:
    """Hand the samples (C, H, W) to `sink`, in order, and return what was left out.

    Raises AerunError where that is more than 1 %.
    """
    left_out = SkippedFiles(images.where, "images", len(images.order))
    with strict(), contextlib.closing(_pixels(images)) as pixels:
        for name, image in pixels:
            if isinstance(image, UnreadableError):
                left_out.add(name, str(image))
            else:
                sink(image)
    return left_out


def _pixels(images: Images) -> Generator[tuple[str, Pixels | UnreadableError], None, None]:
    def one(number: int) -> tuple[str, Pixels | UnreadableError]:
        name = images.files[number].name
        try:
            return name, read(images.root / name if images.sources is None else images.sources[name], images.shape)
        except UnreadableError as e:
            return name, e

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for first in range(0, len(images.order), _AHEAD):
            yield from pool.map(one, images.order[first : first + _AHEAD])
