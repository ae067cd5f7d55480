"""What is chosen by name among the modules of a package: pictures, applications, measures."""

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import ModuleType

from aerun.core.errors import AerunError, nearest


class Registry:
    """The modules of a package. key: the setting that names them; what: one of them, in words."""

    def __init__(self, package: str, path: Iterable[str], key: str, what: str) -> None:
        self.package, self.path, self.key, self.what = package, path, key, what

    def names(self) -> list[str]:
        """Return the names of all modules, sorted; packages among them are helpers and have none."""
        return sorted(m.name for m in pkgutil.iter_modules(self.path) if not m.ispkg)

    def module(self, name: str) -> ModuleType:
        """Return the module of that name."""
        return import_module(f"{self.package}.{name}")

    def summary(self, name: str) -> str:
        """Return the first line of its docstring."""
        return (self.module(name).__doc__ or "").strip().splitlines()[0].rstrip(".")

    def require(self, asked: Iterable[str], also: Iterable[str] = ()) -> None:
        """Raise AerunError, with the nearest, for a name that is neither a module's nor one of `also`."""
        known = [*also, *self.names()]
        for name in asked:
            if name not in known:
                raise AerunError(f"{self.key}: {name}: no such {self.what}{nearest(name, known)} ({', '.join(known)}).")

    def select(
        self,
        asked: Iterable[str],
        unsupported_reason: Callable[[str], str],
        sets: Mapping[str, Callable[[ModuleType], bool]],
    ) -> list[str]:
        """Return the names asked for. sets: a single word that stands for every module that it holds and that is supported.

        Raises AerunError for a name that is unknown or not supported.
        """
        asked = list(asked)
        if len(asked) == 1 and asked[0] in sets:
            held = [name for name in self.names() if sets[asked[0]](self.module(name))]
            return [name for name in held if not unsupported_reason(name)]
        self.require(asked, sets)
        for name in asked:
            if why := unsupported_reason(name):
                raise AerunError(f"{self.key}: {name}: {why}")
        return asked
