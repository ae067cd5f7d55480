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
from aerun.formats.compressed import bare_suffix, open_unpacked, packing
from aerun.formats.copied import Pieces, gathered, identity
from aerun.formats.hierarchies import H5, ZARR, is_zarr, names_in
from aerun.formats.hierarchies import read as read_inside
from aerun.formats.limits import Limits
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

    A masked array becomes one of floating-point numbers. Raises AerunError for a sparse one, and for rows of several lengths.
    """
    if hasattr(x, "toarray"):
        raise AerunError("x: a sparse matrix; x.toarray() has all of its values.")
    if isinstance(x, np.ma.MaskedArray):
        gone = np.ma.getmaskarray(x)
        if not gone.any():
            return np.asarray(x.data)
        values: Array = np.where(gone, np.nan, x.data).astype(_type_with_gaps(x.dtype))
        return values
    tensor = x.detach().cpu() if hasattr(x, "detach") else x
    if str(getattr(tensor, "dtype", "")) == "torch.bfloat16":
        tensor = tensor.float()
    try:
        return np.asarray(tensor)
    except ValueError as e:
        raise AerunError(f"x: no array: {str(e).splitlines()[0]}") from e


def _type_with_gaps(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that holds the values of another one and NaN."""
    return dtype if dtype.kind == "f" else np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)


def read_array(key: str, path: Path, name: str | None, words: bool = False, bounds: Limits | None = None) -> Array:
    """Return the array in the file that the setting `key` names: the one called `name`, or the only one.

    npy files are mapped into memory, not read. Others are read piece by piece and, where they do not fit into memory or into
    `bounds`, copied onto disk once and mapped from there. Raises AerunError for a damaged file, and for an array that is not
    of numbers (or, with `words`, of words), or is not there.
    """
    if not path.is_file() and not is_zarr(path):
        raise AerunError(f"{key}={path}: {'is a folder; an array is one file' if path.is_dir() else 'no such file'}.")
    suffix = path.suffix.lower()
    if not is_array(path) and not is_zarr(path):
        other = " Tables are read by dataset=table." if suffix in (".csv", ".tsv", ".parquet", ".feather", ".xlsx") else ""
        raise AerunError(f"{key}={path}: an array's file name ends in {', '.join(SUFFIXES)}.{other}")
    try:
        if is_zarr(path) or suffix in H5:
            array = read_inside(path, select_array(path, name, names_in(path)), words, bounds)
        else:
            array = _READERS.get(suffix, _packed)(path, name, bounds)
    except _DAMAGED as e:
        raise AerunError(f"{path}: cannot be read: {_words(e)}") from e
    if array.dtype.kind not in ("biufU" if words else "biuf"):
        raise AerunError(f"{path}: holds {array.dtype}, not numbers.")
    return array if array.dtype.isnative else _native(path, name, array, bounds)


def _native(path: Path, name: str | None, array: Array, bounds: Limits | None) -> Array:
    """Return an array in the order of bytes that this machine has."""
    own = array.dtype.newbyteorder("=")
    if not array.shape:
        return array.astype(own)
    return gathered(Pieces(str(path), array.shape, own, lambda a, b: array[a:b], identity(path, name, "native")), bounds)


def masked(path: Path, name: str | None, array: Array, gone: Array, bounds: Limits | None) -> Array:
    """Return an array of a file as one of floating-point numbers, with NaN where `gone` (truth values) is true."""

    def rows(first: int, last: int) -> Array:
        return plain(np.ma.masked_array(array[first:last], gone[first:last]))

    about = identity(path, name, "masked")
    return gathered(Pieces(str(path), array.shape, _type_with_gaps(array.dtype), rows, about), bounds)


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


def _npy(path: Path, name: str | None, bounds: Limits | None) -> Array:
    if name is not None:
        raise AerunError(f"{path}: an npy file holds one array and no names; leave out {name}.")
    array: Array = np.lib.format.open_memmap(path, mode="c")  # copy on write: torch wants to be allowed to write
    return array


def _packed(path: Path, name: str | None, bounds: Limits | None) -> Array:
    """Return the array of a packed npy file. Its header says how much is unpacked at most."""
    if name is not None:
        raise AerunError(f"{path}: an npy file holds one array and no names; leave out {name}.")
    with open_unpacked(path) as file:
        return _streamed(path, name, file, bounds)


def _streamed(path: Path, name: str | None, file: Any, bounds: Limits | None) -> Array:
    """Return the array that an open file holds as npy does, read piece by piece."""
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("Object arrays")
    stored = (shape[::-1] if fortran else shape) or (1,)
    width = math.prod(stored[1:]) * dtype.itemsize

    def rows(first: int, last: int) -> Array:
        data = file.read((last - first) * width)
        if len(data) < (last - first) * width:
            raise EOFError(f"its header promises an array of shape {shape}")
        return np.ndarray((last - first, *stored[1:]), dtype, data)

    array = gathered(Pieces(str(path), stored, dtype, rows, identity(path, name)), bounds)
    if file.read(1):  # of a zip, the end of which also compares the checksum
        raise ValueError("there are bytes behind the array")
    return array.T if fortran else array.reshape(shape)


def read_header(file: Any) -> tuple[tuple[int, ...], bool, Any]:
    """Return the shape, whether columns follow each other, and the type of numbers of an open npy file, read so far."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _npz(path: Path, name: str | None, bounds: Limits | None) -> Array:
    with zipfile.ZipFile(path) as packed:
        sizes = {part.filename.removesuffix(".npy"): part for part in packed.infolist()}
        name = select_array(path, name, list(sizes))
        with packed.open(sizes[name]) as f:
            _refuse_shape(path, f, sizes[name].file_size)
        with packed.open(sizes[name]) as f:
            return _streamed(path, name, f, bounds)


def _refuse_shape(path: Path, f: Any, size: int) -> None:
    """Raise AerunError where a header promises more than the file holds, before so much memory is reserved."""
    shape, _, dtype = read_header(f)
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


def _safetensors(path: Path, name: str | None, bounds: Limits | None) -> Array:
    safetensors = needed("safetensors", path)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            name = select_array(path, name, list(file.keys()))
            wide = file.get_slice(name).get_dtype() in _TORCH_ONLY
        with safetensors.safe_open(str(path), framework="pt" if wide else "numpy") as file:
            part = file.get_slice(name)
            shape = tuple(part.get_shape())
            if not shape:
                return plain(file.get_tensor(name))
            dtype = np.dtype(np.float32) if wide else part[:0].dtype

            def rows(first: int, last: int) -> Array:
                return part[first:last].float().numpy() if wide else part[first:last]

            return gathered(Pieces(str(path), shape, dtype, rows, identity(path, name)), bounds)
    except (safetensors.SafetensorError, TypeError) as e:
        raise ValueError(str(e)) from e


_READERS: dict[str, Callable[[Path, str | None, Limits | None], Array]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
}


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
