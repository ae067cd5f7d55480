"""The maker of nodes: a node of the config, held against the constructor that it names, becomes an object."""

import inspect
import typing
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from aerun.core.checks import format_type, matches_type, reject_unknown_keys
from aerun.core.errors import AerunError

Config = Mapping[str, Any]


def settings_of(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """What a constructor takes by name; behind **common, what its parent takes too."""
    found = {k: p for k, p in inspect.signature(cls.__init__).parameters.items() if k != "self"}
    named = {k: p for k, p in found.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return {**settings_of(cls.__mro__[1]), **named} if "common" in found else named


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Type hints of those settings."""
    constructors = [vars(c)["__init__"] for c in reversed(cls.__mro__[:-1]) if inspect.isfunction(vars(c).get("__init__"))]
    return {k: v for f in constructors for k, v in typing.get_type_hints(f).items()}


class Maker:
    """Instantiates a node after holding it against its constructor's signature."""

    def __init__(self, trusted: Sequence[str] | None) -> None:
        self.trusted = trusted

    def __call__(self, key: str, node: Config, given: Config) -> Any:
        cls = self.checked(key, node, given)
        wanted = settings_of(cls)
        settings = {k: v for k, v in node.items() if k != "_target_"}
        try:
            return cls(**settings, **{k: v for k, v in given.items() if k in wanted})
        except (MemoryError, RuntimeError) as e:
            if "memory" not in str(e).lower():
                raise
            raise AerunError(f"{key}: its weights do not fit into memory. Lower model.latent_dim or {key}'s sizes.") from e

    def checked(self, key: str, node: Config, given: Config) -> type[Any]:
        """The class of a node whose keys and types fit its constructor, else AerunError."""
        cls = self._class(key, node)
        parameters = settings_of(cls)
        settings = [k for k in parameters if k not in given]
        reject_unknown_keys(key, node, ("_target_", *settings), shown=settings)
        hints = hints_of(cls)
        for name in settings:
            if name not in node:
                if parameters[name].default is inspect.Parameter.empty:
                    raise AerunError(f"{key}.{name} is missing: {key} ({cls.__name__}) needs it.")
            elif not matches_type(node[name], hints.get(name, Any)):
                raise AerunError(f"{key}.{name}={node[name]}: must be {format_type(hints[name])}.")
        return cls

    def _trusts(self, module: str) -> bool:
        return self.trusted is None or any(module.startswith(f"{t}.") for t in self.trusted)

    def _class(self, key: str, node: Any) -> type[Any]:
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise AerunError(
                f"{key}={node}: an option of the group {key.replace('.', '/')} is chosen with {key.replace('.', '/')}=NAME."
            )
        target = str(node["_target_"])
        if not self._trusts(target):
            root = target.partition(".")[0]
            raise AerunError(f"{key} asks for {target}, which is not part of aerun. If you trust it: --trust {root}")
        module, _, name = target.rpartition(".")
        try:
            cls = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as e:
            raise AerunError(f"{key}._target_={target}: cannot be imported: {e}") from e
        if not isinstance(cls, type) or not self._trusts(f"{cls.__module__}."):  # not what a trusted module itself imports
            raise AerunError(f"{key}._target_={target}: is not a class of that module.")
        return cls
