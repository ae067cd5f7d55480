"""Files as samples, in pieces: what is larger than memory is never held."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.dataset.storage import listing
from aerun.formats import images
from aerun.formats.arrays import forget, names_of, read_array
from aerun.formats.frame import Frame
from aerun.formats.idx import opened, values_of
from aerun.formats.tables import BINARY, TEXT, table_pieces
from aerun.formats.text_lines import lines_of
from aerun.inference import recordings
from aerun.inference.columns import Rows, stored_rows
from aerun.inference.samples import SampleConverter

_ARRAYS = (".npy", ".npz", ".safetensors")
STDIN = "-"


@dataclass(frozen=True)
class Piece:
    """Some samples as `Model` takes them, the file they are from, the first one's number in it (from 1), and their names where
    each is a file of its own."""

    x: Any
    file: str
    first: int
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.x.values()))) if isinstance(self.x, Mapping) else len(self.x)


@dataclass(frozen=True)
class Reader:
    """form: what samples are like. settings: of the data set that the run was trained on. rows: samples of a piece.
    key: name of the array where a file holds several. resize: bring images of other sizes to the one of training."""

    form: SampleConverter
    settings: Mapping[str, Any]
    rows: int
    key: str | None = None
    resize: bool = False

    def pieces(self, files: Sequence[str]) -> Iterator[Piece]:
        """All files' samples in order; folders stand for the files in them. AerunError for what cannot be read."""
        paths = [p for name in files for p in self._files(name)]
        images = [p for p in paths if self._is_image(p)]
        if images and len(images) < len(paths):
            raise AerunError(f"{next(p for p in paths if p not in images)}: is no image, and others are.")
        found = self._images(images) if images else (piece for path in paths for piece in self._one(path))
        empty = True
        for piece in found:
            empty = empty and not len(piece)
            if len(piece):
                yield piece
        if empty:
            raise AerunError(f"{', '.join(files)}: there are no samples (the input is empty).")

    def _files(self, name: str) -> list[Path]:
        if name == STDIN:
            if not self.form.facts.tokens and self.form.facts.kind != "table":
                raise AerunError("-: only text and tables are read from standard input.")
            return [Path("/dev/stdin")]
        path = Path(name).expanduser()
        if not path.exists():
            raise AerunError(f"{name}: there is no such file or folder.")
        if not path.is_dir():
            return [path]
        suffixes = frozenset({*images.suffixes(), *_ARRAYS, *TEXT, *BINARY, ".ts", ".wav", ".wave"})
        files, others = listing.scan(path, suffixes)
        if not files:
            raise AerunError(f"{name}: a folder without any file that can be read ({others} others).")
        return [path / f.name for f in files]

    def _is_image(self, path: Path) -> bool:
        return self.form.facts.kind == "image" and path.suffix.lower() in images.suffixes()

    def _one(self, path: Path) -> Iterator[Piece]:
        facts, suffix = self.form.facts, Path(path.name.removesuffix(".gz")).suffix.lower()
        if facts.tokens:
            return self._lines(path)
        if suffix in _ARRAYS:
            return self._array(path)
        if path.name != "stdin" and _is_idx(path):
            return self._cut(str(path), values_of(path))
        if suffix in (".wav", ".wave"):
            return self._cut(str(path), recordings.sound(path, self.form.facts, self.settings))
        if facts.kind == "sequence":
            return self._cut(str(path), recordings.series(path, self.form.facts, self.settings))
        if facts.kind == "table":
            return self._table(path)
        raise AerunError(f"{path}: this run reads images: png, jpg, ..., npy, npz, or idx.")

    def _cut(self, file: str, array: Any) -> Iterator[Piece]:
        for first in range(0, len(array), self.rows):
            yield Piece(array[first : first + self.rows], file, first + 1)

    def _array(self, path: Path) -> Iterator[Piece]:
        names = names_of(path)
        columns = {f.name for f in self.form.features}
        if self.key is None and columns and columns <= set(names):
            table = {name: read_array("FILE", path, name, words=True) for name in columns}
            yield Piece(table, str(path), 1)
            return
        key = "x" if self.key is None and "x" in names else self.key
        array = read_array("FILE", path, key)
        for piece in self._cut(str(path), array):
            yield piece
            forget(array)

    def _lines(self, path: Path) -> Iterator[Piece]:
        """Lines of text that are not blank."""
        lines = (line.rstrip("\r\n") for line in lines_of(path, "utf-8"))
        numbered = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
        while part := list(islice(numbered, self.rows)):
            yield Piece([line for _, line in part], str(path), part[0][0])

    def _table(self, path: Path) -> Iterator[Piece]:
        first = 1
        for frame in table_pieces("FILE", path, self.form.reading, self.rows):
            for piece in self._cut(str(path), self._stored(frame)):
                yield self._columns(Piece(piece.x, piece.file, first))
                first += len(piece)

    def _stored(self, frame: Frame) -> Any:
        if self.form.features:
            return stored_rows(frame, self.form.features).numpy()
        wrong = [n for n, c in frame.columns.items() if c.kind != "number"]
        if wrong:
            raise AerunError(f"{frame.where(wrong[0], 0)}: is not a number, and this run was trained on numbers alone.")
        return np.stack([c.values for c in frame.columns.values()], 1)

    def _columns(self, piece: Piece) -> Piece:
        """Rows of named columns as such."""
        if not self.form.features:
            return piece
        return Piece(Rows(piece.x, self.form.features), piece.file, piece.first)

    def _images(self, paths: Sequence[Path]) -> Iterator[Piece]:
        channels, height, width = self.form.facts.stored
        if self.form.facts.unit != 255:
            raise AerunError(
                f"{paths[0]}: images of bytes, and this run was trained on values up to "
                f"{self.form.facts.unit:g}; give an array."
            )
        known = self.settings.get("size") is not None
        shape = images.Shape(
            channels,
            height,
            width,
            resize=known or self.resize,
            crop=self.settings.get("crop", "center") == "center",
            guessed=False,
        )
        for first in range(0, len(paths), self.rows):
            part = paths[first : first + self.rows]
            yield Piece(np.stack([_pixels(p, shape) for p in part]), str(part[0]), 1, tuple(map(str, part)))


def _pixels(path: Path, shape: images.Shape) -> Any:
    try:
        with images.strict():
            return images.read(path, shape)
    except images.UnreadableError as e:
        raise AerunError(f"{path}: cannot be read as an image: {e}.") from e
    except AerunError as e:
        if "dataset.size" in str(e):
            size = f"{shape.height} x {shape.width}"
            raise AerunError(f"{path}: this run was trained on images of {size}; --resize brings others to that size.") from e
        raise


def _is_idx(path: Path) -> bool:
    if Path(path.name.removesuffix(".gz")).suffix.lower() in (*TEXT, *BINARY, ".ts"):
        return False
    try:
        with opened(path) as file:
            return file.read(2) == b"\0\0"
    except (OSError, EOFError) as e:
        raise AerunError(f"{path}: cannot be read: {e}.") from e


def join_samples(parts: Sequence[Any]) -> Any:
    """Samples of several pieces as one."""
    if isinstance(parts[0], Rows):
        return Rows.of(parts)
    if isinstance(parts[0], list):
        return [x for part in parts for x in part]
    return np.concatenate(list(parts))
