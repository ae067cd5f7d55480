"""What the command line composes where options alone are chosen, read from their files: a hundredth of the time of Hydra."""

import re
from functools import cache
from types import SimpleNamespace

from omegaconf import OmegaConf

from aerun.core.paths import config_dir
from aerun.settings.replaced import leave_out
from tests.quick_hydra import merge

_PACKAGE = re.compile(r"# @package (\S+)")
_FOLLOWS = re.compile(r"\$\{([\w.]+)\}")
_ASIDE = ("hydra", "sweep", "search")


@cache
def _read(name):
    """Where the settings of a file belong, the options that it names, its settings."""
    text = (config_dir() / f"{name}.yaml").read_text(encoding="utf-8")
    head = _PACKAGE.match(text)
    node = OmegaConf.to_container(OmegaConf.create(text)) or {}
    place = head[1] if head else name.rpartition("/")[0].replace("/", ".")
    return [k for k in place.split(".") if k not in ("", "_global_")], node.pop("defaults", []), node


def settings(typed):
    """The resolved settings of {group: option}, as `aerun GROUP=OPTION ...` has them."""
    _, defaults, own = _read("config")
    choices = {group: option for entry in defaults if entry != "_self_" for group, option in entry.items()}
    recipe = f"model/{typed.get('model', choices['model'])}"
    for entry in _read(recipe)[1]:
        choices |= {key.removeprefix("override /"): option for key, option in entry.items()}
    choices |= typed
    found = {}
    merge(found, {k: v for k, v in own.items() if k not in _ASIDE})
    for group, chosen in choices.items():
        for option in chosen if isinstance(chosen, list) else [chosen]:
            if option is not None:
                _put(found, group, option, aside=group == "model")
    if any(_at(_read(recipe)[2], "reg/terms" if group == "regularizer" else group) for group in typed if group != "model"):
        cfg = OmegaConf.create(found)
        words = [f"{group}={option}" for group, option in typed.items()]
        shipped = SimpleNamespace(schema="file", provider="main", path=str(config_dir()))
        runtime = SimpleNamespace(choices=choices, config_sources=[shipped])
        leave_out(cfg, SimpleNamespace(overrides=SimpleNamespace(task=words), runtime=runtime))
        found = OmegaConf.to_container(cfg, resolve=False)
    try:
        return _resolved(found, found)
    except LookupError:  # more than one setting that follows another
        return OmegaConf.to_container(OmegaConf.create(found), resolve=True)


def _resolved(node, whole):
    if isinstance(node, dict):
        return {k: _resolved(v, whole) for k, v in node.items()}
    if isinstance(node, list):
        return [_resolved(v, whole) for v in node]
    if isinstance(node, str) and "${" in node:
        followed = _FOLLOWS.fullmatch(node)
        if not followed:
            raise LookupError(node)
        return _resolved(_at(whole, followed[1].replace(".", "/")), whole)
    return node


def _put(into, group, option, aside):
    """Merge an option's settings into their place, after those of the options that it is made from; aside: it names none."""
    place, bases, own = _read(f"{group}/{option}")
    for base in () if aside else bases:
        _put(into, group, base, aside)
    node = into
    for key in place:
        node = node.setdefault(key, {})
    merge(node, own)


def _at(node, path):
    for key in path.split("/"):
        node = node.get(key) if isinstance(node, dict) else None
    return node
