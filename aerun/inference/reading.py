"""Files as samples, in pieces: what is larger than memory is never held."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aerun.core.errors import AerunError
from aerun.core.paths import is_url
from aerun.dataset.storage import listing
from aerun.dataset.storage.array_samples import source_array
from aerun.dataset.storage.image_files import image_files
from aerun.dataset.storage.scale import depth_of
from aerun.dataset.storage.skipped_files import SkippedFiles
from aerun.dataset.telling import LABEL
from aerun.evaluate.step_scores import Way
from aerun.formats import h5ad, images, several
from aerun.formats.archives import Member, is_archive
from aerun.formats.arrays import SUFFIXES, forget, is_array, names_of, read_array
from aerun.formats.audio import SUFFIXES as SOUNDS
from aerun.formats.carried import as_words
from aerun.formats.compressed import PACKED, bare_suffix
from aerun.formats.found import Found, found, is_pattern
from aerun.formats.frame import Frame, Words
from aerun.formats.hierarchies import is_zarr
from aerun.formats.idx import opened, values_of
from aerun.formats.images import Source
from aerun.formats.tables import BINARY, TEXT, is_stream
from aerun.formats.text_lines import lines_of
from aerun.inference import recordings
from aerun.inference.columns import Rows, stored_rows
from aerun.inference.samples import SampleConverter
from aerun.inference.travelling import columns_beside
from aerun.inference.written_cells import WrittenRows

log = logging.getLogger("aerun")

_ARRAYS = (*SUFFIXES, *(f".npy{p}" for p in PACKED))
STDIN = "-"


@dataclass(frozen=True)
class Piece:
    """Some samples as `Model` takes them.

    file: where they are from; first: the number of the first one in it, from 1; names: of each, where each is a file of its
    own. beside: the columns of the file that travel, see `travelling`. told: what the
    file says of each that the model is told beforehand, where samples are no rows of a table.
    """

    x: Any
    file: str
    first: int
    names: tuple[str, ...] = ()
    beside: Mapping[str, Words] = field(default_factory=dict)
    told: Mapping[str, Words] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.x.values()))) if isinstance(self.x, Mapping) else len(self.x)


@dataclass(frozen=True)
class Reader:
    """Reads files as the run read its own.

    form: what samples are like. settings: of the data set that the run was trained on. rows: samples of a piece. key: name of
    the array where a file holds several. resize: bring images of other sizes to the one of training. reading: what the run
    stored of how its own files were read. steps: series are given step by step, as `StepSeries`, to be scored in this `way`.
    cells: rows of tables come with their cells as they are written, as `WrittenRows`. whole: steps come a file at a time, and
    of a large one not in pieces.
    """

    form: SampleConverter
    settings: Mapping[str, Any]
    rows: int
    key: str | None = None
    resize: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)
    steps: bool = False
    way: Way = field(default_factory=Way)
    cells: bool = False
    whole: bool = False

    def pieces(self, files: Sequence[str]) -> Iterator[Piece]:
        """Yield all files' samples in order; folders stand for the files in them. AerunError for what cannot be read."""
        paths = [p for name in files if not self._is_table_in_parts(name) for p in self._files(name)]
        images = [p for p in paths if self._is_image(p)]
        if images and len(images) < len(paths):
            raise AerunError(f"{next(p for p in paths if p not in images)}: is no image, and others are.")
        lenient = any(Path(name).expanduser().is_dir() or is_archive(Path(name)) for name in files if name != STDIN)
        pieces = self._images(images, lenient) if images else (piece for name in files for piece in self._named(name))
        empty = True
        for piece in pieces:
            empty = empty and not len(piece)
            if len(piece):
                yield piece
        if empty:
            raise AerunError(f"{', '.join(files)}: there are no samples (the input is empty).")

    def _named(self, name: str) -> Iterator[Piece]:
        """Yield the samples of one argument: a file, standard input, or what stands for several files."""
        if self._is_table_in_parts(name):
            return self._table(several.files_of("FILE", name))
        return (piece for path in self._files(name) for piece in self._one(path))

    def _is_table_in_parts(self, name: str) -> bool:
        """Return whether an argument stands for the files of one table: a pattern, a URL, or a folder that holds tables."""
        if self.form.facts.kind != "table" or "delimiter" not in self.settings or name == STDIN:
            return False
        path = Path(name).expanduser()
        return is_url(name) or is_pattern(name) or (path.is_dir() and bool(listing.scan(path, frozenset((*TEXT, *BINARY)))[0]))

    def _files(self, name: str) -> list[Any]:
        if name == STDIN:
            if not self.form.facts.tokens and self.form.facts.kind != "table":
                raise AerunError("-: only text and tables are read from standard input.")
            return [Path("/dev/stdin")]
        if is_url(name) or is_pattern(name):
            named = found("FILE", name, self._suffixes()).files
            return [source for path in named for source in (self._inside(str(path)) if self._has_images(path) else [path])]
        path = Path(name).expanduser()
        if not path.exists():
            raise AerunError(f"{name}: there is no such file or folder.")
        if self._has_images(path):
            return self._inside(name)
        if not path.is_dir() or is_zarr(path):
            return [path]
        files, others = listing.scan(path, self._suffixes())
        if not files and self._suffixes() == images.suffixes():
            files, others = listing.scan(path, frozenset(_ARRAYS))
        if not files:
            raise AerunError(f"{name}: a folder without any file that can be read ({others} others).")
        kept, _ = listing.without_truths([f.name for f in files])
        return [path / files[i].name for i in kept]

    def _has_images(self, path: Path) -> bool:
        """Return whether a file or a folder holds images that are no files of their own."""
        return self.form.facts.kind == "image" and (is_archive(path) or several.saved_files("FILE", path) is not None)

    def _inside(self, name: str) -> list[Any]:
        inside = image_files("FILE", name, name)
        if not inside.files:
            raise AerunError(f"{name}: no images are there ({inside.others} other files).")
        return [inside.source(f.name) for f in inside.files]

    def _suffixes(self) -> frozenset[str]:
        """Return the endings of the files in a folder that are samples: those that the run itself would read there."""
        if recordings.is_audio(self.settings):
            return SOUNDS
        if self.form.facts.kind == "image":
            return images.suffixes()
        return frozenset({*_ARRAYS, *TEXT, *BINARY, ".ts", *SOUNDS})

    def _is_image(self, path: Source) -> bool:
        return isinstance(path, Member) or (self.form.facts.kind == "image" and path.suffix.lower() in images.suffixes())

    def _one(self, path: Path) -> Iterator[Piece]:
        facts, suffix = self.form.facts, bare_suffix(path)
        if is_stream(path) and facts.kind == "table":
            return self._table(Found(str(path), (path,), (path.name,)))
        if facts.tokens:
            return self._lines(path)
        if recordings.is_archive(path, self.settings):
            return self._archive(path)
        if is_array(path) and not self._is_recording(path):
            return self._array(path)
        if not is_stream(path) and _is_idx(path):
            return self._cut(str(path), values_of(path))
        if suffix in SOUNDS:
            return self._cut(str(path), recordings.sound(path, self.form.facts, self.settings, self.reading))
        if facts.kind == "sequence":
            return self._series(path)
        if facts.kind == "table":
            return self._table(Found(str(path), (path,), (path.name,)))
        raise AerunError(f"{path}: this run reads images: png, jpg, ..., npy, npz, or idx.")

    def _series(self, path: Path) -> Iterator[Piece]:
        if self.steps and not self.whole and recordings.is_streamed(path, self._own(), self.reading):
            for steps in recordings.streamed(path, self.form.facts, self._own(), self.reading, self.way):
                yield Piece(steps, str(path), 1, beside=steps.beside)
        elif self.steps:
            steps = recordings.step_series(path, self.form.facts, self._own(), self.reading, self.way)
            yield Piece(steps, str(path), 1, beside=steps.beside)
        else:
            yield from self._cut(str(path), *recordings.series(path, self.form.facts, self._own(), self.reading))

    def _own(self) -> Mapping[str, Any]:
        return {**self.settings, "key": self.key} if self.key is not None else self.settings

    def _is_recording(self, path: Path) -> bool:
        """Return whether a file of arrays is read as steps, as dataset=series does.

        Samples as the run has them, and as verbs write them, are taken as they are.
        """
        if not recordings.reads_series(self.settings):
            return False
        names, (steps, features) = names_of(path), self.form.facts.stored
        key = self.key or self.settings.get("key") or ("x" if "x" in names else None)
        shape = read_array("FILE", path, key).shape
        return shape[1:] != (steps, features) and not (features == 1 and shape[1:] == (steps,))

    def _cut(
        self, file: str, array: Any, beside: Mapping[str, Words] | None = None, told: Mapping[str, Words] | None = None
    ) -> Iterator[Piece]:
        for first in range(0, len(array), self.rows):
            part = slice(first, first + self.rows)
            columns = ({n: words[part] for n, words in (of or {}).items()} for of in (beside, told))
            yield Piece(array[part], file, first + 1, (), *columns)

    def _array(self, path: Path) -> Iterator[Piece]:
        names = names_of(path)
        columns, told = {f.name for f in self.form.features}, [n for n in self.form.told_names if n in names]
        if self.key is None and columns and columns <= set(names):
            table = {name: read_array("FILE", path, name, words=True) for name in (*columns, *told)}
            others = [n for n in columns_beside(self.settings) if n in names]
            beside = {n: as_words(read_array("FILE", path, n, words=True)) for n in others}
            yield Piece(table, str(path), 1, beside=beside)
            return
        own = self.settings.get("key")  # what the run itself read
        key = self.key or (own if own in names else "x" if "x" in names else None)
        array = source_array("FILE", path, key)
        last = self.settings.get("channels") == "last" and array.shape[1:] == self.form.facts.stored
        array = np.moveaxis(array, 3, 1) if last and array.ndim == 4 else array
        labels = str(self.settings.get("labels"))  # the array of the run's own classes
        by_name = {n: n for n in told} or {n: labels for n in self.form.told_names if n == LABEL and labels in names}
        known = {n: as_words(read_array("FILE", path, own, words=True)) for n, own in by_name.items()}
        for piece in self._cut(str(path), array, None, {n: w for n, w in known.items() if len(w) == len(array)}):
            yield piece
            forget(array)

    def _archive(self, path: Path) -> Iterator[Piece]:
        for name, samples in recordings.archive(path, self.form.facts, self.settings, self.reading):
            yield from self._cut(name, samples)

    def _lines(self, path: Path) -> Iterator[Piece]:
        """Yield lines of text that are not blank."""
        lines = (line.rstrip("\r\n") for line in lines_of(path, "utf-8"))
        numbered = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
        while part := list(islice(numbered, self.rows)):
            yield Piece([line for _, line in part], str(path), part[0][0])

    def _table(self, files: Found) -> Iterator[Piece]:
        first, last = 1, ""
        reading = self.form.reading
        if self.cells:
            reading = replace(reading, carried=reading.carried | {f.name for f in self.form.features})
        for file, frame in several.pieces("FILE", files, reading, self.rows):
            first = 1 if file != last else first
            last = file
            if self.cells and self.form.features:
                yield replace(self._written(frame, file), first=first)
                first += len(frame)
                continue
            for piece in self._cut(file, self._stored(frame), self._beside(frame)):
                yield self._columns(replace(piece, first=first))
                first += len(piece)

    def _beside(self, frame: Frame) -> dict[str, Words]:
        """Return the columns of a table that travel: those that settings name, and of h5ad files all of obs."""
        named = columns_beside(self.settings)
        names = [*named, *(n for n in frame.carried if n not in named)]
        return {n: w for n in names if (w := frame.carried.get(n)) is not None}

    def _stored(self, frame: Frame) -> Any:
        if self.form.features:
            rows, given = stored_rows(frame, self.form.features), self.form.conditions
            return (rows if given is None else torch.cat([rows, given.of(len(frame), frame)], 1)).numpy()
        wrong = [n for n, c in frame.columns.items() if c.kind != "number"]
        if wrong:
            raise AerunError(f"{frame.where(wrong[0], 0)}: is not a number, and this run was trained on numbers alone.")
        return np.stack([c.values for c in frame.columns.values()], 1)

    def _columns(self, piece: Piece) -> Piece:
        """Return rows of named columns as such."""
        if not self.form.features:
            return piece
        own = len(self.form.features)
        told = piece.x[:, own:] if piece.x.shape[1] > own else None
        return replace(piece, x=Rows(piece.x[:, :own], self.form.features, told))

    def _written(self, frame: Frame, file: str) -> Piece:
        stored, own = self._stored(frame), len(self.form.features)
        rows = WrittenRows(stored[:, :own], self.form.features, stored[:, own:] if stored.shape[1] > own else None)
        numbers = {f.name: frame.columns[f.name].values for f in self.form.features if f.kind == "number"}
        return Piece(rows.with_cells(dict(frame.carried), numbers), file, 1)

    def _images(self, paths: Sequence[Source], lenient: bool) -> Iterator[Piece]:
        """Yield samples of image files; `lenient`: a few damaged ones are left out and told, as of a folder in training."""
        facts = self.form.facts
        channels, height, width = facts.stored
        depth = depth_of(facts.unit) or 0
        if not 8 <= depth <= 16 or facts.unit != (1 << depth) - 1:
            raise AerunError(
                f"{paths[0]}: an image file, and this run was trained on values up to {facts.unit:g}; give an array."
            )
        known = self.settings.get("size") is not None or bool(self.reading.get("resize"))
        shape = images.Shape(
            channels,
            height,
            width,
            resize=known or self.resize,
            crop=self.settings.get("crop", "center") == "center",
            guessed=False,
            depth=depth,
        )
        left_out = SkippedFiles(_place(paths[0]), "images", len(paths)) if lenient else None
        reduced = 0
        for first in range(0, len(paths), self.rows):
            part = paths[first : first + self.rows]
            reduced += sum(_is_reduced(p, depth) for p in part)
            read = [(str(p), _pixels(p, shape, left_out)) for p in part]
            kept = [(name, x) for name, x in read if x is not None]
            if kept:
                names = tuple(name for name, _ in kept)
                yield Piece(np.stack([x for _, x in kept]), kept[0][0], 1, names, told=self._of_folders(names))
        if reduced:
            log.warning("%d of %d images are of 16 bits and become %d, as in training.", reduced, len(paths), depth)
        if left_out is not None:
            left_out.tell()

    def _of_folders(self, names: Sequence[str]) -> dict[str, Words]:
        """Return the classes that images are in the folders of, where the model is told them; other folders say nothing."""
        folders = np.array([Path(name).parent.name for name in names])
        classes = self.form.classes_of(LABEL)
        return {LABEL: folders} if classes and any(f in classes for f in folders) else {}


def _place(path: Source) -> str:
    return str(path.parent) if isinstance(path, Path) else path.label.partition(": ")[0]


def _is_reduced(path: Source, depth: int) -> bool:
    """Return whether an image has more bits than the run reads; of damaged ones False."""
    try:
        with images.strict():
            header = images.header(path)
    except images.UnreadableError:
        return False
    return header.lost or (header.deep and depth == 8)


def _pixels(path: Source, shape: images.Shape, left_out: SkippedFiles | None) -> Any:
    """Return the pixels; None of a damaged file that may be left out."""
    try:
        with images.strict():
            return images.read(path, shape)
    except images.UnreadableError as e:
        if left_out is not None:
            left_out.add(str(path), str(e))
            return None
        raise AerunError(f"{path}: cannot be read as an image: {e}.") from e
    except AerunError as e:
        if "dataset.size" in str(e):
            size = f"{shape.height} x {shape.width}"
            raise AerunError(f"{path}: this run was trained on images of {size}; --resize brings others to that size.") from e
        raise


def _is_idx(path: Path) -> bool:
    if bare_suffix(path) in (*TEXT, *BINARY, ".ts", h5ad.SUFFIX):
        return False
    try:
        with opened(path) as file:
            return file.read(2) == b"\0\0"
    except (OSError, EOFError) as e:
        raise AerunError(f"{path}: cannot be read: {e}.") from e


def join_samples(parts: Sequence[Any]) -> Any:
    """Return samples of several pieces as one."""
    if isinstance(parts[0], Rows):
        return Rows.of(parts)
    if isinstance(parts[0], list):
        return [x for part in parts for x in part]
    return np.concatenate(list(parts))
