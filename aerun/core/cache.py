"""The one folder for what can be made again: decoded images, copies of what is behind URLs, unpacked arrays."""

import os
import shutil
from pathlib import Path

from aerun.core.errors import AerunError


def cache_folder(named: str | None = None) -> Path:
    """Return the folder that a setting names, else that of AERUN_CACHE, else aerun's in the user's cache folder."""
    if named is not None:
        return Path(named).expanduser()
    if own := os.environ.get("AERUN_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aerun"


def refuse_full(folder: Path, size: int, what: str, instead: str) -> None:
    """Make the folder, and raise AerunError where `size` bytes would fill its disk. instead: what would help."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > 0.9 * free:
        raise AerunError(f"{what} take {size / 1e9:.3g} GB, and {folder} has {free / 1e9:.3g} GB free. {instead}")
