"""Several arrays as npz."""

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from aerun.formats.writing.base import Array, FileWriter, is_numeric
from aerun.formats.writing.npy import Npy


class Npz(FileWriter):
    """All arrays. Numbers pass through unnamed files beside the output, so that memory holds none; words stay in memory."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.numbers: dict[str, Npy] = {}
        self.words: dict[str, list[Array]] = {}

    def add(self, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            if not is_numeric(array):
                self.words.setdefault(name, []).append(array)
                continue
            if name not in self.numbers:
                beside = tempfile.TemporaryFile(dir=Path(self.file.name).parent)  # noqa: SIM115 - goes with this writer
                self.numbers[name] = Npy(cast(BinaryIO, beside), {})
            self.numbers[name].add({name: array})

    def drop(self) -> None:
        for npy in self.numbers.values():
            npy.file.close()

    def close(self) -> None:
        with zipfile.ZipFile(self.file, "w", zipfile.ZIP_STORED) as packed:
            for name, npy in self.numbers.items():
                npy.close()
                npy.file.seek(0)
                with npy.file, packed.open(f"{name}.npy", "w", force_zip64=True) as file:
                    shutil.copyfileobj(npy.file, file, 1 << 20)
            for name, parts in self.words.items():
                with packed.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.concatenate(parts).astype(str), allow_pickle=False)
