"""The one module that opens a path of a run. A run's folder may be a stranger's: only regular files inside of it are opened.

Every part of a path behind the folder is entered by its own descriptor and never through a link, and what was opened is checked
once more by its descriptor: a link, a file with a second name (a hard link), a pipe, a device or a socket is refused, and so is
a file larger than its reader takes. The folder itself is the user's to name; it may be reached by a link.
"""

import errno
import io
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from aerun.core import files
from aerun.core.errors import AerunError

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # A pipe without a reader would block the process for ever.
MEGABYTE = 1 << 20


@contextmanager
def _parent(folder: Path, name: str, make: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the descriptor of the folder that holds `name`, which is relative to `folder`, and the last part of `name`.

    make: make the folders that are not there. Raises AerunError where a part of the path is a link.
    """
    *between, last = _parts(folder, name)
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        here = _kept(opened, os.open(folder, _ENTER))
        for depth, part in enumerate(between):
            where = folder.joinpath(*between[: depth + 1])
            if make:
                _made(part, here)
            here = _kept(opened, _entered(where, part, here))
        yield here, last


def _parts(folder: Path, name: str) -> list[str]:
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise AerunError(f"{folder / name}: leads outside of the run's folder; nothing is read or written there.")
    return parts


def _kept(opened: ExitStack, number: int) -> int:
    opened.callback(os.close, number)
    return number


def _made(part: str, at: int) -> None:
    try:
        os.mkdir(part, dir_fd=at)
    except FileExistsError:
        return


def _entered(where: Path, part: str, at: int) -> int:
    about = os.stat(part, dir_fd=at, follow_symlinks=False)
    if stat.S_ISLNK(about.st_mode):
        raise _foreign(where, "is a link and leads outside of the run's folder")
    if not stat.S_ISDIR(about.st_mode):
        raise _foreign(where, "is no folder")
    return os.open(part, _ENTER | os.O_NOFOLLOW, dir_fd=at)


def _foreign(where: Path, why: str) -> AerunError:
    return AerunError(f"{where}: {why}; nothing is read or written there.")


def _refuse_other(where: Path, about: os.stat_result) -> None:
    """Raise AerunError for anything but a regular file with one name."""
    if stat.S_ISLNK(about.st_mode):
        raise _foreign(where, "is a link and leads outside of the run's folder")
    if not stat.S_ISREG(about.st_mode):
        raise _foreign(where, "is no file (a folder, a pipe, a device or a socket)")
    if about.st_nlink > 1:
        raise _foreign(where, "has a second name (a hard link), which may lie outside of the run's folder")


def _opened(folder: Path, name: str, flags: int) -> int:
    """Return a descriptor of the file.

    Raises FileNotFoundError where there is no such file, unless `flags` make it.
    """
    with _parent(folder, name, make=bool(flags & os.O_CREAT)) as (at, last):
        try:
            _refuse_other(folder / name, os.stat(last, dir_fd=at, follow_symlinks=False))
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        number = os.open(last, flags | _SAFE, 0o666, dir_fd=at)
    try:
        _refuse_other(folder / name, os.fstat(number))
    except AerunError:
        os.close(number)
        raise
    return number


# -- reading ---------------------------------------------------------------------------------------------------------


def opened(folder: Path, name: str, limit: int | None) -> BinaryIO:
    """Open the file `name` of a run's folder to be read; it has at most `limit` bytes (None: any number).

    Raises FileNotFoundError where it is not there, AerunError where it is no file of the folder's own or is larger.
    """
    number = _opened(folder, name, os.O_RDONLY)
    size = os.fstat(number).st_size
    if limit is not None and size > limit:
        os.close(number)
        raise AerunError(f"{folder / name}: has {size:,} bytes; more than {limit:,} are not read.")
    return os.fdopen(number, "rb")


def read(folder: Path, name: str, limit: int) -> bytes:
    """Return the bytes of a file. Errors are those of `opened`."""
    with opened(folder, name, limit) as file:
        return file.read(limit + 1)


def exists(folder: Path, name: str) -> bool:
    """Return whether `name` is there, whatever it is. Raises AerunError where a part of the path to it is a link."""
    try:
        with _parent(folder, name) as (at, last):
            os.stat(last, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def size(folder: Path, name: str) -> int:
    """Return the number of bytes of a file. Errors are those of `opened`."""
    with opened(folder, name, None) as file:
        return os.fstat(file.fileno()).st_size


def changed(folder: Path, name: str) -> float:
    """Return when a file was last written to, in seconds since 1970."""
    with opened(folder, name, None) as file:
        return os.fstat(file.fileno()).st_mtime


def weight(folder: Path) -> int:
    """Return the bytes of all files in and below a folder; links are not followed."""
    places = ((where, name) for where, _, names in os.walk(folder) for name in names)
    return sum(os.lstat(os.path.join(where, name)).st_size for where, name in places)


def folders(top: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """Yield `top` and every folder below it, sorted, with the names in it; folders behind links are not entered."""
    for where, below, names in os.walk(top):
        below[:] = sorted(name for name in below if not os.path.islink(os.path.join(where, name)))
        yield Path(where), frozenset((*names, *below))


# -- writing ---------------------------------------------------------------------------------------------------------


@contextmanager
def replaced(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `name` when the block ends without an error; see `aerun.core.files.replaced`."""
    with _parent(folder, name, make=True) as (at, last):
        files.refuse_folder(Path(last), at, folder / name)
        with files.replaced(Path(last), at) as file:
            yield file


def replace(folder: Path, name: str, content: str | bytes) -> None:
    """Replace the file `name` by `content` (text as UTF-8), whole or not at all."""
    with replaced(folder, name) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def appended(folder: Path, name: str) -> TextIO:
    """Open a text file to add to it; it is made where it is not there. Line ends stay as they are written."""
    return os.fdopen(_opened(folder, name, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a", encoding="utf-8", newline="")


def created(folder: Path, name: str) -> BinaryIO:
    """Open a new file. Raises FileExistsError where there is one already."""
    return os.fdopen(_opened(folder, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")


def lock_file(folder: Path, name: str, make: bool) -> BinaryIO:
    """Open a file that carries a lock; it is never truncated.

    Raises FileNotFoundError where it is not there, unless `make`.
    """
    number = _opened(folder, name, os.O_RDWR | (os.O_CREAT if make else 0))
    return io.FileIO(number, "r+")


def refuse_folders(folder: Path, names: Iterable[str]) -> None:
    """Raise AerunError where a folder is in the place of one of these files."""
    for name in names:
        with suppress(FileNotFoundError), _parent(folder, name) as (at, last):
            files.refuse_folder(Path(last), at, folder / name)


def make_folder(folder: Path, name: str) -> Path:
    """Make a folder inside of the run's where it is not there, and return it.

    Raises AerunError where a part of the path is a link.
    """
    with _parent(folder, f"{name}/_", make=True):
        return folder / name


def remove(folder: Path, name: str) -> None:
    """Remove a file, or a link itself, where there is one. Raises AerunError where it is a folder."""
    try:
        with _parent(folder, name) as (at, last):
            files.refuse_folder(Path(last), at, folder / name)
            os.unlink(last, dir_fd=at)
    except FileNotFoundError:
        return


def remove_empty(folder: Path, name: str) -> None:
    """Remove a folder inside of the run's where it is there, is no link and is empty."""
    with suppress(FileNotFoundError, NotADirectoryError), _parent(folder, name) as (at, last):
        try:
            os.rmdir(last, dir_fd=at)
        except OSError as e:
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def clear(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove everything in a folder but the names in `keep`; of a link, only the link itself."""
    if not folder.is_dir():
        return
    with _parent(folder, "_") as (at, _):
        for name in os.listdir(at):
            if name in keep:
                continue
            if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=at)
            else:
                os.unlink(name, dir_fd=at)
