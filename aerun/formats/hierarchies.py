"""Arrays by name in h5 files and in zarr folders of either version."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.copied import Array, Pieces, gathered, identity
from aerun.formats.hdf5 import refuse_damaged
from aerun.formats.limits import Limits
from aerun.formats.optional import needed

H5 = (".h5", ".hdf5", ".he5")
ZARR = ".zarr"

log = logging.getLogger("aerun")


def is_zarr(path: Path) -> bool:
    """Return whether a path is a folder that zarr has written."""
    return path.is_dir() and any((path / n).is_file() for n in ("zarr.json", ".zarray", ".zgroup"))


def names_in(path: Path) -> list[str]:
    """Return the paths of all arrays in a file or folder; those behind links to other files are not among them."""
    return _looked(path, _h5_names if path.suffix.lower() in H5 else _zarr_names)


def read(path: Path, name: str, words: bool, bounds: Limits | None) -> Array:
    """Return one of the arrays of `names_in`: in memory, or where that is too large mapped from a copy, see `gathered`.

    AerunError for a damaged part, and for values that are kept in other files.
    """
    return _looked(path, lambda p: (_h5 if p.suffix.lower() in H5 else _zarr)(p, name, words, bounds))


def _looked(path: Path, look: Callable[[Path], Any]) -> Any:
    if path.suffix.lower() in H5 and path.is_file():
        refuse_damaged(path)
    try:
        return look(path)
    except AerunError:
        raise
    except Exception as e:  # both libraries let through whatever damaged bytes make them do
        words = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise AerunError(f"{path}: cannot be read: damaged, cut short, or of a kind that is not known ({words}).") from e


def _h5_names(path: Path) -> list[str]:
    names: list[str] = []
    h5py = needed("h5py", path, "h5")
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


def _h5(path: Path, name: str, words: bool, bounds: Limits | None) -> Array:
    with needed("h5py", path, "h5").File(path, "r") as file:
        array = file[name]
        if array.external or array.is_virtual:
            raise AerunError(f"{path}: the values of '{name}' are in other files, which are not opened.")
        if array.dtype.kind in "OS" and words:
            return np.asarray(array.asstr()[...]).astype(np.str_)
        return _numbers(path, name, array, bounds)


def _zarr_names(path: Path) -> list[str]:
    group = needed("zarr", path, "zarr").open(str(path), mode="r")
    if not hasattr(group, "members"):
        return [""]
    return [name for name, item in group.members(max_depth=None) if hasattr(item, "dtype")]


def _zarr(path: Path, name: str, words: bool, bounds: Limits | None) -> Array:
    array = needed("zarr", path, "zarr").open(str(path), mode="r")
    array = array[name] if name else array
    if (gone := array.nchunks - array.nchunks_initialized) > 0:
        what = "%s: %d of %d chunks of '%s' are not there, as where all is %s: their values are that one."
        log.warning(what, path, gone, array.nchunks, name or path.name, array.fill_value)
    if array.dtype.kind in "OTU" and words:
        return np.asarray(array[...]).astype(np.str_)
    return _numbers(path, name, array, bounds)


def _numbers(path: Path, name: str, array: Any, bounds: Limits | None) -> Array:
    """Return the numbers of an array of either library. AerunError names the rows that cannot be read."""
    where, dtype = f"{path}, '{name or path.name}'", np.dtype(array.dtype)
    if dtype.kind not in "biuf":
        raise AerunError(f"{path}: '{name or path.name}' holds {dtype}, not numbers.")
    if not array.shape:
        raise AerunError(f"{path}: '{name or path.name}' is a single number; samples are (n, ...).")

    def rows(first: int, last: int) -> Array:
        try:
            return np.asarray(array[first:last])
        except Exception as e:
            words = (str(e).strip() or type(e).__name__).splitlines()[0]
            raise AerunError(f"{where}: rows {first + 1} to {last} cannot be read: damaged ({words}).") from e

    about = identity(path, name, array.shape, str(dtype))
    together = array.chunks[0] if array.chunks else 1
    return gathered(Pieces(where, tuple(array.shape), dtype, rows, about, together), bounds)
