"""The user's files: which there are, their classes by folder, and their splits."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.normal import normal_rows
from aerun.dataset.splits import Data, Split, split, split_name
from aerun.formats.hierarchies import is_zarr

_PARTS = ("train", "val", "test")
_NAMES = ("training", "validation", "test")
_TRUTHS = frozenset({"groundtruth", "gt", "masks", "annotations", "segmentations"})  # folders of masks, as data sets have them
_BESIDE = frozenset({"image", "images", "imgs", "img"})  # what a folder `mask` is a folder of masks beside

log = logging.getLogger("aerun")


class File(NamedTuple):
    """A file: its name relative to the folder, with `/` between folders, its size in bytes, and when it was last changed."""

    name: str
    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """Names in order; label and class names, or None and nothing; the indices of training, validation and test files."""

    labels: Tensor | None
    classes: tuple[str, ...]
    parts: tuple[Tensor, Tensor, Tensor]

    def only(self, normal: Sequence[int] | None, contamination: float) -> "Listing":
        """Return the listing with training and validation files of the classes `normal` alone; None: all.

        See `normal_only`.
        """
        rows = Data(*(Split(part, None if self.labels is None else self.labels[part]) for part in self.parts))
        kept = normal_rows(rows, self.classes, normal, contamination)
        return replace(self, parts=(kept.train.x, kept.val.x, kept.test.x))


def printable(name: str) -> str:
    """Return a file's name with those bytes escaped that are not UTF-8, which can be opened but not printed."""
    return name.encode("utf-8", "backslashreplace").decode()


def folder(key: str, path: str | None, what: str) -> Path:
    """Return `path` as an existing folder or file. Raise AerunError where there is none."""
    if path is None:
        raise AerunError(f"{key} is missing: say where {what} are, {key}=DIR.")
    existing = Path(path).expanduser()
    if not existing.exists():
        raise AerunError(f"{key}={path}: there is no such file or folder.")
    return existing


def scan(root: Path, suffixes: frozenset[str]) -> tuple[list[File], int]:
    """Return the files below `root` with one of the suffixes, by name, and the number of others.

    Hidden files are passed over and not counted. A zarr folder counts as a file.
    """
    files, others, seen, todo, ends = [], 0, set(), [(root, "")], tuple(suffixes)
    while todo:
        path, prefix = todo.pop()
        here = path.stat()
        if (here.st_dev, here.st_ino) in seen:  # a link to a folder above
            continue
        seen.add((here.st_dev, here.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                named = entry.name.lower().endswith(ends)
                store = named and entry.is_dir() and is_zarr(Path(entry.path))
                if entry.is_dir() and not store:
                    todo.append((Path(entry.path), f"{prefix}{entry.name}/"))
                elif named and (store or entry.is_file()):
                    about = entry.stat()
                    files.append(File(prefix + entry.name, about.st_size, about.st_mtime_ns))
                else:
                    others += 1
    return sorted(files), others


def without_truths(names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Return the places of the files that are samples, and the folders whose files are masks or ground truth.

    Such a folder is called ground_truth, gt, masks, annotations or segmentations in any case, or mask beside images. Where
    nothing else is there, its files are the samples.
    """
    folders = [tuple(name.split("/")[:-1]) for name in names]
    words = {_plain(part) for folder in folders for part in folder}
    truths = _TRUTHS | ({"mask"} if words & _BESIDE else frozenset())
    kept = [i for i, folder in enumerate(folders) if not truths & {_plain(part) for part in folder}]
    if not kept or len(kept) == len(names):
        return list(range(len(names))), ()
    left_out = {part for folder in folders for part in folder if _plain(part) in truths}
    return kept, tuple(sorted(map(printable, left_out)))


def _plain(word: str) -> str:
    return "".join(c for c in word.lower() if c.isalnum())


def arrange(names: Sequence[str], where: str, val: float, test: float) -> Listing:
    """Return the classes and splits of files named with `/` between folders.

    Folders train, val and test, in any of the words that `split_name` knows and also inside of other folders, are the splits; a
    split that has no folder is drawn from the training files, always the same way. The other folders are the classes. Raises
    AerunError where a split stays empty, and where folders are splits beside others that are none.
    """
    paths = _stripped([name.split("/") for name in names])
    level = _split_level(paths, where)
    if level is None:
        part, rest = torch.zeros(len(paths), dtype=torch.long), paths
    else:
        part = torch.tensor([_PARTS.index(str(split_name(path[level]))) for path in paths])
        rest = [[*path[:level], *path[level + 1 :]] for path in paths]
    labels, classes = _classes(rest, where)
    parts = _parts(part, val, test)
    for name, rows, key in zip(_NAMES, parts, ("", " (dataset.val)", " (dataset.test)"), strict=True):
        if not len(rows):
            raise AerunError(f"{where}: {len(names)} files leave none for the {name} split{key}.")
    return Listing(labels, classes, parts)


def _split_level(paths: list[list[str]], where: str) -> int | None:
    """Return which of the folders above every file names its split, or None.

    Raises AerunError where only some files have one.
    """
    for level in range(min(len(path) for path in paths) - 1):
        words = {path[level]: split_name(path[level]) for path in paths}
        parts = set(words.values()) - {None}
        if None not in words.values() and "train" in parts:
            return level
        _refuse_partial(words, where)
    tops = {path[0] if len(path) > 1 else "": split_name(path[0]) if len(path) > 1 else None for path in paths}
    _refuse_partial(tops, where)
    if (splits := {w for w in tops if tops[w]}) and (others := sorted(w for w in tops if w and not tops[w])):
        message = "%s: the folder %s is read as a class, as %s; splits are folders of names such as train, val and test."
        log.warning(message, where, printable(", ".join(sorted(splits))), printable(", ".join(others[:3])))
    return None


def _refuse_partial(words: dict[str, str | None], where: str) -> None:
    """Raise AerunError where some folders are splits and others are not, or none is for training."""
    splits, others = sorted(w for w in words if words[w]), sorted(w for w in words if not words[w])
    parts = {words[w] for w in splits}
    if not parts or (parts == {"train"} and others):  # one word alone may well be a class
        return
    named = printable(", ".join(splits))
    if "train" not in parts and not others:
        raise AerunError(f"{where}: the folders {named} are splits, none for training. To use one alone: dataset.path=DIR.")
    if others and "train" in parts:
        shown = printable(", ".join(w or "files outside of folders" for w in others[:3]))
        raise AerunError(
            f"{where}: the folders {named} are splits, and beside them is what is none ({shown}). Move that elsewhere, or "
            "rename the folders if they are classes."
        )


def classes_of(names: Sequence[str], where: str) -> tuple[Tensor | None, tuple[str, ...]]:
    """Return the labels and class names of files by their folders, where these are no splits."""
    return _classes(_stripped([name.split("/") for name in names]), where)


def _stripped(paths: list[list[str]]) -> list[list[str]]:
    """Return the paths without the folders that all of them share, as archives have them."""
    while all(len(path) > 1 for path in paths) and len({path[0] for path in paths}) == 1 and not split_name(paths[0][0]):
        paths = [path[1:] for path in paths]
    return paths


def _classes(paths: list[list[str]], where: str) -> tuple[Tensor | None, tuple[str, ...]]:
    tops = [path[0] if len(path) > 1 else "" for path in paths]
    classes = sorted(set(tops))
    if len(classes) == 1:
        if classes[0]:
            log.warning("%s: all files are of one class, %s: they are used without labels.", where, printable(classes[0]))
        return None, ()
    if "" in classes:
        words = "%s: %d of %d files lie outside of the class folders (%s): all are used without labels."
        log.warning(words, where, tops.count(""), len(tops), printable(", ".join(classes[1:4])))
        return None, ()
    number = {name: i for i, name in enumerate(classes)}
    return torch.tensor([number[top] for top in tops]), tuple(map(printable, classes))


def _parts(part: Tensor, val: float, test: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the row numbers of the three splits, from the split of each file: 0, 1, 2."""
    rows = [(part == i).nonzero().flatten() for i in range(3)]
    shares = [0.0 if len(part_rows) else share for part_rows, share in zip(rows[1:], (val, test), strict=True)]
    drawn = split(Split(rows[0], None), *shares)
    return drawn[0].x, rows[1] if len(rows[1]) else drawn[1].x, rows[2] if len(rows[2]) else drawn[2].x


def shares(val: float, test: float) -> tuple[float, float]:
    """Return `dataset.val` and `dataset.test`. Raise AerunError unless both are shares and leave something to train on."""
    for key, value in (("val", val), ("test", test)):
        if not 0 < value < 1:
            raise AerunError(f"dataset.{key}={value}: must be a share of the files between 0 and 1, such as 0.15.")
    if val + test >= 1:
        raise AerunError(f"dataset.val={val} and dataset.test={test} leave nothing to train on.")
    return val, test
