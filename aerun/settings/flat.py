"""Settings by dotted keys, for all that compares, lists or shows them."""

from collections.abc import Mapping
from typing import Any


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the config by dotted keys; lists and numbers stay as they are, and so do tables without a key."""
    settings: dict[str, Any] = {}
    for key, value in config.items():
        is_table = isinstance(value, Mapping) and value
        settings |= flat(value, f"{prefix}{key}.") if is_table else {f"{prefix}{key}": value}
    return settings


def as_plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as plain data of their own: tables, lists, texts and numbers, as OmegaConf gives them back."""
    copied = _copied(config)
    if copied is None:
        # Deferred: almost no settings need more than a copy.
        from omegaconf import OmegaConf

        copied = OmegaConf.to_container(OmegaConf.create(dict(config)))
    assert isinstance(copied, dict)
    return copied


class _Other(Exception):
    """Raised for what is no plain data yet."""


def _copied(config: Mapping[str, Any]) -> Any:
    """Return a copy of plain data; None where something else is among them, or text that refers to a setting."""
    try:
        return _copy(config)
    except _Other:
        return None


def _copy(node: Any) -> Any:
    if type(node) is dict:
        return {_key(k): _copy(v) for k, v in node.items()}
    if type(node) in (list, tuple):
        return [_copy(v) for v in node]
    if type(node) in (int, float, bool, type(None)) or (type(node) is str and "${" not in node):
        return node
    raise _Other


def _key(key: Any) -> Any:
    if type(key) is not str:
        raise _Other
    return key
