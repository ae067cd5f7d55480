"""Where in a file the rows of an array lie, one behind the other as plain bytes: npy and safetensors, from their headers."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from aerun.core.cache import cache_folder
from aerun.core.errors import AerunError
from aerun.formats.arrays import read_header, select_array
from aerun.formats.listed_rows import unpacked

_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_LONGEST = 100_000_000  # bytes of a header


class Raw(NamedTuple):
    """An array (shape, dtype) whose rows begin at byte `first` of a file."""

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    first: int


def raw(path: Path, key: str | None, cache: str | None = None) -> Raw:
    """Return where the array of a file lies: of a safetensors file the one called `key`, or the only one.

    parquet is written once into the folder `cache` (None: aerun's own), and is there from then on. Raises AerunError for a file
    that is damaged, shorter than its header says, or of numbers other than floating-point ones.
    """
    if path.suffix.lower() == ".parquet":
        return _of_npy(unpacked(path, key, cache_folder(cache)), None)
    found = _of_safetensors(path, key) if path.suffix.lower() == ".safetensors" else _of_npy(path, key)
    size = found.first + math.prod(found.shape) * found.dtype.itemsize
    if path.stat().st_size < size:
        words = f"its header promises an array of shape {found.shape}, more than the file holds"
        raise AerunError(f"{path}: cut off or damaged: {words}.")
    return found


def _of_npy(path: Path, key: str | None) -> Raw:
    if key is not None:
        raise AerunError(f"{path}: an npy file holds one array and no names; leave out {key}.")
    with path.open("rb") as file:
        try:
            shape, fortran, dtype = read_header(file)
        except Exception as e:  # numpy parses headers as Python, which ends in errors of many kinds
            raise AerunError(f"{path}: cannot be read: not such a file, cut off or damaged.") from e
        first = file.tell()
    if dtype.kind == "V" and dtype.itemsize == 2:
        raise AerunError(
            f"{path}: two-byte values without a type, as bfloat16 is saved in npy. Save them as safetensors, which names it, "
            "or as float16."
        )
    if dtype.kind != "f" or not dtype.isnative or fortran:
        what = "columns one behind the other" if fortran else str(dtype)
        raise AerunError(f"{path}: holds {what}: activations are rows of float16, float32 or float64 numbers.")
    return Raw(path, tuple(shape), torch.from_numpy(np.empty(0, dtype)).dtype, first)


def _of_safetensors(path: Path, key: str | None) -> Raw:
    with path.open("rb") as file:
        try:
            length = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(length)) if length <= _LONGEST else None
            tensors: dict[str, Any] = {k: v for k, v in head.items() if k != "__metadata__"}  # type: ignore[union-attr]
            name = select_array(path, key, list(tensors))
            about = tensors[name]
            kind, shape, first = about["dtype"], tuple(map(int, about["shape"])), int(about["data_offsets"][0])
        except AerunError:
            raise
        except Exception as e:  # what is no such header ends in errors of many kinds
            raise AerunError(f"{path}: cannot be read: not such a file, cut off or damaged.") from e
    if kind not in _TYPES:
        raise AerunError(f"{path}: {name} holds {kind}: activations are of {', '.join(_TYPES)}.")
    return Raw(path, shape, _TYPES[kind], 8 + length + first)
