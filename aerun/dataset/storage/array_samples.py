"""From arrays as they are in files to samples and labels."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.core.paths import path_words
from aerun.dataset.labels import Labels, refuse_many
from aerun.dataset.storage.axes import channels_last, kind_of
from aerun.formats.arrays import FILL, SUFFIXES, Array, forget, is_mapped, masked, names_of, read_array
from aerun.formats.compressed import PACKED
from aerun.formats.found import Found, Paths, found
from aerun.formats.frame import place_in
from aerun.formats.limits import Limits
from aerun.formats.stacked import stacked
from aerun.preparation.feature import Feature

KINDS = ("table", "image", "sequence")
ARRAYS = (*SUFFIXES, *(f".npy{p}" for p in PACKED))
log = logging.getLogger("aerun")

_ELEMENTS = 250_000  # elements that are looked at together: few enough for their memory to be released at once


@dataclass(frozen=True)
class Source:
    """Where samples are: the setting that names the files, the files, and the array in each; and the same for their labels."""

    key: str
    files: Found
    name: str | None
    labels_key: str
    labels: Paths | None

    @property
    def path(self) -> Path:
        """Return how messages name the files: the only one, or what stands for all."""
        return Path(self.files.shown)


def files_in(key: str, value: Paths) -> Found:
    """Return the files of arrays that a setting names: one, those of a list, a pattern or a folder, or behind a URL."""
    return found(key, value, ARRAYS)


def read(
    sources: Sequence[Source], kind: str, channels: str, bounds: Limits | None
) -> tuple[list[Array], list[tuple[int, ...]], str]:
    """Return the arrays as (n, D), (n, C, H, W) or (n, T, F), how many samples are of each file, and their kind.

    bounds: how much each may take in memory, see `gathered`. Raises AerunError where they do not fit together.
    """
    read_ones = [stacked(s.files, partial(source_array, s.key, name=s.name, bounds=bounds), s.name, bounds) for s in sources]
    arrays, counts = [array for array, _ in read_ones], [count for _, count in read_ones]
    kind = kind_of(sources[0].path, arrays[0].shape, kind)
    for source, array in zip(sources, arrays, strict=True):
        kind_of(source.path, array.shape, kind)
        if not array.size:
            raise AerunError(f"{source.path}: an array of shape {array.shape}: empty.")
    last = (
        kind == "image" and arrays[0].ndim == 4 and channels_last(sources[0].path, sources[0].name, arrays[0].shape, channels)
    )
    arrays = [_shaped(s.path, a, kind, last) for s, a in zip(sources, arrays, strict=True)]
    for source, array, count in zip(sources, arrays, counts, strict=True):
        _refuse_infinite(source.files, count, array, gaps=kind != "image")
    if len({(a.shape[1:], a.dtype) for a in arrays}) > 1:
        first, second = (f"{a.dtype} of shape {a.shape[1:]}" for a in arrays)
        raise AerunError(f"{sources[0].path} holds samples of {first}, {sources[1].path} of {second}.")
    return arrays, counts, kind


def source_array(key: str, path: Path, name: str | None, bounds: Limits | None = None) -> Array:
    """Return the array of samples that the setting `key` names, with NaN where the same file masks it.

    A mask is an array of truth values of the same shape called mask or NAME_mask, True where a value is missing, as
    `numpy.ma` has it.
    """
    names = names_of(path)
    masks = [n for n in names if n == "mask" or n.endswith("_mask")]
    others = [n for n in names if n not in masks]
    if name is None and masks and len(others) == 1:
        name = others[0]
    array = read_array(key, path, name, bounds=bounds)
    for mask in (n for n in (f"{name}_mask", "mask") if n in masks and n != name):
        gone = read_array(key, path, mask, bounds=bounds)
        if gone.dtype.kind == "b" and gone.shape == array.shape:
            log.warning("%s: %d values that the array %s marks are missing.", path, int(gone.sum()), mask)
            return masked(path, name, array, gone, bounds) if gone.any() else array
    return array


def gathered(arrays: Sequence[Array], rows: Tensor) -> Tensor:
    """Return the numbered rows of the first array, or of the second where the numbers go on there; see `tensor`."""
    inside = bool((rows < len(arrays[0])).all())
    return tensor(arrays[0], rows) if inside else tensor(arrays[1], rows - len(arrays[0]))


def _shaped(path: Path, array: Array, kind: str, last: bool) -> Array:
    """Return the array as (n, D), (n, C, H, W) or (n, T, F). Raise AerunError where it does not fit into memory."""
    if not is_mapped(array):
        refuse_beyond(str(path), array.size * dtype_of(array).itemsize)
    if kind == "image" and array.ndim == 3:
        return array[:, None]
    if kind == "sequence" and array.ndim == 2:
        return array[..., None]
    return np.moveaxis(array, 3, 1) if last else array


def tensor(array: Array, rows: Tensor) -> Tensor:
    """Return the rows as a tensor: bytes and truth values as bytes, all else as float32, NaN for netCDF's fill value."""
    values = array[rows.numpy()]
    if (filled := _filled(values)).any():
        values = np.where(filled, np.nan, values)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.uint8 if dtype_of(array) == torch.uint8 else np.float32))


def _filled(part: Array) -> Array:
    """Return flags, True where a value is netCDF's fill value, which the shorter types cannot hold."""
    flags: Array = part == FILL if part.dtype.kind == "f" and part.dtype.itemsize > 2 else np.zeros(part.shape, dtype=np.bool_)
    return flags


def dtype_of(array: Array) -> torch.dtype:
    """Return the type of the samples: bytes and truth values stay bytes, all else is float32."""
    return torch.uint8 if array.dtype in (np.uint8, np.bool_) else torch.float32


def _refuse_infinite(files: Found, counts: Sequence[int], array: Array, gaps: bool) -> None:
    """Raise AerunError for an infinite value, for one beyond 32 bits and, unless `gaps` allows it, for a missing one.

    Values that are netCDF's fill value count as missing and are logged.
    """
    if array.dtype.kind != "f":
        return
    rows, fills = max(1, _ELEMENTS // max(1, array[:1].size)), 0
    for first in range(0, len(array), rows):
        part = array[first : first + rows]
        filled = _filled(part)
        fills += int(filled.sum())
        wrong = (np.abs(part) > np.finfo(np.float32).max) & ~filled
        if not gaps:
            wrong |= np.isnan(part) | filled
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = ", ".join(map(str, at[1:]))
            what = "missing; images have no missing values" if filled[at] else part[at]
            file, sample = place_in([(str(p), n) for p, n in zip(files.files, counts, strict=True)], first + at[0])
            raise AerunError(f"{file}: sample {sample}, element ({place}) is {what}.")
        forget(array)
    if fills:
        log.warning("%s: %d values are netCDF's fill value (%.4g) and count as missing.", files.shown, fills, FILL)


def spanned(x: Tensor) -> tuple[Tensor, float, float]:
    """Return which elements (*S) of x (n, *S) are missing in some sample, and the smallest and largest present value."""
    gone, low, high = torch.zeros(x.shape[1:], dtype=torch.bool), float("inf"), float("-inf")
    for part in x.split(max(1, _ELEMENTS // max(1, x[:1].numel()))):
        there = part
        if part.is_floating_point():
            nan = part.isnan()
            gone |= nan.any(0)
            there = part[~nan]
        if there.numel():
            low, high = min(low, float(there.min())), max(high, float(there.max()))
    return gone, low, high


def empty(x: Tensor) -> Tensor:
    """Return which elements (*S) are missing in every sample."""
    missing = torch.ones(x.shape[1:], dtype=torch.bool)
    for part in x.split(max(1, _ELEMENTS // max(1, x[:1].numel()))):
        missing &= part.isnan().all(0)
    return missing


def features(path: Path, x: Tensor) -> list[Feature]:
    """Return the columns f1, f2, ... of a table's training samples x (n, D). Raise AerunError for one without any value."""
    without = empty(x).nonzero().flatten()
    if len(without):
        raise AerunError(f"{path}: column {int(without[0]) + 1} has no value in any training sample.")
    return [Feature(f"f{i}", "number", missing=bool(gap)) for i, gap in enumerate(spanned(x)[0], 1)]


def ranges(features: Sequence[Feature], x: Tensor) -> dict[str, list[float]]:
    """Return name -> [smallest, largest] of each column of training samples x (n, D), gaps aside."""
    low = torch.full((len(features),), torch.inf)
    high = -low
    for stored in x.split(max(1, _ELEMENTS // max(1, x[:1].numel()))):
        part = stored.float()
        gone = part.isnan()
        low = torch.minimum(low, part.masked_fill(gone, torch.inf).amin(0))
        high = torch.maximum(high, part.masked_fill(gone, -torch.inf).amax(0))
    return {f.name: [a, b] for f, a, b in zip(features, low.tolist(), high.tolist(), strict=True)}


def weights(sources: Sequence[Source], typed: Paths | None, counts: Sequence[int]) -> Tensor | None:
    """Return the weights of all samples, 1 for those of a test file; None where none are given.

    AerunError where there are not as many as samples.
    """
    if typed is None:
        return None
    array = _beside("dataset.weights", sources[0].files, typed, words=False)
    if array.size != counts[0] or array.shape[0] != counts[0]:
        raise AerunError(f"dataset.weights={path_words(typed)}: weights of shape {array.shape} for {counts[0]} samples.")
    own = torch.from_numpy(array.reshape(-1).astype(np.float32))
    return torch.cat([own, torch.ones(sum(counts[1:]))])


def labels(sources: Sequence[Source], counts: Sequence[int]) -> Labels | None:
    """Return the labels of all samples, from an array of the same files or files of their own; None where there are none.

    Raises AerunError where one part has labels and another has none, where there are not as many as samples, and for fractions.
    """
    if all(s.labels is None for s in sources):
        return None
    parts = [_labels(s, n) for s, n in zip(sources, counts, strict=True)]
    values, codes = np.unique(np.concatenate(parts), return_inverse=True)
    refuse_many(
        f"{sources[0].labels_key}={path_words(sources[0].labels)}", len(values), sum(counts), "samples", "Leave it out."
    )
    return Labels(torch.from_numpy(codes.astype(np.int64)), tuple(str(v) for v in values))


def _beside(key: str, files: Found, typed: Paths, words: bool) -> Array:
    """Return an array with a value for each sample: of the samples' own files by its name, or of files of its own."""
    if isinstance(typed, str) and typed in names_of(files.files[0]):
        return stacked(files, partial(read_array, key, name=typed, words=words), typed)[0]
    return stacked(files_in(key, typed), partial(read_array, key, name=None, words=words))[0]


def _labels(source: Source, count: int) -> Array:
    key, typed = source.labels_key, source.labels
    if typed is None:
        raise AerunError(f"{key} is not set: training and test samples need labels, or neither.")
    array = _beside(key, source.files, typed, words=True)
    if array.size != count or array.shape[0] != count:
        raise AerunError(f"{key}={path_words(typed)}: labels of shape {array.shape} for {count} samples.")
    array = array.reshape(-1)
    if array.dtype.kind == "f":
        if not (np.isfinite(array) & (array == np.round(array))).all():
            place = int((~np.isfinite(array) | (array != np.round(array))).argmax())
            words = "labels are whole numbers or words"
            raise AerunError(f"{key}={path_words(typed)}: label {place + 1} is {array[place]}: {words}.")
        array = array.astype(np.int64)
    return array.astype(np.int64) if array.dtype.kind == "b" else array
