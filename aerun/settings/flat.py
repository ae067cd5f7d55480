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
