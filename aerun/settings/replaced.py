"""What a recipe or preset sets for an option that the user replaces by another, which does not have such a setting.

`model=stacked trainer=smoke`: the recipe sets trainer.layer_epochs for its own trainer, and smoke has none.
"""

from collections.abc import Iterator, Mapping, Sequence
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
    return {key: line for key, line, _ in _found(about)}


def _found(about: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield each of them with its line, and the value that the option has itself, None where it has no such setting."""
    typed = as_typed(about.overrides.task)
    keys = {o.lstrip("+").partition("=")[0] for o in typed}
    for group, option in _chosen(typed, about.runtime.choices).items():
        for recipe in _RECIPES:
            name = about.runtime.choices.get(recipe)
            for key, own in _foreign(about, f"{recipe}/{name}", group, option).items() if name else ():
                if not any(k == key or k.startswith(f"{key}.") for k in keys):
                    why = "does not have" if own is None else f"has in another form ({own})"
                    yield key, f"{recipe}={name} sets {key}, which {group}={option} {why}: left out", own


def as_typed(overrides: Any) -> list[str]:
    """Return a list of overrides, of Hydra's too, without the values of the interpolations in it."""
    words = OmegaConf.to_container(overrides, resolve=False) if OmegaConf.is_config(overrides) else overrides
    return [str(word) for word in words or ()]


def leave_out(cfg: DictConfig, about: Any) -> None:
    """Remove what is left out from a config; a setting that the chosen option has in another form gets the option's value."""
    for key, _, own in _found(about):
        parent, _, last = key.rpartition(".")
        node = OmegaConf.select(cfg, parent)
        if isinstance(node, DictConfig) and last in node:
            OmegaConf.set_struct(node, False)
            if own is None:
                del node[last]
            else:
                node[last] = own
            OmegaConf.set_struct(node, True)


def _chosen(typed: Sequence[str], choices: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that are typed, by group."""
    pairs = (o.lstrip("+").partition("=") for o in typed)
    return {key: value for key, _, value in pairs if key in choices and key not in _ASIDE and not key.startswith("hydra/")}


def _foreign(about: Any, recipe: str, group: str, option: str) -> dict[str, Any]:
    """Map the settings that a recipe has for a group, and the chosen option has not in this form, to the option's values."""
    sources = about.runtime.config_sources
    place = "reg.terms" if group == "regularizer" else group.replace("/", ".")
    node: Any = _read(sources, recipe)
    for part in place.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        return {}
    if group == "regularizer":
        terms = option.strip("[]").split(",")
        return {f"{place}.{key}": None for key in node if key not in terms}
    own = _settings(sources, group, option)
    return {f"{place}.{key}": own.get(key) for key, value in node.items() if not takes(own, key, value)}


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
