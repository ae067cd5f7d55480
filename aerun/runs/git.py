"""The git state of a project, read from its files: asking git would run what a repository configures (fsmonitor, filters)."""

import hashlib
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.runs import files

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/[\w.@+/-]+")
_SMALL, _PACKED, _INDEX, _FILE = (
    4096,
    16 << 20,
    32 << 20,
    64 << 20,
)  # Limits in bytes of HEAD and refs, packed-refs, the index and a file.
_ENTRIES = 100_000


def state(where: Path) -> str:
    """Return the commit of the project that `where` is in, `none` without one.

    `+changes` follows where a tracked file differs from what was committed or something is staged, `+unchecked` where that
    cannot be determined (an index too large, or of another kind).
    """
    for folder in (where, *where.parents):
        try:
            if (folder / ".git").exists():
                return _state(folder)
        except (OSError, AerunError, ValueError, struct.error):
            return "none"
    return "none"


def _state(top: Path) -> str:
    own = _git_folder(top)
    common = own
    if files.exists(own, "commondir"):  # This is a further work tree.
        common = (own / _line(own, "commondir")).resolve()
    head = _line(own, "HEAD")
    commit = _resolved(own, common, head)
    if commit is None:
        return "none"
    try:
        return commit + ("+changes" if _changed(top, own, len(commit)) else "")
    except (OSError, AerunError, ValueError, struct.error):
        return f"{commit}+unchecked"


def _git_folder(top: Path) -> Path:
    """Return `.git`, or where a file of that name points to, as in a further work tree or a submodule."""
    if (top / ".git").is_dir():
        return top / ".git"
    word, _, place = _line(top, ".git").partition(": ")
    if word != "gitdir":
        raise ValueError(".git")
    return (top / place).resolve()


def _line(folder: Path, name: str) -> str:
    return files.read(folder, name, _SMALL).decode().strip()


def _resolved(own: Path, common: Path, head: str) -> str | None:
    word, _, ref = head.partition(": ")
    if word != "ref":
        return head if _COMMIT.fullmatch(head) else None
    if not _REF.fullmatch(ref) or ".." in ref:
        return None
    for place in (own, common):
        try:
            content = _line(place, ref)
        except (OSError, AerunError):
            continue
        return content if _COMMIT.fullmatch(content) else None
    try:
        packed = files.read(common, "packed-refs", _PACKED).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    for line in packed.splitlines():
        commit, _, name = line.partition(" ")
        if name == ref and _COMMIT.fullmatch(commit):
            return commit
    return None


# -- changes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    """A tracked file, as the index has it.

    checked: neither a submodule nor a file whose changes the user told git to ignore.
    """

    name: str
    mode: int
    size: int
    seconds: int
    nanoseconds: int
    digest: bytes
    checked: bool


def _changed(top: Path, own: Path, digits: int) -> bool:
    try:
        content = files.read(own, "index", _INDEX)
    except FileNotFoundError:
        return False
    return _staged(content, digits // 2) or any(_differs(top, entry) for entry in _entries(content, digits // 2))


def _entries(content: bytes, wide: int) -> Iterator[_Entry]:
    """Yield the tracked files of an index, versions 2 to 4 of https://git-scm.com/docs/index-format.

    wide: the bytes of a digest. Raises ValueError for any other index.
    """
    magic, version, count = struct.unpack_from(">4sII", content)
    if magic != b"DIRC" or version not in (2, 3, 4) or count > _ENTRIES:
        raise ValueError("index")
    at, before = 12, b""
    for _ in range(count):
        _, _, seconds, nanoseconds, _, _, mode, _, _, size = struct.unpack_from(">10I", content, at)
        digest = content[at + 40 : at + 40 + wide]
        (flags,) = struct.unpack_from(">H", content, at + 40 + wide)
        extended = bool(flags & 0x4000)
        more = struct.unpack_from(">H", content, at + 42 + wide)[0] if extended else 0
        start = at + 42 + wide + 2 * extended
        if version == 4:
            strip, start = _varint(content, start)
            before = before[: len(before) - strip]
        end = content.index(b"\0", start)
        before = (before if version == 4 else b"") + content[start:end]
        at = end + 1 if version == 4 else at + ((end - at + 8) // 8) * 8
        aside = bool(flags & 0x8000 or more & 0x4000) or stat.S_IFMT(mode) == 0o160000
        yield _Entry(before.decode("utf-8", "surrogateescape"), mode, size, seconds, nanoseconds, digest, not aside)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = content[at] & 0x7F
    while content[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (content[at] & 0x7F)
    return value, at + 1


def _staged(content: bytes, wide: int) -> bool:
    """Return whether something was added since the last commit: the index then no longer records the whole tree."""
    at = content.rfind(b"TREE")
    if at < 0:
        return False
    root = content[at + 8 : at + 40]
    return root[:1] == b"\0" and root[1:3] == b"-1"


def _differs(top: Path, entry: _Entry) -> bool:
    if not entry.checked:
        return False
    if entry.name.startswith("/") or ".." in entry.name.split("/"):
        raise ValueError("index")
    try:
        about = os.lstat(top / entry.name)
    except OSError:
        return True
    if stat.S_ISLNK(about.st_mode) or stat.S_ISLNK(entry.mode):
        return stat.S_IFMT(about.st_mode) != stat.S_IFMT(entry.mode) or about.st_size != entry.size
    if about.st_size & 0xFFFFFFFF != entry.size:
        return True
    same = int(about.st_mtime) & 0xFFFFFFFF == entry.seconds and entry.nanoseconds in (0, about.st_mtime_ns % 10**9)
    return not same and _digest(top, entry) != entry.digest


def _digest(top: Path, entry: _Entry) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False) if len(entry.digest) == 20 else hashlib.sha256()
    content = files.read(top, entry.name, _FILE)
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.digest()
