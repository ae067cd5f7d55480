"""Which files a setting or an argument names: of a list, of a pattern, in a folder, behind URLs."""

import logging
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import unquote

from aerun.core.errors import AerunError
from aerun.core.paths import is_url
from aerun.formats.hierarchies import ZARR, is_zarr
from aerun.formats.remote import local_files

Paths = str | Path | Sequence[str]
_SHARD = re.compile(r"(.*?)[-_.](\d+)-of-(\d+)(\.\w+)+")

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class Found:
    """Files in order, and their names below the folder that they share. label: how messages name all of them."""

    label: str
    files: tuple[Path, ...]
    names: tuple[str, ...]

    @property
    def alone(self) -> bool:
        """Return whether it is one file."""
        return len(self.files) == 1

    @property
    def shown(self) -> str:
        """Return how messages name what was read: the only file, or what stands for all."""
        return str(self.files[0]) if self.alone else self.label


def found(key: str, value: Paths, suffixes: Collection[str]) -> Found:
    """Return the files that a path, a list of paths, a pattern (parts/*.csv), a folder or a URL names, without repeats.

    Those of a pattern and of a folder are in natural order: part2 comes before part10. suffixes: of the files of a folder that
    are read; hidden ones and those that begin with an underscore are passed over. A zarr folder counts as a file.
    AerunError for what names no file, for a file that is named twice, and for a folder that lacks one of the parts that their
    names count (x-00001-of-00003).
    """
    values = [os.fspath(value)] if isinstance(value, str | Path) else list(value)
    if not values:
        raise AerunError(f"{key}=[]: names no file.")
    files = [path for one in values for path in _files(key, str(one), suffixes)]
    label = values[0] if len(values) == 1 else f"{values[0]} and {len(values) - 1} more"
    seen: set[Path] = set()
    for path in files:
        if (real := path.resolve()) in seen:
            raise AerunError(f"{key}={label}: names {path} twice.")
        seen.add(real)
    return Found(str(label), tuple(files), _names(values, files))


def is_pattern(value: str) -> bool:
    """Return whether a path is a pattern, and no file of that very name."""
    return has_magic(value) and not os.path.lexists(Path(value).expanduser())


def sized(paths: Sequence[Path]) -> list[tuple[str, int]]:
    """Return the names of files below the folder that they share, and their bytes; a zarr folder counts as a file."""
    if not paths:
        return []
    names = _names([str(p) for p in paths], paths)
    return [(name, sum(p.stat().st_size for p in _all(path))) for name, path in zip(names, paths, strict=True)]


def _all(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]


def is_several(value: Paths | None) -> bool:
    """Return whether a setting is a list, a pattern or a URL, which is looked up where its files are read."""
    return value is not None and (not isinstance(value, str | Path) or is_url(value) or is_pattern(str(value)))


def _files(key: str, value: str, suffixes: Collection[str]) -> list[Path]:
    if is_url(value):
        return local_files(key, value)
    path = Path(value).expanduser()
    if is_pattern(value):
        matches = sorted((Path(m) for m in glob(str(path), recursive=True)), key=lambda p: natural(str(p)))
        files = [p for p in matches if not p.is_dir() or _is_whole(p, suffixes)]
        if not files and matches:
            return [file for folder in matches for file in _inside(key, str(folder), folder, suffixes)]
        if not files:
            raise AerunError(f"{key}={value}: no file matches this pattern.")
        return files
    if path.is_dir() and not _is_whole(path, suffixes):
        return _inside(key, value, path, suffixes)
    return [path]


def _is_whole(path: Path, suffixes: Collection[str]) -> bool:
    """Return whether a folder is read as one file is."""
    return ZARR in suffixes and is_zarr(path)


def _inside(key: str, value: str, folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files of a folder and of those in it that have one of the suffixes, in natural order."""
    files, others = [], 0
    for here, folders, names in os.walk(folder):
        whole = [Path(here, f) for f in folders if _is_whole(Path(here, f), suffixes)]
        files.extend(whole)
        folders[:] = [f for f in folders if not f.startswith((".", "_")) and Path(here, f) not in whole]
        for name in names:
            if name.startswith((".", "_")):
                continue
            if name.lower().endswith(tuple(suffixes)):
                files.append(Path(here, name))
            else:
                others += 1
    if not files:
        raise AerunError(f"{key}={value}: a folder without any file that can be read ({others} others).")
    if others:
        log.info("%s=%s: %d other files are passed over.", key, value, others)
    _refuse_gaps(f"{key}={value}", files)
    return sorted(files, key=lambda p: natural(str(p.relative_to(folder))))


def _refuse_gaps(where: str, files: Sequence[Path]) -> None:
    """Raise AerunError where names count parts, as x-00001-of-00003.parquet does, and one of the parts is not there."""
    counted: dict[tuple[Path, str, int], set[int]] = {}
    for path in files:
        if match := _SHARD.fullmatch(path.name):
            counted.setdefault((path.parent, match[1], int(match[3])), set()).add(int(match[2]))
    for (folder, name, count), there in counted.items():
        if gone := sorted({*range(min(min(there), 1), count)} - there) if len(there) < count else []:
            raise AerunError(f"{where}: part {gone[0]} of {count} of {folder / name} is missing ({len(there)} are there).")


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts names as people count: part2 before part10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts if p]


def _names(values: Sequence[str], files: Sequence[Path]) -> tuple[str, ...]:
    """Return the files' names below the folder that all of them share; where some are from URLs, their last names alone."""
    if any(is_url(v) for v in values):
        return tuple(p.name for p in files)
    if len(values) == 1 and Path(values[0]).expanduser().is_dir():
        top = Path(values[0]).expanduser()
    else:
        top = Path(os.path.commonpath([p.absolute().parent for p in files]))
        files = [p.absolute() for p in files]
    return tuple(p.relative_to(top).as_posix() for p in files)


def hive(name: str) -> dict[str, str]:
    """Return the columns that the folders of a file's name give it: year=2024/part.parquet is of the year 2024."""
    pairs = (part.partition("=") for part in name.split("/")[:-1])
    words = {key: unquote(value) for key, sign, value in pairs if sign and key}
    return {k: "" if v == "__HIVE_DEFAULT_PARTITION__" else v for k, v in words.items()}
