"""Arrays in npy (also packed), npz, safetensors, h5 and zarr. Pickled objects are never loaded."""

import lzma
import math
import mmap
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, nearest
from aerun.core.memory import refuse_beyond
from aerun.formats.compressed import bare_suffix, open_unpacked, packing
from aerun.formats.copied import Pieces, gathered, identity
from aerun.formats.hierarchies import H5, ZARR, is_zarr, names_in
from aerun.formats.hierarchies import read as read_inside
from aerun.formats.optional import needed

Array = NDArray[Any]
SUFFIXES = (".npy", ".npz", ".safetensors", *H5, ZARR)
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

    npy files are mapped into memory, not read; packed ones are unpacked once, where they do not fit into memory onto disk.
    Raises AerunError for a damaged file, and for an array that is not of numbers
    (or, with `words`, of words), is not there or does not fit into memory.
    """
    if not path.is_file() and not is_zarr(path):
        raise AerunError(f"{key}={path}: {'is a folder; an array is one file' if path.is_dir() else 'no such file'}.")
    suffix = path.suffix.lower()
    if not is_array(path) and not is_zarr(path):
        other = " Tables are read by dataset=table." if suffix in (".csv", ".tsv", ".parquet", ".feather", ".xlsx") else ""
        raise AerunError(f"{key}={path}: an array's file name ends in {', '.join(SUFFIXES)}.{other}")
    try:
        if is_zarr(path) or suffix in H5:
            array = read_inside(path, select_array(path, name, names_in(path)), words)
        else:
            array = _READERS.get(suffix, _packed)(path, name)
    except _DAMAGED as e:
        raise AerunError(f"{path}: cannot be read: {_words(e)}") from e
    if array.dtype.kind not in ("biufU" if words else "biuf"):
        raise AerunError(f"{path}: holds {array.dtype}, not numbers.")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_array(path: Path) -> bool:
    """Return whether a file, or a folder, holds arrays by its name."""
    return path.suffix.lower() in SUFFIXES or (packing(path) != "" and bare_suffix(path) == ".npy")


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
        safetensors = needed("safetensors", path)
        try:
            with safetensors.safe_open(str(path), framework="numpy") as file:
                return list(file.keys())
        except (safetensors.SafetensorError, OSError):
            return []
    if is_zarr(path) or (path.suffix.lower() in H5 and path.is_file()):
        try:
            return [n for n in names_in(path) if n]
        except AerunError:
            return []
    return []


def _npy(path: Path, name: str | None) -> Array:
    if name is not None:
        raise AerunError(f"{path}: an npy file holds one array and no names; leave out {name}.")
    array: Array = np.lib.format.open_memmap(path, mode="c")  # copy on write: torch wants to be allowed to write
    return array


def _packed(path: Path, name: str | None) -> Array:
    """Return the array of a packed npy file. Its header says how much is unpacked at most."""
    if name is not None:
        raise AerunError(f"{path}: an npy file holds one array and no names; leave out {name}.")
    with open_unpacked(path) as file:
        shape, fortran, dtype = _header(file)
        if dtype.hasobject:
            raise ValueError("Object arrays")
        stored = shape[::-1] if fortran else shape
        width = math.prod(stored[1:]) * dtype.itemsize

        def rows(first: int, last: int) -> Array:
            data = file.read((last - first) * width)
            if len(data) < (last - first) * width:
                raise EOFError(f"its header promises an array of shape {shape}")
            return np.frombuffer(data, dtype).reshape(last - first, *stored[1:])

        if not stored:
            raise AerunError(f"{path}: a single number; samples are (n, ...).")
        array = gathered(Pieces(str(path), stored, dtype, rows, identity(path)))
        if file.read(1):
            raise ValueError("there are bytes behind the array")
    return array.T if fortran else array


def _header(file: Any) -> tuple[tuple[int, ...], bool, Any]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


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
    shape, _, dtype = _header(f)
    if dtype.hasobject:
        raise ValueError("Object arrays")
    if math.prod(shape) * dtype.itemsize > size:
        raise AerunError(
            f"{path}: truncated or damaged: its header promises an array of shape {shape}, more than the file holds."
        )


def forget(array: Array) -> None:
    """Release the memory that holds what was read of a mapped file; it is read again where it is needed."""
    base = _memory_of(array)
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


def is_mapped(array: Array) -> bool:
    """Return whether an array is on disk, and read where it is needed."""
    return isinstance(_memory_of(array), mmap.mmap)


def _memory_of(array: Array) -> Any:
    """Return what holds the values: None for an array's own memory."""
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base


def _safetensors(path: Path, name: str | None) -> Array:
    safetensors = needed("safetensors", path)
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


_READERS: dict[str, Callable[[Path, str | None], Array]] = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}


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
