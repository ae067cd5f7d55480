"""The maker of nodes: a node of the config is checked against the constructor that it names and becomes an object."""

import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from aerun.core.checks import format_type, matches_type, reject_unknown_keys
from aerun.core.errors import AerunError
from aerun.core.memory import available_memory
from aerun.dataset.base import Dataset
from aerun.logger.base import Logger
from aerun.parts import Arch, Bottleneck, Corruption, Loss, Prior, Regularizer
from aerun.runs.identity import with_later
from aerun.schedule.base import Schedule
from aerun.settings.synonyms import own_words
from aerun.settings.targets import group_of, named_in, refuse_foreign, targets
from aerun.trainer.base import Trainer

Config = Mapping[str, Any]
_KINDS: dict[str, type[Any]] = {
    "dataset": Dataset,
    "model/arch": Arch,
    "model/bottleneck": Bottleneck,
    "model/corruption": Corruption,
    "model/loss": Loss,
    "model/prior": Prior,
    "regularizer": Regularizer,
    "trainer": Trainer,
    "optimizer": torch.optim.Optimizer,
    "schedule": Schedule,
    "logger": Logger,
    "callbacks": object,  # Lightning is imported where one is made
}


def settings_of(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters that a constructor takes by name; for **common, those of its parent too."""
    parameters = {k: p for k, p in inspect.signature(cls.__init__).parameters.items() if k != "self"}
    named = {k: p for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return {**settings_of(cls.__mro__[1]), **named} if "common" in parameters else named


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Return the type hints of those settings."""
    constructors = [vars(c)["__init__"] for c in reversed(cls.__mro__[:-1]) if inspect.isfunction(vars(c).get("__init__"))]
    return {k: v for f in constructors for k, v in typing.get_type_hints(f).items()}


@contextmanager
def _within_memory() -> Iterator[None]:
    """Raise MemoryError at a parameter that does not fit with its gradient, before its pages are touched.

    Where a system promises more memory than it has, it ends the process instead.
    """
    left = available_memory()

    def _register(module: nn.Module, key: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 0 if parameter is None else 2 * parameter.numel() * parameter.element_size()
        if left < 0:
            raise MemoryError("out of memory")

    hook = register_module_parameter_registration_hook(_register)
    try:
        yield
    finally:
        hook.remove()


class Maker:
    """Instantiates a node after checking it against its constructor's signature."""

    def __init__(self, trusted: Sequence[str] | None) -> None:
        self.trusted = trusted

    def __call__(self, key: str, node: Config, supplied: Config) -> Any:
        node = with_later(node) if isinstance(node, Mapping) else node
        cls = self.checked(key, node, supplied)
        wanted = settings_of(cls)
        settings = {k: v for k, v in node.items() if k != "_target_"}
        try:
            with nullcontext() if self.trusted is not None else _within_memory():
                return cls(**settings, **{k: v for k, v in supplied.items() if k in wanted})
        except (MemoryError, RuntimeError) as e:
            if "memory" not in str(e).lower():
                raise
            raise AerunError(f"{key}: its weights do not fit into memory. Lower model.latent_dim or {key}'s sizes.") from e

    def refuse_foreign(self, cfg: Config, rest: Sequence[str] = ()) -> None:
        """Raise AerunError where a part of a folder's model, or of `rest`, may not be built, before any other part is."""
        if self.trusted is not None:
            refuse_foreign(named_in(cfg, rest), self.trusted)

    def checked(self, key: str, node: Config, supplied: Config) -> type[Any]:
        """Return the class of a node, after checking that its keys and types fit the constructor.

        Raises AerunError where they do not.
        """
        cls = self.named(key, node)
        parameters = settings_of(cls)
        settings = [k for k in parameters if k not in supplied]
        reject_unknown_keys(key, node, ("_target_", *settings), shown=settings, advice=own_words)
        hints = hints_of(cls)
        for name in settings:
            if name not in node:
                if parameters[name].default is inspect.Parameter.empty:
                    raise AerunError(f"{key}.{name} is missing: {key} ({cls.__name__}) needs it.")
            elif not matches_type(node[name], hints.get(name, Any)):
                raise AerunError(f"{key}.{name}={node[name]}: must be {format_type(hints[name])}.")
        return cls

    def refuse_values(self, key: str, node: Any) -> None:
        """Raise AerunError where an option of aerun's own is set to values of other types than its class takes.

        Nothing is built, and a setting that is missing is not asked for.
        """
        if not isinstance(node, Mapping) or str(node.get("_target_")) not in targets(group_of(key)):
            return
        hints = hints_of(self.named(key, node))
        for name, value in node.items():
            if name in hints and not matches_type(value, hints[name]):
                raise AerunError(f"{key}.{name}={value}: must be {format_type(hints[name])}.")

    def named(self, key: str, node: Any) -> type[Any]:
        """Return the class that a node names. Raises AerunError where it names none of its group."""
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise AerunError(
                f"{key}={node}: an option of the group {key.replace('.', '/')} is chosen with {key.replace('.', '/')}=NAME."
            )
        target = str(node["_target_"])
        if self.trusted is not None:
            refuse_foreign({key: target}, self.trusted)
        module, _, name = target.rpartition(".")
        try:
            cls = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as e:
            raise AerunError(f"{key}._target_={target}: cannot be imported: {e}") from e
        if not isinstance(cls, type) or not self._own(key, cls):
            raise AerunError(f"{key}._target_={target}: is not a class of that module.")
        return cls

    def _own(self, key: str, cls: type[Any]) -> bool:
        """Return whether a class belongs to its group, and is not one that a trusted module itself imports."""
        if self.trusted is None:
            return True
        roots = ("aerun", "torch.optim", *self.trusted)
        return issubclass(cls, _KINDS[group_of(key)]) and any(f"{cls.__module__}.".startswith(f"{t}.") for t in roots)
