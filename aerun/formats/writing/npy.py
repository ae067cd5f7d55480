"""One array as npy, written as it comes."""

from collections.abc import Mapping

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.writing.base import Array, FileWriter, is_numeric


class Npy(FileWriter):
    """The first of the arrays, whose length is filled in at the end."""

    count = 0
    dtype: np.dtype[np.generic] | None = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        name, array = next(iter(arrays.items()))
        if not is_numeric(array):
            raise AerunError(f"npy holds numbers, and {name} are words: use csv, parquet or npz.")
        if self.dtype is None:
            self.shape, self.dtype = array.shape[1:], array.dtype
            self._head()
        self.file.write(np.ascontiguousarray(array, dtype=self.dtype).data)
        self.count += len(array)

    def _head(self) -> None:
        assert self.dtype is not None
        about = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, about)  # leaves room for a longer first axis

    def close(self) -> None:
        self.file.seek(0)
        self._head()
