"""Where the shipped configs live: inside the package (wheel) or beside it (checkout, editable install); and where data are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent.parent


def config_dir() -> Path:
    """The folder that holds config.yaml."""
    for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs"):
        if (folder / "config.yaml").is_file():
            return folder
    raise RuntimeError(f"aerun's configs were not found beside {_PACKAGE}: reinstall aerun")


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config whose files and folders of data are absolute, so that it holds wherever it is read."""
    dataset = config["dataset"]
    if not isinstance(dataset, Mapping):
        return dict(config)
    packed = str(dataset.get("path")).endswith(".npz")
    found = {k: _absolute(v) if _is_file(k, v, packed) else v for k, v in dataset.items()}
    return {**config, "dataset": found}


def _is_file(key: str, value: Any, packed: bool) -> bool:
    """Does a setting of a data set name a file or a folder? Labels may also be an array of a packed file, by its name."""
    if not isinstance(value, str) or key not in ("path", "test_path", "root", "cache", "labels", "test_labels", "test"):
        return False
    if key in ("path", "test_path", "root", "cache"):
        return True
    return not (packed and Path(value).name == value and not Path(value).suffix)


def _absolute(value: str) -> str:
    return str(Path(value).expanduser().absolute())
