"""The settings of a run's config.yaml, which may be a stranger's, as plain data: bounded before they take memory.

In a module of its own, because a list of runs reads none of them and does without YAML and OmegaConf.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import OmegaConfDumper

from aerun.runs import files
from aerun.runs.plain import DEPTH, line_of, refuse_damaged
from aerun.settings.flat import as_plain

_NODES, _YAML = 50_000, files.MEGABYTE  # Limits of a config.yaml, which has some hundreds and some kilobytes.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """YAML as OmegaConf reads it: 1e-3 is a number, a date is a word, no key stands twice. Tags make no objects."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise yaml.YAMLError(f"{next(k for k in keys if keys.count(k) > 1)} stands twice")
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if not tag.endswith((":timestamp", ":float"))]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?|\.(inf|Inf|INF))$"
        r"|\.(nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def yaml_table(folder: Path, name: str) -> dict[str, Any]:
    """Return the settings that a YAML file holds.

    Raises FileNotFoundError where it is not there, AerunError where it is damaged.
    """
    content = files.read(folder, name, _YAML)
    try:
        _refuse_yaml(content)
        table = yaml.load(content, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as e:
        refuse_damaged(folder, name, line_of(e))
    if not isinstance(table, dict):
        refuse_damaged(folder, name, "not a table of settings")
    return {str(k): v for k, v in table.items()}


def _refuse_yaml(content: bytes) -> None:
    """Raise ValueError beyond the bounds, by looking at the events one by one, which expands nothing."""
    depth = 0
    for number, event in enumerate(yaml.parse(content, _Loader)):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it repeats a part by an alias (*{event.anchor}); aerun writes every setting out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH or number > _NODES:
            raise ValueError(f"it has more than {_NODES:,} values, or tables in tables more than {DEPTH} deep")


class _Dumper(getattr(yaml, "CDumper", yaml.Dumper)):  # type: ignore[misc]
    """Writes YAML as OmegaConf does, which takes yaml's slower writer."""


_Dumper.add_representer(str, OmegaConfDumper.str_representer)


def as_yaml(config: Mapping[str, Any]) -> str:
    """Return the text of a config.yaml with these settings."""
    text: str = yaml.dump(as_plain(config), default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper)
    return text
