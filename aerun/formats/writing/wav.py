"""Sounds as wav."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.audio import library
from aerun.formats.writing.base import Array, FileWriter


class Wav(FileWriter):
    """Sounds (n, T, 1) in [-1, 1] one behind the other, 16 bits, `rate` samples a second."""

    out: Any = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        x, rate = next(iter(arrays.values())), self.about.get("rate")
        if x.dtype.kind != "f" or x.ndim != 3 or x.shape[2] != 1 or not rate:
            raise AerunError("wav holds sound: it takes a run with dataset=audio, dataset.form=frames and dataset.rate=N.")
        if self.out is None:
            # By its number, so that a full disk is an error: what goes wrong in a file of Python's is lost in the library.
            number = self.file.fileno()
            self.out = library().SoundFile(number, "w", int(rate), 1, "PCM_16", format="WAV", closefd=False)
        try:
            self.out.write((np.clip(x, -1, 1) * 32767).round().astype(np.int16).reshape(-1))
        except library().LibsndfileError as e:
            raise OSError(str(e)) from e

    def close(self) -> None:
        if self.out is not None:
            self.out.close()

    drop = close
