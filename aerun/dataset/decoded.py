"""Many image files as one tensor of bytes: decoded by several threads, in memory or on disk, once or at every start."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.dataset.base import Data, Split
from aerun.dataset.image_files import Bytes, Shape, UnreadableError, read, strict
from aerun.dataset.listing import File, Listing
from aerun.dataset.mapped import available, mapped
from aerun.errors import AerunError

_WORTH = 5000  # images: decoding that many takes so long that the result is kept for the next run
_MOST = 0.01  # share of unreadable files that is put up with
_NAMED = 10  # of them in one message
_VERSION = 1  # of what is kept

log = logging.getLogger("aerun")
Sink = Callable[[Bytes], object]


@dataclass(frozen=True)
class Images:
    """Files below `root`, what each becomes, and how they are called in messages."""

    root: Path
    files: Sequence[File]
    listing: Listing
    shape: Shape
    where: str

    @property
    def row(self) -> tuple[int, int, int]:
        """Shape of one sample."""
        return self.shape.channels, self.shape.height, self.shape.width

    @property
    def size(self) -> int:
        """Bytes of all samples."""
        return len(self.order) * int(np.prod(self.row))

    @cached_property
    def order(self) -> list[int]:
        """File numbers, one split after the other."""
        return [i for part in self.listing.parts for i in part.tolist()]

    def key(self) -> str:
        """Changes with any file, their order, and what they become."""
        known = (_VERSION, str(self.root.resolve()), self.shape, self.order, self.files)
        return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def load(images: Images, memory: float | None, cache: str | None) -> Data:
    """All samples: in memory where they take at most `memory` GB (None: half of what is free), else read from disk.

    Files that cannot be read are left out and counted. AerunError where they are more than 1 %, and where the disk is full.
    """
    limit = available() // 2 if memory is None else int(memory * 1e9)
    fits = images.size <= limit
    if fits and len(images.order) < _WORTH:
        x = torch.empty(len(images.order), *images.row, dtype=torch.uint8)
        left_out = _decode(images, _Rows(x))
        return _data(images, left_out, lambda rows: list(x[: sum(rows)].split(list(rows))))
    path = _place(cache) / f"{images.root.resolve().name}-{images.key()}.bytes"
    left_out = _kept(images, path)
    if fits:
        return _data(images, left_out, lambda rows: list(_read(path, images.row).split(list(rows))))
    words = "%s: %d images take %.2g GB and dataset.memory allows %.2g: they are read from %s as they are needed."
    log.warning(words, images.where, len(images.order), images.size / 1e9, limit / 1e9, path)
    return _data(images, left_out, lambda rows: mapped(path, images.row, rows))


def _data(images: Images, left_out: frozenset[str], cut: Callable[[tuple[int, ...]], list[Tensor]]) -> Data:
    kept = [[i for i in part.tolist() if images.files[i].name not in left_out] for part in images.listing.parts]
    labels = images.listing.labels
    tensors = cut(tuple(len(part) for part in kept))
    return Data(*(Split(x, None if labels is None else labels[rows]) for x, rows in zip(tensors, kept, strict=True)))


class _Rows:
    """Fills a tensor from the top."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.at = x.numpy(), 0

    def __call__(self, row: Bytes) -> None:
        self.x[self.at] = row
        self.at += 1


def _decode(images: Images, sink: Sink) -> frozenset[str]:
    """Hand the samples to `sink` in order; names of the files that are left out."""
    bad: list[tuple[str, str]] = []
    for name, found in _pixels(images):
        if not isinstance(found, UnreadableError):
            sink(found)
            continue
        bad.append((name, str(found)))
        if len(bad) > _MOST * len(images.order):
            raise AerunError(
                f"{images.where}: more than 1 % of its {len(images.order)} images cannot be read: {_told(bad)}. "
                "Mend or remove them."
            )
    if bad:
        log.warning("%s: %d of %d images cannot be read and are left out: %s.", images.where, len(bad), len(images.order), _told(bad))
    return frozenset(name for name, _ in bad)


def _pixels(images: Images) -> Iterator[tuple[str, Bytes | UnreadableError]]:
    def one(number: int) -> tuple[str, Bytes | UnreadableError]:
        name = images.files[number].name
        try:
            return name, read(images.root / name, images.shape)
        except UnreadableError as e:
            return name, e

    order = images.order
    with strict(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for first in range(0, len(order), 256):  # so many are decoded and not yet stored
            yield from pool.map(one, order[first : first + 256])


def _told(bad: list[tuple[str, str]]) -> str:
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return "; ".join(f"{name} ({reason})" for name, reason in bad[:_NAMED]) + more


def _kept(images: Images, path: Path) -> frozenset[str]:
    """Names of the files that were left out, once the samples are in the file `path`."""
    about = path.with_suffix(".json")
    try:
        left_out = frozenset(json.loads(about.read_text())["left_out"])
        rows = len(images.order) - len(left_out)
        if path.stat().st_size == rows * int(np.prod(images.row)):
            return left_out
    except (OSError, ValueError, KeyError, TypeError):
        pass
    log.warning("%s: decoding %d images, once, into %s", images.where, len(images.order), path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_full(images, path.parent)
        with part.open("wb") as file:
            left_out = _decode(images, lambda row: file.write(np.ascontiguousarray(row).data))
        part.replace(path)
        about.write_text(json.dumps({"source": str(images.root.resolve()), "left_out": sorted(left_out)}))
    except OSError as e:
        raise AerunError(f"{images.where}: cannot keep the decoded images in {path.parent} (dataset.cache): {e.strerror}.") from e
    finally:
        part.unlink(missing_ok=True)
    return left_out


def _refuse_full(images: Images, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if images.size > 0.9 * free:
        c, h, w = images.row
        raise AerunError(
            f"{images.where}: {len(images.order)} images of {c} x {h} x {w} take {images.size / 1e9:.3g} GB, and {folder} has "
            f"{free / 1e9:.3g} GB free. Lower dataset.size, or name another place with dataset.cache=DIR."
        )


def _read(path: Path, row: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.fromfile(path, dtype=np.uint8)).view(-1, *row)


def _place(cache: str | None) -> Path:
    """Where decoded images are kept."""
    if cache is not None:
        return Path(cache).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aerun"
