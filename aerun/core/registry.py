"""Modules of a package that are chosen by name: pictures, applications, measures."""

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import ModuleType

from aerun.core.errors import AerunError, nearest


class Registry:
    """The modules of a package. key: the setting that names them; what: the word for one of them."""

    def __init__(self, package: str, path: Iterable[str], key: str, what: str) -> None:
        self.package, self.path, self.key, self.what = package, path, key, what

    def names(self) -> list[str]:
        """Return the names of all modules, sorted; packages among them are helpers and are left out."""
        return sorted(m.name for m in pkgutil.iter_modules(self.path) if not m.ispkg)

    def module(self, name: str) -> ModuleType:
        """Return the module of that name."""
        return import_module(f"{self.package}.{name}")

    def summary(self, name: str) -> str:
        """Return the first line of the module's docstring."""
        return (self.module(name).__doc__ or "").strip().splitlines()[0].rstrip(".")

    def require(self, requested: Iterable[str], also: Iterable[str] = ()) -> None:
        """Raise AerunError, which names the nearest, for a name that is neither a module's nor one of `also`."""
        allowed = [*also, *self.names()]
        for name in requested:
            if name not in allowed:
                raise AerunError(f"{self.key}: {name}: no such {self.what}{nearest(name, allowed)} ({', '.join(allowed)}).")

    def select(
        self,
        requested: Iterable[str],
        unsupported_reason: Callable[[str], str],
        sets: Mapping[str, Callable[[ModuleType], bool]],
    ) -> list[str]:
        """Return the names that are requested.

        sets: words that, given alone, stand for every supported module for which their function is true.
        Raises AerunError for a name that is unknown or not supported.
        """
        requested = list(requested)
        if len(requested) == 1 and requested[0] in sets:
            members = [name for name in self.names() if sets[requested[0]](self.module(name))]
            return [name for name in members if not unsupported_reason(name)]
        self.require(requested, sets)
        for name in requested:
            if why := unsupported_reason(name):
                raise AerunError(f"{self.key}: {name}: {why}")
        return requested
