"""Arrays in npy, npz and safetensors files. Pickled objects are never loaded."""

import lzma
import math
import mmap
import struct
import tokenize
import zipfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, nearest
from aerun.core.memory import refuse_beyond

Array = NDArray[Any]
_DAMAGED = (  # what numpy, which parses headers as Python, and zipfile say of damaged bytes
    ValueError,
    OSError,
    EOFError,
    KeyError,
    TypeError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
FILL = 9.969209968386869e36  # netCDF's default for what was never written, in both float types
_TORCH_ONLY = ("BF16", "F8_E4M3", "F8_E5M2")  # types of safetensors that numpy does not have


def plain(x: Any) -> Array:
    """Return an array or tensor as a numpy array, with NaN where it is masked (`numpy.ma`).

    A masked array becomes one of floating-point numbers.
    """
    if isinstance(x, np.ma.MaskedArray):
        gone = np.ma.getmaskarray(x)
        if not gone.any():
            return np.asarray(x.data)
        kept = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32 if x.dtype.itemsize < 4 else np.float64)
        values: Array = np.where(gone, np.nan, x.data).astype(kept)
        return values
    tensor = x.detach().cpu() if hasattr(x, "detach") else x
    if str(getattr(tensor, "dtype", "")) == "torch.bfloat16":
        tensor = tensor.float()
    return np.asarray(tensor)


def read_array(key: str, path: Path, name: str | None, words: bool = False) -> Array:
    """Return the array in the file that the setting `key` names: the one called `name`, or the only one.

    npy files are mapped into memory, not read. Raises AerunError for a damaged file, and for an array that is not of numbers
    (or, with `words`, of words), is not there or does not fit into memory.
    """
    if not path.is_file():
        raise AerunError(f"{key}={path}: {'is a folder; an array is one file' if path.is_dir() else 'no such file'}.")
    readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
    suffix = path.suffix.lower()
    if suffix not in readers:
        other = " Tables are read by dataset=table." if suffix in (".csv", ".tsv", ".parquet", ".feather", ".xlsx") else ""
        raise AerunError(f"{key}={path}: an array's file name ends in {', '.join(readers)}.{other}")
    try:
        array = readers[suffix](path, name)
    except _DAMAGED as e:
        raise AerunError(f"{path}: cannot be read: {_words(e)}") from e
    if array.dtype.kind not in ("biufU" if words else "biuf"):
        raise AerunError(f"{path}: holds {array.dtype}, not numbers.")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _words(e: Exception) -> str:
    line = (str(e).strip() or type(e).__name__).splitlines()[0]
    if "allow_pickle" in line or "Object arrays" in line or "Python objects" in line:
        return "it holds Python objects, which are never loaded (they may run code)."
    return f"not such a file, truncated or damaged ({line.rstrip('.')})."


def names_of(path: Path) -> list[str]:
    """Return the names of the arrays in a file; none for npy, and none where it cannot be read, which `read_array` reports."""
    if path.suffix.lower() == ".npz" and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as packed:
                return [n.removesuffix(".npy") for n in packed.namelist()]
        except _DAMAGED:
            return []
    if path.suffix.lower() == ".safetensors" and path.is_file():
        safetensors = _module(path)
        try:
            with safetensors.safe_open(str(path), framework="numpy") as file:
                return list(file.keys())
        except (safetensors.SafetensorError, OSError):
            return []
    return []


def _npy(path: Path, name: str | None) -> Array:
    if name is not None:
        raise AerunError(f"{path}: an npy file holds one array and no names; leave out {name}.")
    array: Array = np.lib.format.open_memmap(path, mode="c")  # copy on write: torch wants to be allowed to write
    return array


def _npz(path: Path, name: str | None) -> Array:
    with zipfile.ZipFile(path) as packed:
        sizes = {part.filename.removesuffix(".npy"): part for part in packed.infolist()}
        part = sizes[select_array(path, name, list(sizes))]
        refuse_beyond(str(path), part.file_size)
        with packed.open(part) as f:
            _refuse_shape(path, f, part.file_size)
        with packed.open(part) as f:
            array: Array = np.lib.format.read_array(f, allow_pickle=False)
            return array


def _refuse_shape(path: Path, f: Any, size: int) -> None:
    """Raise AerunError where a header promises more than the file holds, before so much memory is reserved."""
    version = np.lib.format.read_magic(f)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(f)
    if dtype.hasobject:
        raise ValueError("Object arrays")
    if math.prod(shape) * dtype.itemsize > size:
        raise AerunError(
            f"{path}: truncated or damaged: its header promises an array of shape {shape}, more than the file holds."
        )


def forget(array: Array) -> None:
    """Release the memory that holds what was read of a mapped file; it is read again where it is needed."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


def is_mapped(array: Array) -> bool:
    """Return whether an array is on disk, and read where it is needed."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


def _safetensors(path: Path, name: str | None) -> Array:
    safetensors = _module(path)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            name = select_array(path, name, list(file.keys()))
            if file.get_slice(name).get_dtype() not in _TORCH_ONLY:
                array: Array = file.get_tensor(name)
                return array
        with safetensors.safe_open(str(path), framework="pt") as file:
            return np.asarray(file.get_tensor(name).float())
    except (safetensors.SafetensorError, TypeError) as e:
        raise ValueError(str(e)) from e


def _module(path: Path) -> Any:
    try:
        return import_module("safetensors")
    except ImportError as e:
        raise AerunError(f"{path}: reading it needs safetensors, which is not installed: pip install 'aerun[data]'") from e


def select_array(path: Path, name: str | None, names: list[str]) -> str:
    """Return `name`, or the only name there is. Raise AerunError where neither is in the file."""
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        raise AerunError(f"{path}: holds {len(names)} arrays ({shown or 'none'}): choose one with dataset.key=NAME.")
    if name not in names:
        raise AerunError(f"{path}: has no array '{name}'{nearest(name, names)}; it holds {shown}.")
    return name
