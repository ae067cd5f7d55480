"""Text."""

from collections.abc import Mapping

from aerun.core.errors import AerunError
from aerun.formats.writing.base import Array, FileWriter, is_numeric


class Txt(FileWriter):
    """One sample a line, unchanged."""

    def add(self, arrays: Mapping[str, Array]) -> None:
        words = next(iter(arrays.values()))
        if is_numeric(words):
            raise AerunError("txt holds text, and these are numbers: use csv, npz, npy or parquet.")
        self.file.writelines(f"{line}\n".encode() for line in words.reshape(-1))

    def close(self) -> None:
        """Do nothing: all is written."""
