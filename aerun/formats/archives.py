"""Files inside of zip and tar archives: read where they are, and never unpacked onto the disk."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST = 128_000_000  # bytes of a member
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


class MemberError(Exception):
    """A member that cannot be read; the message says why."""


@dataclass(frozen=True)
class Member:
    """A file inside of another one. label: how messages name it. read: its bytes; MemberError where they cannot be had.

    changed: changes whenever its content does.
    """

    label: str
    name: str
    size: int
    changed: int
    read: Callable[[], bytes]

    def __str__(self) -> str:
        return self.label

    def read_bytes(self) -> bytes:
        """Return the content."""
        return self.read()


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive by its name."""
    return path.name.lower().endswith(SUFFIXES)


def members(key: str, path: Path) -> list[Member]:
    """Return the regular files of an archive, by name. Hidden ones are passed over.

    AerunError for what is no such archive, for a name that leads outside or stands there twice, and for a packed tar whose
    content does not fit into memory.
    """
    if not path.is_file():
        raise AerunError(f"{key}={path}: {'is a folder' if path.is_dir() else 'no such file'}.")
    try:
        found = list(_zip(path) if path.name.lower().endswith(".zip") else _tar(path))
    except _DAMAGED as e:
        raise AerunError(f"{path}: not an archive, cut short or damaged: {_words(e)}.") from e
    names = set[str]()
    for one in found:
        if one.name in names:
            raise AerunError(f"{path}: two members are named '{one.name}'.")
        names.add(one.name)
    return sorted((m for m in found if not any(p.startswith(".") for p in m.name.split("/"))), key=lambda m: m.name)


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as listed:
        infos = listed.infolist()
    for info in infos:
        _refuse_outside(path, info.filename)
    packed = zipfile.ZipFile(path)  # open as long as its members are
    for info in infos:
        if not info.is_dir():
            yield Member(f"{path}: {info.filename}", info.filename, info.file_size, info.CRC, _of_zip(packed, info))


def _of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        _refuse_large(info.file_size)
        try:
            with packed.open(info) as file:
                return file.read(LARGEST + 1)  # which ends where the size says, and then compares the checksum
        except _DAMAGED as e:
            raise MemberError(_words(e)) from e

    return read


def _tar(path: Path) -> Iterator[Member]:
    """Yield the members of a tar: as it is, each is read from its place; of a packed one, all are held in memory."""
    plain, total, changed = path.suffix.lower() == ".tar", 0, path.stat().st_mtime_ns
    with tarfile.open(path, "r:" if plain else "r|*") as tar:
        for info in tar:
            name = info.name.removeprefix("./")
            _refuse_outside(path, name)
            total += 0 if plain else info.size
            refuse_beyond(f"{path}: what it unpacks to (a zip or a plain tar need not be held)", total)
            if info.isfile() and not info.issparse():
                read = _at_place(path, info) if plain else _held(tar, info)
                yield Member(f"{path}: {name}", name, info.size, changed, read)


def _at_place(path: Path, info: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        _refuse_large(info.size)
        with path.open("rb") as file:
            file.seek(info.offset_data)
            return _whole(file, info.size)

    return read


def _held(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], bytes]:
    """Read at once, as a packed stream goes on; what is wrong with the member is said when it is asked for."""
    data, wrong = b"", ""
    try:
        _refuse_large(info.size)
        file = tar.extractfile(info)
        data = b"" if file is None else _whole(file, info.size)
    except MemberError as e:
        wrong = str(e)

    def read() -> bytes:
        if wrong:
            raise MemberError(wrong)
        return data

    return read


def _whole(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise MemberError(f"cut short: {len(data):,} of {size:,} bytes are there")
    return data


def _refuse_outside(path: Path, name: str) -> None:
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/") or name[1:2] == ":":
        raise AerunError(f"{path}: a member is named '{name}', which leads outside of the archive: it is not read.")


def _refuse_large(size: int) -> None:
    if size > LARGEST:
        raise MemberError(f"{size:,} bytes, more than the {LARGEST:,} that a member may have")


def _words(e: Exception) -> str:
    return (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(".")
