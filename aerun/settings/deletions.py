"""`~group` and `~setting` of a command line: what can be left out, and what every run has."""

from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.settings.catalog import ORDER

_NONE = {"regularizer": "none", "model/corruption": "none", "schedule": "constant", "experiment": "none"}
_NONE |= {"hydra/job_logging": "none", "hydra/hydra_logging": "none"}
_OPTIONAL = ("evaluate", "pictures", "tags", "notes", "search")


def deleted(word: str) -> str:
    """Return what is read for a word that begins with `~`: the option `none` of a group that has one.

    Raises AerunError for a group or a setting without which there is no run.
    """
    key, sign, _ = word[1:].partition("=")
    if key in _NONE:
        if sign:
            raise AerunError(f"{word}: type ~{key}, or {key}={_NONE[key]}, whatever was chosen.")
        return f"{key}={_NONE[key]}"
    if key == "search":
        raise AerunError(f"{word}: leave it out: nothing is searched without search=NAME.")
    if key in ORDER and key not in _OPTIONAL:
        raise AerunError(f"{word}: every run has one of the group {key}: {key}=NAME chooses another (aerun --help lists them).")
    own = _own()
    if key in ("model.latent_dim", "model.name") or (key not in _OPTIONAL and _has(own, key)):
        raise AerunError(f"{word}: every run has this setting: {key}=VALUE changes it, and left out it is aerun's own.")
    return word


def emptied(word: str) -> str:
    """Return what is read for GROUP=null: the same as for ~GROUP. Empty for any other word."""
    group, _, value = word.partition("=")
    return deleted(f"~{group}") if value == "null" and group in (*ORDER, "experiment") and group not in _OPTIONAL else ""


@cache
def _own() -> Any:
    """Return aerun's own settings, those of its options left out."""
    return OmegaConf.create((config_dir() / "config.yaml").read_text(encoding="utf-8"))


def _has(node: Any, key: str) -> bool:
    """Return whether a config has this dotted key, whatever its value."""
    first, _, rest = key.partition(".")
    if not isinstance(node, DictConfig) or first not in node.keys():  # noqa: SIM118 - `in` the node itself leaves out what is null
        return False
    return not rest or _has(node._get_node(first), rest)
