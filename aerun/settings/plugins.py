"""Hydra's launchers and sweepers: which of aerun's extras brings them."""

from collections.abc import Iterable

from aerun.core.errors import nearest

_EXTRAS = {
    "hydra/launcher": {"joblib": "sweep", "ray": "ray", "ray_aws": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"},
    "hydra/sweeper": {"optuna": "search"},
}


def not_found(path: str, there: Iterable[str]) -> str | None:
    """Return what to do about a launcher or sweeper that Hydra does not find, None of anything else. there: what it does find."""
    group, _, name = path.rpartition("/")
    extras = _EXTRAS.get(group)
    if extras is None:
        return None
    if name in extras:
        return f"{group}={name}: is not installed: pip install 'aerun[{extras[name]}]'"
    known = sorted({*there, *extras})
    return f"{group}={name}: no such {group.removeprefix('hydra/')}{nearest(name, known)} ({', '.join(known)})."
