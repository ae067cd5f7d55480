"""The user's own pictures, from folders, archives and HuggingFace's files."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.kept import kept_warnings
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data
from aerun.dataset.storage import decoded, image_store, listing
from aerun.dataset.storage.image_files import ImageFiles, image_files, named, refuse_none
from aerun.dataset.storage.scale import depth_of
from aerun.formats.images import Header, Shape, UnreadableError, header, highest, strict

_PEEKED = 32  # headers that are looked at before anything is built
_SIDE = 64  # pixels: side of images whose sizes differ, where `dataset.size` is null
_LARGEST = 4096  # side of an image that is worked on

T = TypeVar("T")

log = logging.getLogger("aerun")


class Images(Dataset):
    """Images (C, H, W) as bytes, from every file below the folder `path` that Pillow reads.

    `path` is also a list or a pattern of files and folders, a zip or tar file, which is never unpacked onto the disk (or a URL
    of one), or a folder of HuggingFace's `save_to_disk` with a column of images, whose classes and splits are used as folders.
    Folders below `path` are classes; where they are train, val and test they are the splits, with the classes below. Splits
    without a folder are drawn: the shares `val` and `test`, the same ones in every run.
    size: null (as they are, where all are alike; else 64 x 64, which is logged), N or [height, width]. crop: center (scaled to
    cover the size, the rest cut off evenly) or none (stretched). channels: 1 (grey), 3 (colour), or auto: colour where one
    of the files that are looked at first has it. Transparent places become white, EXIF's orientation is applied, of several
    frames the first is taken. depth: bits of a pixel that stay: 8, or auto: those that the deepest grey of the files that are
    looked at first needs (12 of a camera's 12 in 16); colours of 16 bits become 8, which is logged.
    Folders of masks (ground_truth, masks, ...) are left out, see `without_truths`.
    memory: GB that the samples may take, null for half of what is free; more are decoded once into a file in `cache` (null:
    ~/.cache/aerun) and read from there. 5,000 images or more are kept in such a file even where they fit: runs start sooner.
    Files that cannot be read are left out, counted and named; above 1 % they are refused with AerunError.
    """

    selects = True

    def __init__(
        self,
        *,
        path: str | Sequence[str] | None,
        size: int | Sequence[int] | None,
        crop: str,
        channels: str | int,
        depth: str | int,
        val: float,
        test: float,
        memory: float | None,
        cache: str | None,
    ) -> None:
        self.path, self.where = path, named(path)
        refuse_none("dataset.path", path, self.where)
        self.size = size_of(size)
        self.crop = one_of("dataset.crop", crop, ("center", "none")) == "center"
        self.channels = one_of("dataset.channels", str(channels), ("auto", "1", "3"))
        self.depth = one_of("dataset.depth", str(depth), ("auto", "8", "10", "12", "14", "16"))
        self.shares = listing.shares(val, test)
        self.memory, self.cache = image_store.gigabytes(memory), cache

    def facts(self) -> Facts:
        shape, classes = self._files.shape, len(self._files.listing.classes)
        event = (shape.channels, shape.height, shape.width)
        return Facts(shape=event, kind="image", unit=float(shape.unit), low=0.0, high=1.0, classes=classes or None)

    def read(self) -> Data:
        kept = self._files.listing.only(self.normal_classes, self.contamination)
        return image_store.load(replace(self._files, listing=kept), self.memory, self.cache)

    def files_read(self) -> list[tuple[str, int]]:
        return [(listing.printable(f.name), f.size) for f in self._files.files]

    def stored_reading(self) -> dict[str, Any]:
        return {"resize": self._files.shape.resize}

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._files.listing.classes

    @cached_property
    def _files(self) -> decoded.Images:
        with kept_warnings(self.notes):
            return self._scanned()

    def _scanned(self) -> decoded.Images:
        found = image_files("dataset.path", self.path, self.where)
        files, others = found.files, found.others
        if not files:
            raise AerunError(f"{self.where}: no images are there ({others} other files).")
        if others:
            log.info("%s: %d files that are no images are passed over.", self.where, others)
        kept, truths = ([], ()) if found.typed else listing.without_truths([f.name for f in files])
        if truths:
            words = "%s: %d files in folders of masks or ground truth (%s) are left out."
            log.warning(words, self.where, len(files) - len(kept), ", ".join(truths))
            files = [files[i] for i in kept]
        arranged = listing.arrange([f.name for f in files], self.where, *self.shares)
        shape = self._peeked([f.name for f in files], found)
        return decoded.Images(found.root, files, arranged, shape, self.where, found.sources)

    def _peeked(self, names: list[str], found: ImageFiles) -> Shape:
        """Return the shape that every image is brought to, judged by the headers of a few files."""
        seen = _headers(found, names, self.where)
        sizes = sorted({(h.height, h.width) for h in seen.values()})
        coloured = any(h.coloured for h in seen.values())
        channels = int(self.channels) if self.channels != "auto" else 3 if coloured else 1
        _tell_changes(seen, self.where, channels, told=self.channels != "auto")
        height, width = self.size or sizes[0]
        if self.size is None and len(sizes) > 1:
            height = width = _SIDE
            some = ", ".join(f"{h} x {w}" for h, w in sizes[:3])
            words = "%s: sizes differ (%s%s): all are brought to %d x %d; dataset.size=N or [H,W] says otherwise."
            log.warning(words, self.where, some, ", ..." if len(sizes) > 3 else "", height, width)
        if max(height, width) > _LARGEST:
            raise AerunError(f"{self.where}: images of {height} x {width} are too large to work on: lower dataset.size.")
        resize, guessed = self.size is not None or len(sizes) > 1, self.channels == "auto" and channels == 1
        return Shape(channels, height, width, resize, self.crop, guessed, self._bits(seen, found))

    def _bits(self, seen: dict[str, Header], found: ImageFiles) -> int:
        """Return `depth`, or for auto the number of bits that the deep files among these need."""
        if lost := [name for name, h in seen.items() if h.lost]:
            log.warning("%s: colours of 16 bits, as in %s, become 8.", self.where, lost[0])
        deep = [name for name, h in seen.items() if h.deep]
        reduced = [*lost, *(deep if self.depth == "8" else ())]
        if reduced:
            self.counts["reduced_to_8_bits"] = len(reduced)
        if self.depth != "auto":
            return int(self.depth)
        if not deep:
            return 8
        most = max(_tried(lambda name: highest(found.source(name)), deep, self.where).values())
        bits = max(8, depth_of(most) or 16)
        words = "%s: pixels of 16 bits with values up to %d, as in %s, taken for %d bits: divided by %d (dataset.depth=BITS)."
        log.warning(words, self.where, most, deep[0], bits, (1 << bits) - 1)
        return bits


def _tell_changes(seen: dict[str, Header], where: str, channels: int, told: bool) -> None:
    """Log what reading changes in the files that were looked at. told: the number of channels was set."""
    grey = [name for name, h in seen.items() if not h.coloured]
    if not told and channels == 3 and grey:
        words = "%s: grey and coloured images are mixed: grey ones, as %s, are read in colour (dataset.channels=1 or 3)."
        log.warning(words, where, grey[0])
    if clear := [name for name, h in seen.items() if h.clear]:
        log.warning("%s: transparent places, which files such as %s may have, are read as white.", where, clear[0])
    if several := [name for name, h in seen.items() if h.frames > 1]:
        words = "%s: files of several frames, as %s with %d, are read by their first frame alone."
        log.warning(words, where, several[0], seen[several[0]].frames)


def _headers(found: ImageFiles, names: list[str], where: str) -> dict[str, Header]:
    """Return the headers of some files, chosen evenly from all over the folder."""
    return _tried(lambda name: header(found.source(name)), names[:: max(1, len(names) // _PEEKED)], where)


def _tried(look: Callable[[str], T], names: list[str], where: str) -> dict[str, T]:
    """Return the result of `look` for each file that can be read. Raise AerunError where none can."""
    results, wrong = {}, []
    with strict():
        for name in names:
            try:
                results[name] = look(name)
            except UnreadableError as e:
                wrong.append(f"{name}: {e}")
    if not results:
        raise AerunError(f"{where}: none of the {len(wrong)} files that were tried is an image that can be read ({wrong[0]}).")
    return results


def size_of(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return (height, width) from `dataset.size`, or None where that is null."""
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(1 <= side <= _LARGEST for side in sides):
        raise AerunError(f"dataset.size={size}: must be null, N or [HEIGHT,WIDTH], of 1 to {_LARGEST} pixels.")
    return sides[0], sides[1]
