"""Where decoded images are: in memory where they fit, else in a file; decoded at every start, or once."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.core.cache import cache_folder, refuse_full
from aerun.core.errors import AerunError
from aerun.core.files import replace, replaced
from aerun.core.memory import available_memory
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.decoded import Images, decode
from aerun.dataset.storage.mapped import mapped
from aerun.dataset.storage.skipped_files import SkippedFiles
from aerun.formats.images import Pixels

_WORTH = 5000  # images: decoding that many takes so long that the result is kept for the next run

log = logging.getLogger("aerun")


def load(images: Images, memory: float | None, cache: str | None) -> Data:
    """Return all samples: in memory where they take at most `memory` GB (None: half of what is free), else read from disk.

    Files that cannot be read are left out and counted. Raises AerunError where they are more than 1 %, and where the disk is
    full.
    """
    limit = available_memory() // 2 if memory is None else int(memory * 1e9)
    fits = images.size <= limit
    if fits and len(images.order) < _WORTH:
        x = torch.empty(len(images.order), *images.row, dtype=images.dtype)
        left_out = decode(images, _Rows(x))
        return _data(images, left_out, lambda rows: list(x[: sum(rows)].split(list(rows))))
    path = cache_folder(cache) / f"{images.root.resolve().name}-{images.key()}.bytes"
    left_out = _kept(images, path)
    if fits:
        return _data(images, left_out, lambda rows: list(_read(path, images).split(list(rows))))
    words = "%s: %d images take %.2g GB and dataset.memory allows %.2g: they are read from %s as they are needed."
    log.warning(words, images.where, len(images.order), images.size / 1e9, limit / 1e9, path)
    return _data(images, left_out, lambda rows: mapped(path, images.row, rows, images.dtype))


def _data(images: Images, left_out: SkippedFiles, cut: Callable[[tuple[int, ...]], list[Tensor]]) -> Data:
    gone = left_out.tell()
    kept = [[i for i in part.tolist() if images.files[i].name not in gone] for part in images.listing.parts]
    labels = images.listing.labels
    tensors = cut(tuple(len(part) for part in kept))
    return Data(*(Split(x, None if labels is None else labels[rows]) for x, rows in zip(tensors, kept, strict=True)))


class _Rows:
    """A sink that fills a tensor from the top."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.at = x.numpy(), 0

    def __call__(self, row: Pixels) -> None:
        self.x[self.at] = row
        self.at += 1


def _kept(images: Images, path: Path) -> SkippedFiles:
    """Return what was left out, once the samples are in the file `path`."""
    about = path.with_suffix(".json")
    try:
        left_out = SkippedFiles(images.where, "images", len(images.order), json.loads(about.read_text())["left_out"])
        if path.stat().st_size == (len(images.order) - len(left_out.reasons)) * images.each:
            return left_out
    except (OSError, ValueError, KeyError, TypeError):
        pass
    log.warning("%s: decoding %d images, once, into %s", images.where, len(images.order), path)
    try:
        c, h, w = images.row
        what = f"{images.where}: {len(images.order)} images of {c} x {h} x {w}"
        refuse_full(path.parent, images.size, what, "Lower dataset.size, or name another place with dataset.cache=DIR.")
        with replaced(path) as file:
            left_out = decode(images, lambda row: file.write(np.ascontiguousarray(row).data))
        replace(about, json.dumps({"source": str(images.root.resolve()), "left_out": left_out.reasons}))
    except OSError as e:
        raise AerunError(
            f"{images.where}: cannot keep the decoded images in {path.parent} (dataset.cache): {e.strerror}."
        ) from e
    return left_out


def _read(path: Path, images: Images) -> Tensor:
    return torch.from_numpy(np.fromfile(path, dtype=np.uint8)).view(images.dtype).view(-1, *images.row)


def gigabytes(memory: float | None) -> float | None:
    """Return `dataset.memory`. Raise AerunError unless it is null or positive."""
    if memory is not None and not 0 < memory < float("inf"):
        raise AerunError(f"dataset.memory={memory}: must be a number of GB above 0, or null for half of what is free.")
    return memory
