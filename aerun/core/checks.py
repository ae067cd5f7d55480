"""Checks of settings, worded for the command line."""

import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from aerun.core.errors import AerunError, nearest


def at_least(key: str, value: float, low: float) -> float:
    """Return `value` if it is finite and at least `low`.

    Raises AerunError otherwise.
    """
    if not math.isfinite(value) or value < low:
        raise AerunError(f"{key}={value}: must be a finite number of at least {low:g}.")
    return value


def within(key: str, value: float, low: float, high: float) -> float:
    """Return `value` if it lies between `low` and `high`, ends included.

    Raises AerunError otherwise.
    """
    if not low <= value <= high:
        raise AerunError(f"{key}={value}: must lie between {low:g} and {high:g}.")
    return value


def one_of(key: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`.

    Raises AerunError, which names the nearest, otherwise.
    """
    if value not in allowed:
        raise AerunError(f"{key}={value}: must be one of {', '.join(allowed)}{nearest(str(value), allowed)}.")
    return str(value)


def reject_unknown_keys(
    key: str,
    node: Any,
    allowed: Sequence[str],
    shown: Sequence[str] | None = None,
    advice: Callable[[str, str | None], str | None] | None = None,
) -> None:
    """Raise AerunError, which names the nearest, for a key of `node` that is not allowed.

    shown: the keys that the message lists, where these are not all of `allowed`. advice: given the path of such a key and its
    value, what to say instead, or None.
    """
    for name in node:
        if name not in allowed:
            path = f"{key}.{name}" if key else str(name)
            value = node[name] if isinstance(node, Mapping) else None
            if advice is not None and (words := advice(path, str(value) if isinstance(value, str | int | float) else None)):
                raise AerunError(words)
            names = ", ".join(allowed if shown is None else shown) or "none"
            raise AerunError(f"{path} is not a setting here{nearest(str(name), allowed)} (settings: {names}).")


def _is_text(value: Any) -> bool:
    """Return whether this is a number in letters, as environment variables are."""
    return isinstance(value, str) and value.strip().lstrip("+-").isdigit()


def integer(key: str, value: Any, least: int) -> int:
    """Return `value` if it is an integer of at least `least`.

    Raises AerunError otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        text = " This one is text: ${oc.decode:${oc.env:NAME}} reads a number." if _is_text(value) else ""
        raise AerunError(f"{key}={value}: must be an integer of at least {least}.{text}")
    return value


def seed_of(cfg: Mapping[str, Any]) -> int:
    """Return the seed of a config. Raises AerunError where it is no integer from 0 that fits into 63 bits."""
    seed = integer("seed", cfg["seed"], 0)
    if seed >= 1 << 63:
        raise AerunError(f"seed={seed}: must be below 2**63.")
    return seed


def table(key: str, cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `cfg[key]` if it is a table of settings.

    Raises AerunError otherwise.
    """
    if not isinstance(cfg[key], Mapping):
        raise AerunError(f"{key}={cfg[key]}: not a table of settings; an option is chosen with {key}=NAME.")
    node: Mapping[str, Any] = cfg[key]
    return node


def number(key: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number of at least 0.

    Raises AerunError otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AerunError(f"{key}={value}: must be a number.")
    return float(at_least(key, value, 0))


def matches_type(value: Any, hint: Any) -> bool:
    """Return whether a plain value fits a type hint; True where the hint is of a kind that cannot be checked."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(matches_type(value, h) for h in typing.get_args(hint))
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    if origin in (list, tuple, Sequence) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        inner = typing.get_args(hint)[:1] or (Any,)
        return isinstance(value, list | tuple) and all(matches_type(v, inner[0]) for v in value)
    return not (isinstance(hint, type) and issubclass(hint, torch.Tensor))


def format_type(hint: Any) -> str:
    """Return a type hint in words."""
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a word", type(None): "null"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(format_type(h) for h in typing.get_args(hint) if h is not torch.Tensor)
    if typing.get_args(hint):
        return "a list of " + format_type(typing.get_args(hint)[0]).partition(" ")[2] + "s"
    return words.get(hint, str(hint))
