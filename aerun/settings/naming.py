"""Names of run folders."""

import datetime
import hashlib
import re
from pathlib import Path

_NAME_LIMIT = 200


def job_name(overrides: list[str]) -> str:
    """A folder's name from a job's overrides."""
    parts = [
        re.sub(r"[^\w=.+-]+", "_", o.lstrip("+")) for o in overrides if not o.startswith(("dataset.root=", "hydra.", "sweep."))
    ]
    name = ",".join(parts) or "default"
    return name if len(name) <= _NAME_LIMIT else f"{name[: _NAME_LIMIT - 9]}-{hashlib.sha1(name.encode()).hexdigest()[:8]}"


def new_folder(parent: str, overrides: list[str]) -> str:
    """PARENT/DATE_TIME_OVERRIDES, with -2, -3, ... where that is taken."""
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    base = Path(parent) / f"{stamp}_{job_name(overrides)}"
    path, n = base, 1
    while path.exists():
        n += 1
        path = base.with_name(f"{base.name}-{n}")
    return str(path)
