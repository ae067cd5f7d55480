"""Answers as files: written beside their place and renamed when they are whole."""

import contextlib
import csv
import os
import shutil
import sys
import wave
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.formats.pictures import grid, image

Array = NDArray[Any]
_CELLS = 4096


class Writer(ABC):
    """Takes arrays by name, in pieces whose first axis is samples."""

    def __init__(self, part: Path, about: Mapping[str, Any]) -> None:
        self.part, self.about = part, about

    @abstractmethod
    def add(self, arrays: Mapping[str, Array]) -> None:
        """The next samples."""

    @abstractmethod
    def close(self) -> None:
        """Nothing more comes."""

    def drop(self) -> None:  # noqa: B027 - most have nothing open
        """Give up what is open."""


class Npy(Writer):
    """The first of the arrays, written as it comes; its length is filled in at the end."""

    file: BinaryIO | None = None
    count = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        name, array = next(iter(arrays.items()))
        if array.dtype.kind not in "biuf":
            raise AerunError(f"npy holds numbers, and {name} are words: use csv, parquet or npz.")
        if self.file is None:
            self.file, self.shape, self.dtype = self.part.open("wb"), array.shape[1:], array.dtype
            self._head()
        self.file.write(np.ascontiguousarray(array, dtype=self.dtype).data)
        self.count += len(array)

    def _head(self) -> None:
        assert self.file is not None
        about = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, about)  # leaves room for a longer first axis

    def close(self) -> None:
        assert self.file is not None
        self.file.seek(0)
        self._head()
        self.file.close()

    def drop(self) -> None:
        if self.file is not None:
            self.file.close()


class Npz(Writer):
    """All arrays: numbers by way of files beside it, so that none is held; words in memory."""

    def __init__(self, part: Path, about: Mapping[str, Any]) -> None:
        super().__init__(part, about)
        self.numbers: dict[str, Npy] = {}
        self.words: dict[str, list[Array]] = {}

    def add(self, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            if array.dtype.kind in "biuf":
                place = self.part.with_name(f"{self.part.name}.{len(self.numbers)}")
                self.numbers.setdefault(name, Npy(place, {})).add({name: array})
            else:
                self.words.setdefault(name, []).append(array)

    def close(self) -> None:
        with zipfile.ZipFile(self.part, "w", zipfile.ZIP_STORED) as packed:
            for name, npy in self.numbers.items():
                npy.close()
                packed.write(npy.part, f"{name}.npy")
                npy.part.unlink()
            for name, parts in self.words.items():
                with packed.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.concatenate(parts).astype(str), allow_pickle=False)

    def drop(self) -> None:
        for npy in self.numbers.values():
            npy.drop()
            npy.part.unlink(missing_ok=True)


class Csv(Writer):
    """One line a sample, one column an element: z1, z2, ..."""

    out: Any = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        columns = flattened(arrays)
        if self.out is None:
            self.out = sys.stdout if self.about.get("stdout") else self.part.open("w", newline="", encoding="utf-8")
            self.writer = csv.writer(self.out, delimiter="\t" if self.about.get("tab") else ",", lineterminator="\n")
            self.writer.writerow(columns)
        self.writer.writerows(zip(*(_cells(v) for v in columns.values()), strict=True))

    def close(self) -> None:
        if self.out is not sys.stdout:
            self.out.close()

    def drop(self) -> None:
        if self.out is not None:
            self.close()


class Parquet(Writer):
    """The same columns, typed."""

    writer: Any = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as e:
            raise AerunError("parquet needs pyarrow, which is not installed: pip install 'aerun[data]'") from e
        table = pa.table({k: pa.array(v.tolist() if v.dtype.kind in "UO" else v) for k, v in flattened(arrays).items()})
        self.writer = self.writer or pq.ParquetWriter(self.part, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        self.writer.close()

    def drop(self) -> None:
        if self.writer is not None:
            self.writer.close()


class Lines(Writer):
    """Text, a sample a line."""

    out: Any = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        words = np.asarray(next(iter(arrays.values())))
        if words.dtype.kind not in "UO":
            raise AerunError("txt holds text, and these are numbers: use csv, npz, npy or parquet.")
        self.out = self.out or self.part.open("w", encoding="utf-8")
        self.out.writelines(f"{line}\n" for line in words.reshape(-1))

    def close(self) -> None:
        self.out.close()

    def drop(self) -> None:
        if self.out is not None:
            self.out.close()


class Sheet(Writer):
    """One png with all images side by side: rows and columns of them where they are (n, k, C, H, W)."""

    def __init__(self, part: Path, about: Mapping[str, Any]) -> None:
        super().__init__(part, about)
        self.cells: list[Array] = []

    def add(self, arrays: Mapping[str, Array]) -> None:
        cells, self.about = _images(arrays, self.about)
        self.cells.append(cells)
        if sum(c.shape[0] * (c.shape[1] if c.ndim == 5 else 1) for c in self.cells) > _CELLS:
            raise AerunError(f"a png of more than {_CELLS} images: use a folder (--output DIR/), npz or npy.")

    def close(self) -> None:
        grid(np.concatenate(self.cells), self.about).save(self.part, "PNG")


class Pngs(Writer):
    """A folder of png files, by number."""

    count = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        self.part.mkdir(exist_ok=True)
        found, self.about = _images(arrays, self.about)
        for cells in found:
            picture = grid(cells, self.about, across=len(cells)) if cells.ndim == 4 else image(cells, self.about)
            picture.save(self.part / f"{self.count:06d}.png", "PNG")
            self.count += 1

    def close(self) -> None:
        """All files are closed."""

    def drop(self) -> None:
        shutil.rmtree(self.part, ignore_errors=True)


class Wav(Writer):
    """Sounds (n, T, 1) in [-1, 1] one behind the other, 16 bits."""

    out: Any = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        x = next(iter(arrays.values()))
        rate = self.about.get("rate")
        if x.dtype.kind != "f" or x.ndim != 3 or x.shape[2] != 1 or not rate:
            raise AerunError("wav holds sound: it takes a run with dataset=audio, dataset.form=frames and dataset.rate=N.")
        if self.out is None:
            self.out = wave.open(str(self.part), "wb")  # noqa: SIM115 - closed by close
            self.out.setnchannels(1)
            self.out.setsampwidth(2)
            self.out.setframerate(int(rate))
        self.out.writeframes((np.clip(x, -1, 1) * 32767).round().astype("<i2").tobytes())

    def close(self) -> None:
        self.out.close()

    def drop(self) -> None:
        if self.out is not None:
            self.out.close()


_KINDS: dict[str, type[Writer]] = {
    ".npz": Npz, ".npy": Npy, ".csv": Csv, ".tsv": Csv, ".parquet": Parquet, ".txt": Lines, ".png": Sheet, ".wav": Wav
}  # fmt: skip


@contextlib.contextmanager
def written(output: str, about: Mapping[str, Any], kind: type[Writer] | None = None) -> Iterator[Writer]:
    """A writer for what `output` is called: a file, a folder (with a / behind) of png files, or - for csv on standard output;
    or of one `kind`, whatever it is called.

    The place is taken when all is whole; where anything fails it is as it was. AerunError where nothing can be written there.
    """
    if output == "-" and kind is None:
        writer: Writer = Csv(Path("-"), {**about, "stdout": True})
        yield writer
        writer.close()
        return
    path, kind = _place(output, kind)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    writer = kind(part, {**about, "tab": path.suffix.lower() == ".tsv"})
    whole = False
    try:
        yield writer
        writer.close()
        part.replace(path)
        whole = True
    except OSError as e:
        raise AerunError(f"{output}: cannot be written: {e.strerror or e}.") from e
    finally:
        if not whole:
            writer.drop()
            if part.is_file():
                part.unlink()


def _place(output: str, kind: type[Writer] | None) -> tuple[Path, type[Writer]]:
    path = Path(output).expanduser()
    if not path.parent.is_dir():
        raise AerunError(f"{output}: there is no folder {path.parent}.")
    if kind is not None:
        if path.is_dir() or output in ("-", ""):
            raise AerunError(f"--output {output}: this goes into one file; name it.")
        return path, kind
    if output.endswith("/") or path.is_dir():
        if path.is_dir() and any(path.iterdir()):
            raise AerunError(f"{output}: is a folder that is not empty; name a new one.")
        return path, Pngs
    named = _KINDS.get(path.suffix.lower())
    if named is None:
        raise AerunError(f"{output}: an output's name ends in {', '.join(_KINDS)}, or in / for a folder of png files.")
    return path, named


def flattened(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Columns (n,) of arrays (n, ...): NAME where there is one, else NAME1, NAME2, ..."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            found[name] = array
        else:
            flat = array.reshape(len(array), -1)
            found |= {f"{name}{i + 1}": flat[:, i] for i in range(flat.shape[1])}
    return found


def _cells(values: Array) -> list[Any]:
    """Numbers as short as they can be without loss, nothing for NaN."""
    if values.dtype.kind == "f":
        return [
            "" if v != v else repr(v) if values.dtype.itemsize > 4 else str(v)
            for v in (values.tolist() if values.dtype.itemsize > 4 else values)
        ]
    return [int(v) for v in values] if values.dtype.kind == "b" else values.tolist()


def _images(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> tuple[Array, Mapping[str, Any]]:
    """Images, and what is known of them; errors as grey ones of the mean over channels, from 0 to the largest among them."""
    name = next((n for n in arrays if n in ("errors", "x")), None)
    if name is None or about.get("kind") != "image":
        raise AerunError("png holds images, and these are none: use csv, npz, npy or parquet.")
    if name == "errors":
        return arrays[name].mean(1, keepdims=True), {**about, "low": 0.0, "high": None}
    return arrays[name], about
