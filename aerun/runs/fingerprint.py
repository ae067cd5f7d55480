"""Words about the fingerprints of data that runs wrote down; see `aerun.dataset.storage.fingerprint` for what they are."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

SPLITS = ("train", "val", "test")


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
