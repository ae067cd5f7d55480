"""What a recipe or preset sets for an option that the user replaces by another, which does not have such a setting.

`model=stacked trainer=smoke`: the recipe sets trainer.layer_epochs for its own trainer, and smoke has none.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.settings.catalog import takes

_RECIPES = ("model", "experiment")
_ASIDE = ("model", "dataset", "search", "experiment")  # groups that no recipe sets an option's settings of


def replaced(about: Any) -> dict[str, str]:
    """Map each setting that is to be left out to the line that says so.

    about: Hydra's own node of the composed config, which knows what was typed, chosen and read.
    """
    typed = as_typed(about.overrides.task)
    keys = {o.lstrip("+").partition("=")[0] for o in typed}
    lines: dict[str, str] = {}
    for group, option in _chosen(typed, about.runtime.choices).items():
        for recipe in _RECIPES:
            name = about.runtime.choices.get(recipe)
            for key in _foreign(about, f"{recipe}/{name}", group, option) if name else ():
                if not any(k == key or k.startswith(f"{key}.") for k in keys):
                    lines[key] = f"{recipe}={name} sets {key}, which {group}={option} does not have: left out"
    return lines


def as_typed(overrides: Any) -> list[str]:
    """Return a list of overrides, of Hydra's too, without the values of the interpolations in it."""
    words = OmegaConf.to_container(overrides, resolve=False) if OmegaConf.is_config(overrides) else overrides
    return [str(word) for word in words or ()]


def leave_out(cfg: DictConfig, keys: Iterable[str]) -> None:
    """Remove these dotted keys from a config."""
    for key in keys:
        parent, _, last = key.rpartition(".")
        node = OmegaConf.select(cfg, parent)
        if isinstance(node, DictConfig) and last in node:
            OmegaConf.set_struct(node, False)
            del node[last]
            OmegaConf.set_struct(node, True)


def _chosen(typed: Sequence[str], choices: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that are typed, by group."""
    pairs = (o.lstrip("+").partition("=") for o in typed)
    return {key: value for key, _, value in pairs if key in choices and key not in _ASIDE and not key.startswith("hydra/")}


def _foreign(about: Any, recipe: str, group: str, option: str) -> list[str]:
    """Return the settings that a recipe has for a group, and the chosen option has not."""
    sources = about.runtime.config_sources
    place = "reg.terms" if group == "regularizer" else group.replace("/", ".")
    node: Any = _read(sources, recipe)
    for part in place.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        return []
    if group == "regularizer":
        terms = option.strip("[]").split(",")
        return [f"{place}.{key}" for key in node if key not in terms]
    own = _settings(sources, group, option)
    return [f"{place}.{key}" for key, value in node.items() if not takes(own, key, value)]


def _settings(sources: Sequence[Any], group: str, option: str) -> dict[str, Any]:
    """Return the settings of an option, those of the options that it is made from included."""
    node = _read(sources, f"{group}/{option}")
    bases = [d for d in node.get("defaults", ()) if isinstance(d, str) and d != "_self_"]
    return {k: v for base in bases for k, v in _settings(sources, group, base).items()} | node


def _read(sources: Sequence[Any], name: str) -> dict[str, Any]:
    """Return a config file as it is written, empty where none of the sources has it."""
    for source in sources:
        if source.schema not in ("file", "pkg") or source.provider == "hydra":
            continue
        root = Path(source.path) if source.schema == "file" else resources.files(source.path)
        file = root.joinpath(f"{name}.yaml")
        if file.is_file():
            node = OmegaConf.to_container(OmegaConf.create(file.read_text(encoding="utf-8")), resolve=False)
            return {str(k): v for k, v in node.items()} if isinstance(node, dict) else {}
    return {}
