"""Where the shipped configs are, inside the package (wheel) or beside it (checkout, editable install), and where data are."""

import re
from collections.abc import Mapping
from glob import has_magic
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import say

_FOLDERS = ("path", "test_path", "root", "cache")  # settings that name files or folders
_OR_ARRAYS = ("labels", "test_labels", "test")  # settings that may also name an array inside of a file
_FILES = (*_FOLDERS, *_OR_ARRAYS, "init_from", "features", "storage")
_NAMED = (".npz", ".safetensors", ".h5", ".hdf5", ".he5", ".zarr")
_LOCAL = re.compile(r"~|[/\\]|[A-Za-z]:[/\\]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PACKAGE = Path(__file__).resolve().parent.parent


def is_url(path: object) -> bool:
    """Return whether a path is the address of a file elsewhere, such as https://host/x.csv."""
    return isinstance(path, str) and _URL.match(path) is not None


def seen_from(folder: Path, path: Path) -> Path:
    """Return a path as it is typed in a folder: relative where it lies in it, else as it is."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def all_paths(value: object) -> list[str]:
    """Return the paths in a setting: none, one, or those of a list."""
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def path_words(value: object) -> str:
    """Return the paths of a setting in words: the first, and how many more."""
    paths = all_paths(value)
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "") if paths else ""


def package_dir() -> Path:
    """Return the folder of aerun's code."""
    return _PACKAGE


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
    packed = _holds_names(dataset.get("path"))
    settings = {k: _absolute(v) if _is_file(k, v, packed) else v for k, v in dataset.items()}
    return {**config, "dataset": settings}


def data_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a config's data set that name files or folders, with their paths: one, or a list."""
    dataset = config.get("dataset")
    if not isinstance(dataset, Mapping):
        return {}
    packed = _holds_names(dataset.get("path"))
    return {f"dataset.{k}": v for k, v in dataset.items() if k != "cache" and _is_file(k, v, packed)}


def refuse_urls(config: Mapping[str, Any]) -> None:
    """Raise AerunError where a folder's config names data behind a URL: a folder, which may be a stranger's, opens none."""
    dataset = config.get("dataset")
    for key, value in dataset.items() if isinstance(dataset, Mapping) else ():
        for one in all_paths(value):
            if is_url(one):
                raise AerunError(
                    f"dataset.{key}={one}: a run's folder opens no URL by itself. If you trust it, say so with "
                    f"--data '{one}', or --data PATH for a copy of your own."
                )


def names_alone(settings: Any) -> Any:
    """Return settings in which every path is its last name alone, at any depth, so that they tell nothing of a machine.

    A path is an absolute one, one that begins with ~, or the value of a setting that names files.
    """
    if isinstance(settings, list | tuple):
        return [names_alone(v) for v in settings]
    if not isinstance(settings, Mapping):
        return _name(settings) if isinstance(settings, str) and _LOCAL.match(settings) else settings
    return {k: _named(v) if k in _FILES else names_alone(v) for k, v in settings.items()}


def _named(value: Any) -> Any:
    """Return the last name of a path, or of each of a list."""
    if isinstance(value, list | tuple):
        return [_named(v) for v in value]
    return _name(value) if isinstance(value, str) else names_alone(value)


def _name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def with_data(config: Mapping[str, Any], data: str | Path | None) -> dict[str, Any]:
    """Return a config whose data have moved to `data`; None where they have not moved.

    data: a file, or a folder that holds the data under their names. Raises AerunError where the config names no data, and where
    they are not there.
    """
    if data is None:
        refuse_urls(config)
        return dict(config)
    paths = data_paths(config)
    if not paths:
        raise AerunError(f"--data {data}: this run's data are not read from files. Leave it out.")
    if is_url(str(data)):
        return {**config, "dataset": {**config["dataset"], **_at_url(str(data), paths)}}
    place = Path(data).expanduser().absolute()
    if not place.exists():
        raise AerunError(f"--data {data}: there is no such file or folder.")
    moved = {key.partition(".")[2]: _all_moved(key, old, place, len(paths) == 1) for key, old in paths.items()}
    return {**config, "dataset": {**config["dataset"], **moved}}


def say_data(config: Mapping[str, Any], data: str | Path | None) -> None:
    """Print where a run's data are about to be read.

    Raises AerunError as `with_data` does.
    """
    for key, path in data_paths(with_data(config, data)).items():
        say(f"reads {key}={', '.join(all_paths(path))}")


def _at_url(url: str, paths: Mapping[str, Any]) -> dict[str, str]:
    """Return the one setting that names data, with a URL in place of its path."""
    others = {key: old for key, old in paths.items() if old != url and is_url(old)}
    if len(paths) > 1:
        raise AerunError(f"--data {url}: this run reads {len(paths)} files ({', '.join(others or paths)}): give a folder.")
    return {key.partition(".")[2]: url for key in paths}


def _all_moved(key: str, old: Any, place: Path, alone: bool) -> str | list[str]:
    """Return where a path, or each of a list, is now; a pattern is the same in its new folder."""
    if isinstance(old, str):
        pattern = place / Path(old).name
        if has_magic(Path(old).name) and place.is_dir() and any(place.glob(pattern.name)):
            return str(pattern)
        return str(_moved(key, Path(old), place, alone))
    if alone and not place.is_dir():
        return str(place)
    return [str(_moved(key, Path(one), place, False)) for one in old]


def _moved(key: str, old: Path, place: Path, alone: bool) -> Path:
    if alone and (place.is_file() or not (place / old.name).exists()):
        return place
    path = place / old.name
    if not path.exists():
        raise AerunError(f"--data {place}: {key} was {old}, and there is no {old.name} in this folder.")
    return path


def _holds_names(path: object) -> bool:
    """Return whether files hold several arrays by name, so that a word without an ending is one of them."""
    return next(iter(all_paths(path)), "").lower().rstrip("/").endswith(_NAMED)


def _is_file(key: str, value: Any, packed: bool) -> bool:
    """Return whether a setting of a data set names a file or a folder.

    Labels may also be an array of a packed file, given by its name.
    """
    if isinstance(value, list | tuple):
        return key in (*_FOLDERS, *_OR_ARRAYS) and bool(value) and all(isinstance(one, str) for one in value)
    if isinstance(value, str) and key == "weights":  # else a column of a table
        return value.lower().endswith((*_NAMED, ".npy"))
    if not isinstance(value, str) or key not in (*_FOLDERS, *_OR_ARRAYS):
        return False
    if key in _FOLDERS:
        return True
    return not (packed and Path(value).name == value and not Path(value).suffix)


def _absolute(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_absolute(one) for one in value]
    return value if is_url(value) else str(Path(value).expanduser().absolute())
