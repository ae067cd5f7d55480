"""What is said of the fingerprints of data that runs wrote down: see `aerun.dataset.storage.fingerprint` for what they are."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

SPLITS = ("train", "val", "test")


def change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what differs between two fingerprints, in words; empty where nothing does, or nothing is known of one."""
    if not before or not now or before.get("hash") == now.get("hash"):
        return ""
    if before.get("rows") != now.get("rows") or before.get("columns") != now.get("columns"):
        return f"{_size(before)} then, {_size(now)} now"
    changed = [name for name in SPLITS if _of(before, name) != _of(now, name)]
    return f"as many rows as then, but other content ({', '.join(changed)})"


def words(found: Mapping[str, Any]) -> str:
    """Return a fingerprint in one line: `1,257 + 270 + 270 rows of 64, train 1f2e..., val ..., test ...`."""
    return f"{_size(found)}; content {' '.join(f'{name} {_of(found, name)}' for name in SPLITS)}"


def _size(found: Mapping[str, Any]) -> str:
    rows = found.get("rows")
    counts = [rows.get(name) for name in SPLITS] if isinstance(rows, Mapping) else []
    shown = " + ".join(f"{n:,}" if isinstance(n, int) else "?" for n in counts)
    return f"{shown or '?'} rows of {found.get('columns', '?')}"


def _of(found: Mapping[str, Any], name: str) -> Any:
    parts = found.get("hash")
    return parts.get(name) if isinstance(parts, Mapping) else None


def label(found: Mapping[str, Any]) -> str:
    """Return a short name of data, for a table: the first digits of the three hashes as one; `-` where nothing is known."""
    parts = "".join(str(_of(found, name)) for name in SPLITS)
    return blake2b(parts.encode(), digest_size=3).hexdigest() if found.get("hash") else "-"
