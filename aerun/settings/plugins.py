"""Hydra's launchers and sweepers, and which of aerun's extras installs them."""

import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec

from aerun.core.errors import nearest

EXTRAS = {
    "hydra/launcher": {"joblib": "sweep", "ray": "ray", "ray_aws": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"},
    "hydra/sweeper": {"optuna": "search"},
}


def not_found(path: str, there: Iterable[str]) -> str | None:
    """Return what to do about a launcher or sweeper that Hydra does not find; None for anything else.

    there: the names that Hydra does find.
    """
    group, _, name = path.rpartition("/")
    extras = EXTRAS.get(group)
    if extras is None:
        return None
    if name in extras:
        return f"{group}={name}: is not installed: pip install 'aerun[{extras[name]}]'"
    available = sorted({*there, *extras})
    return f"{group}={name}: no such {group.removeprefix('hydra/')}{nearest(name, available)} ({', '.join(available)})."


def register_module(place: str, module: str) -> None:
    """Make a module of this process known as `hydra_plugins.NAME`: Hydra makes plugins of that package only.

    Where no plugin is installed there is no such package, and an empty one stands in for it.
    """
    package = place.partition(".")[0]
    if package not in sys.modules and find_spec(package) is None:
        sys.modules[package] = module_from_spec(ModuleSpec(package, None, is_package=True))
    sys.modules[place] = sys.modules[module]
