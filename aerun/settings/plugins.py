"""Hydra's launchers and sweepers, and which of aerun's extras installs them."""

from collections.abc import Iterable

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
