"""Where the shipped configs live: inside the package (wheel) or beside it (checkout, editable install)."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def config_dir() -> Path:
    """The folder that holds config.yaml."""
    for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs"):
        if (folder / "config.yaml").is_file():
            return folder
    raise RuntimeError(f"aerun's configs were not found beside {_PACKAGE}: reinstall aerun")
