"""Configs of many jobs that differ in values that nothing else of their configs follows: composed once, the values set.

A value is such where Hydra would write it into the config as it is: a number, truth value, null or plain text, for a setting
that is there, that has no type of its own, and that no interpolation refers to. All other overrides are composed.
"""

import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override, OverrideType, Sweep
from hydra.errors import HydraException
from omegaconf import AnyNode, DictConfig
from omegaconf.errors import OmegaConfBaseException

from aerun.core.errors import AerunError
from aerun.settings.overrides import resolved
from aerun.settings.sources import Jobs

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_PATH = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_CONSTANT = "oc.env:"  # a resolver that reads nothing of the config
_OTHERS = ("hydra",)  # what a run's settings do not hold


@dataclass(frozen=True)
class Settings:
    """The resolved settings of a job.

    idle: the overrides that its options have no place for. choices: the groups of which an option is chosen.
    """

    plain: dict[str, Any]
    idle: tuple[str, ...]
    choices: frozenset[str]


class Base(NamedTuple):
    """What some overrides come to, pickled, and those of its settings that may be set to values."""

    content: bytes
    free: frozenset[str]


def split(
    parsed: Sequence[Override], is_choice: Callable[[Override], bool], base_of: Callable[[Sequence[Override]], Base | None]
) -> tuple[Base, list[Override]] | None:
    """Return the base of a job's overrides and those that set values in it; None where that base is no config by itself."""
    values = [o for o in parsed if _is_value(o) and not is_choice(o)]
    while True:
        rest = [o for o in parsed if o not in values]
        base = base_of(rest)
        if base is None:
            return None
        others = [key_of(o) for o in rest if not is_choice(o)]
        kept = [o for o in values if key_of(o) in base.free and not any(_related(key_of(o), key) for key in others)]
        if len(kept) == len(values):
            return base, values
        values = kept


class Derived:
    """The settings of many jobs: what cannot be set as a value is composed, each combination of it once."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._bases: dict[tuple[str, ...], Base | None] = {}

    def __call__(self, typed: Sequence[str]) -> Settings:
        """Return the settings of a job, as Hydra composes them. Raises what Hydra raises."""
        found = split(self._jobs.parsed(typed), self._jobs.is_choice, self._base)
        if found is None:
            return self._composed(typed)[0]
        base, values = found
        settings: Settings = pickle.loads(base.content)
        for one in values:
            _put(settings.plain, key_of(one), one.value())
        return settings

    def _base(self, rest: Sequence[Override]) -> Base | None:
        words = tuple(str(o.input_line) for o in rest)
        if words not in self._bases:
            try:
                settings, cfg = self._composed(words)
                self._bases[words] = Base(pickle.dumps(settings), free_settings(cfg, settings.plain))
            except (AerunError, HydraException, OmegaConfBaseException):  # the values may be what is missing
                self._bases[words] = None
        return self._bases[words]

    def _composed(self, typed: Sequence[str]) -> tuple[Settings, DictConfig]:
        cfg, idle = self._jobs.composed(typed)
        return Settings(resolved(cfg), tuple(idle), frozenset(map(str, cfg.hydra.runtime.choices))), cfg


def key_of(override: Override) -> str:
    """Return the setting or the group that an override is of."""
    return str(override.key_or_group)


def _put(plain: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        plain = plain[part]
    plain[last] = value


def _is_value(override: Override) -> bool:
    """Return whether an override sets a number, truth value, null or plain text, as it is."""
    if override.type is not OverrideType.CHANGE or override.package is not None or isinstance(override.value(), Sweep):
        return False
    if not _PATH.fullmatch(str(override.key_or_group)):
        return False
    value = override.value()
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and _is_text(value))


def _is_text(value: str) -> bool:
    return "${" not in value and "\\" not in value and value != "???"


def _related(one: str, other: str) -> bool:
    """Return whether two settings are the same, or one is a part of the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def free_settings(cfg: DictConfig, plain: Mapping[str, Any]) -> frozenset[str]:
    """Return the settings that can be set to plain values in `plain`, which is `cfg` resolved, as in `cfg` itself."""
    found = _references(cfg)
    if found is None:
        return frozenset()
    leaves = (key for key, node in _leaves(cfg, "") if type(node) is AnyNode and _holds_value(plain, key))
    return frozenset(key for key in leaves if not any(_related(key, other) for other in found))


def _leaves(cfg: DictConfig, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield each setting that is no dictionary, with its node."""
    for key in list(cfg):
        node = cfg._get_node(key)
        if prefix == "" and key in _OTHERS:
            continue
        if isinstance(node, DictConfig) and not (node._is_none() or node._is_missing() or node._is_interpolation()):
            yield from _leaves(node, f"{prefix}{key}.") if isinstance(key, str) else ()
        elif isinstance(key, str):
            yield f"{prefix}{key}", node


def _holds_value(plain: Mapping[str, Any], key: str) -> bool:
    node: Any = plain
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return not isinstance(node, dict | list)


def _references(cfg: DictConfig) -> set[str] | None:
    """Return the settings that interpolations of a config refer to; None where that cannot be told from their words."""
    found = set[str]()
    for words in _interpolations(cfg):
        bodies = _PLACEHOLDER.findall(words)
        if len(bodies) != words.count("${"):  # nested ones
            return None
        for body in bodies:
            if body.startswith(_CONSTANT):
                continue
            if not _PATH.fullmatch(body):
                return None
            found.add(body)
    return found


def _interpolations(node: Any) -> Iterator[str]:
    """Yield the words of all interpolations in a config, Hydra's own node left out."""
    keys = range(len(node)) if not isinstance(node, DictConfig) else [k for k in node if k not in _OTHERS]
    for key in keys:
        child = node._get_node(key)
        if child._is_interpolation():
            yield str(child._value())
        elif hasattr(child, "_get_node") and not (child._is_none() or child._is_missing()):
            yield from _interpolations(child)
