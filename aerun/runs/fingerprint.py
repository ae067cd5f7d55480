"""Words about the fingerprints of data that runs wrote down; see `aerun.dataset.storage.fingerprint` for what they are."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

SPLITS = ("train", "val", "test")
_SHOWN = 5  # files that are named


def change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in words how two fingerprints differ; empty where they do not, or where one is unknown."""
    if not before or not now or before.get("hash") == now.get("hash"):
        return ""
    if before.get("rows") != now.get("rows") or before.get("columns") != now.get("columns"):
        return f"{_size(before)} then, {_size(now)} now"
    changed = [name for name in SPLITS if _of(before, name) != _of(now, name)]
    return f"as many rows as then, but other content ({', '.join(changed)})"


def words(fingerprint: Mapping[str, Any]) -> str:
    """Return a fingerprint in one line: `1,257 + 270 + 270 rows of 64, train 1f2e..., val ..., test ...`."""
    return f"{_size(fingerprint)}; content {' '.join(f'{name} {_of(fingerprint, name)}' for name in SPLITS)}"


def files_in_words(fingerprint: Mapping[str, Any]) -> str:
    """Return which files a run read, in one line: `3 files, 1,240 bytes: a.csv (400), ...`; empty where it was one."""
    files = fingerprint.get("files")
    if not isinstance(files, Mapping):
        return ""
    first = [f for f in files.get("first") or () if isinstance(f, Mapping)][:_SHOWN]
    names = ", ".join(f"{f.get('name')} ({_count(f.get('bytes'))})" for f in first)
    more = ", ..." if files.get("count") != len(first) else ""
    return f"{_count(files.get('count'))} files, {_count(files.get('bytes'))} bytes: {names}{more}"


def _count(n: object) -> str:
    return f"{n:,}" if isinstance(n, int) else "?"


def _size(fingerprint: Mapping[str, Any]) -> str:
    rows = fingerprint.get("rows")
    counts = [rows.get(name) for name in SPLITS] if isinstance(rows, Mapping) else []
    shown = " + ".join(f"{n:,}" if isinstance(n, int) else "?" for n in counts)
    return f"{shown or '?'} rows of {fingerprint.get('columns', '?')}"


def _of(fingerprint: Mapping[str, Any], name: str) -> Any:
    parts = fingerprint.get("hash")
    return parts.get(name) if isinstance(parts, Mapping) else None


def label(fingerprint: Mapping[str, Any]) -> str:
    """Return a short name of data, for a table: the first digits of the three hashes as one; `-` where they are unknown."""
    parts = "".join(str(_of(fingerprint, name)) for name in SPLITS)
    return blake2b(parts.encode(), digest_size=3).hexdigest() if fingerprint.get("hash") else "-"
