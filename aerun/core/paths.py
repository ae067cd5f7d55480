"""Where the shipped configs are, inside the package (wheel) or beside it (checkout, editable install), and where data are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import say

_FOLDERS = ("path", "test_path", "root", "cache")  # settings that name files or folders
_OR_ARRAYS = ("labels", "test_labels", "test")  # settings that may also name an array inside of a file
_FILES = (*_FOLDERS, *_OR_ARRAYS, "init_from", "storage")
_LOCAL = re.compile(r"~|[/\\]|[A-Za-z]:[/\\]")
_PACKAGE = Path(__file__).resolve().parent.parent


def config_dir() -> Path:
    """Return the folder that holds config.yaml."""
    for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs"):
        if (folder / "config.yaml").is_file():
            return folder
    raise RuntimeError(f"aerun's configs were not found beside {_PACKAGE}: reinstall aerun")


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved config whose data files and folders are absolute, so that it holds wherever it is read."""
    dataset = config["dataset"]
    if not isinstance(dataset, Mapping):
        return dict(config)
    packed = str(dataset.get("path")).endswith(".npz")
    settings = {k: _absolute(v) if _is_file(k, v, packed) else v for k, v in dataset.items()}
    return {**config, "dataset": settings}


def data_paths(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a config's data set that name files or folders, with their paths."""
    dataset = config.get("dataset")
    if not isinstance(dataset, Mapping):
        return {}
    packed = str(dataset.get("path")).endswith(".npz")
    return {f"dataset.{k}": str(v) for k, v in dataset.items() if k != "cache" and _is_file(k, v, packed)}


def names_alone(settings: Any) -> Any:
    """Return settings in which every path is its last name alone, at any depth, so that they tell nothing of a machine.

    A path is an absolute one, one that begins with ~, or the value of a setting that names files.
    """
    if isinstance(settings, list | tuple):
        return [names_alone(v) for v in settings]
    if not isinstance(settings, Mapping):
        return _name(settings) if isinstance(settings, str) and _LOCAL.match(settings) else settings
    return {k: _name(v) if k in _FILES and isinstance(v, str) else names_alone(v) for k, v in settings.items()}


def _name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def with_data(config: Mapping[str, Any], data: str | Path | None) -> dict[str, Any]:
    """Return a config whose data have moved to `data`; None where they have not moved.

    data: a file, or a folder that holds the data under their names. Raises AerunError where the config names no data, and where
    they are not there.
    """
    if data is None:
        return dict(config)
    place, paths = Path(data).expanduser().absolute(), data_paths(config)
    if not paths:
        raise AerunError(f"--data {data}: this run's data are not read from files. Leave it out.")
    if not place.exists():
        raise AerunError(f"--data {data}: there is no such file or folder.")
    moved = {key.partition(".")[2]: str(_moved(key, Path(old), place, len(paths) == 1)) for key, old in paths.items()}
    return {**config, "dataset": {**config["dataset"], **moved}}


def say_data(config: Mapping[str, Any], data: str | Path | None) -> None:
    """Print where a run's data are about to be read.

    Raises AerunError as `with_data` does.
    """
    for key, path in data_paths(with_data(config, data)).items():
        say(f"reads {key}={path}")


def _moved(key: str, old: Path, place: Path, alone: bool) -> Path:
    if alone and (place.is_file() or not (place / old.name).exists()):
        return place
    path = place / old.name
    if not path.exists():
        raise AerunError(f"--data {place}: {key} was {old}, and there is no {old.name} in this folder.")
    return path


def _is_file(key: str, value: Any, packed: bool) -> bool:
    """Return whether a setting of a data set names a file or a folder.

    Labels may also be an array of a packed file, given by its name.
    """
    if not isinstance(value, str) or key not in (*_FOLDERS, *_OR_ARRAYS):
        return False
    if key in _FOLDERS:
        return True
    return not (packed and Path(value).name == value and not Path(value).suffix)


def _absolute(value: str) -> str:
    return str(Path(value).expanduser().absolute())
