"""Libraries that some formats need and that aerun does without."""

from importlib import import_module
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError


def needed(module: str, path: Path | str, extra: str = "data") -> Any:
    """Return an optional module, else AerunError that says what reads `path` and how to get it."""
    try:
        return import_module(module)
    except ImportError as e:
        package = (e.name or module).partition(".")[0]
        raise AerunError(f"{path}: reading it needs {package}, which is not installed: pip install 'aerun[{extra}]'") from e
