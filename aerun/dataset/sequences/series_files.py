"""Which files a data set of series is in, and how each is read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.dataset.sequences import recorded
from aerun.dataset.sequences.recorded import Recorded
from aerun.dataset.storage import listing
from aerun.formats.arrays import SUFFIXES as ARRAYS
from aerun.formats.arrays import Array, is_array, names_of, read_array
from aerun.formats.compressed import PACKED
from aerun.formats.frame import Column, Frame
from aerun.formats.limits import KEPT
from aerun.formats.reading import Reading, duplicates
from aerun.formats.tables import BINARY, TEXT, read_table, table_pieces
from aerun.formats.ts import series_of

_FIRST = 1000  # rows of a table that say what the columns of a series that is read in pieces hold
CLASS, SPLIT = "class", "split by folder"  # columns that files of series and folders give themselves
SUFFIXES = frozenset({*TEXT, *BINARY, ".ts", *ARRAYS, *(f"{t}{p}" for t in (*TEXT, ".npy") for p in PACKED)})


@dataclass(frozen=True)
class Layout:
    """How files are read.

    wide: a row is a whole series. roles: the columns that settings name, by setting: no steps and no features. key: of arrays.
    """

    reading: Reading
    wide: bool
    group: str | None
    roles: Mapping[str, str]
    key: str | None

    def read(self, setting: str, path: Path) -> Recorded:
        """Return one file. AerunError for what is wrong with it."""
        suffix = path.suffix.lower()
        if path.is_file() and suffix == ".ts":
            return self._kept(self._ts(path))
        if is_array(path):
            return self._kept(self._array(setting, path))
        return self._of_table(read_table(setting, path, self.reading))

    def read_others(self, setting: str, path: Path) -> Recorded:
        """Return a further file, in which columns that settings name may be missing."""
        if is_array(path) or path.suffix.lower() == ".ts":
            there = set(names_of(path)) if is_array(path) else set()
            return self._with_roles(there).read(setting, path)
        frame = read_table(setting, path, self.reading)
        return self._with_roles(set(frame.columns))._of_table(frame)

    def pieces(self, setting: str, path: Path, features: Sequence[str], rows: int) -> Iterator[Recorded]:
        """Yield one series of a further file, see `read_others`, in pieces of `rows` steps: what is larger is never held."""
        if is_array(path):
            own = replace(self, roles={}, group=None)
            for first in range(0, own._array_of(setting, path).shape[0], rows):
                yield own._kept(own._array(setting, path, slice(first, first + rows)))
            return
        known = next(table_pieces(setting, path, self.reading, _FIRST)).reading
        formats = {n: k for n, k in (known.formats if known else {}).items() if n in features}
        for frame in table_pieces(setting, path, replace(self.reading, formats=formats), rows):
            yield recorded.long(frame, None)

    def _with_roles(self, there: Collection[str]) -> "Layout":
        """Return a layout of a file that has these columns, or arrays, alone."""
        roles = {k: n for k, n in self.roles.items() if n in there}
        return replace(self, roles=roles, group=self.group if self.group in roles.values() else None)

    def _of_table(self, frame: Frame) -> Recorded:
        for setting, name in self.roles.items():
            frame.column(f"dataset.{setting}", name)
        return recorded.wide(frame, self.group, list(self.roles.values())) if self.wide else recorded.long(frame, self.group)

    def _ts(self, path: Path) -> Recorded:
        if self.roles:
            setting, name = next(iter(self.roles.items()))
            raise AerunError(f"dataset.{setting}={name}: a .ts file has no columns, and its class last in each series: {path}.")
        lines = series_of(path, self.reading.encoding)
        labelled = any(line.label for line in lines) and CLASS not in self.reading.drop
        for number, line in enumerate(lines, 1) if labelled else ():
            if not line.label:
                raise AerunError(
                    f"{path}: series {number} has no class, and others have one. Mend it, or dataset.drop=[{CLASS}]."
                )
        about = {CLASS: _words([line.label for line in lines])} if labelled else {}
        return recorded.melted([li.values for li in lines], about, str(path), None, CLASS if labelled else None)

    def _array_of(self, setting: str, path: Path) -> Array:
        return read_array(setting, path, "x" if self.key is None and "x" in names_of(path) else self.key)

    def _array(self, setting: str, path: Path, rows: slice = slice(None)) -> Recorded:
        names, x = names_of(path), self._array_of(setting, path)[rows]
        if x.ndim not in (1, 2, 3) or not x.size:
            raise AerunError(f"{path}: an array of shape {x.shape}; series are (T, F), or (n, T) or (n, T, F) of them.")
        _refuse_infinite(path, x)
        about = {n: _column(path, read_array(setting, path, n, words=True), len(x)) for n in self._inside(path, names)}
        if x.ndim == 3 or self.wide:
            series = [np.asarray(s, dtype=np.float64).reshape(len(s), -1) for s in x]
            return recorded.melted(series, about, str(path), self.group)
        values = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
        features = {f"f{i}": Column("number", v) for i, v in enumerate(values.T, 1)}
        return recorded.long(Frame({**features, **about}, ((str(path), len(x)),)), self.group)

    def _inside(self, path: Path, names: list[str]) -> tuple[str, ...]:
        for setting, name in self.roles.items():
            if name not in names:
                present = ", ".join(names) or "one, without a name"
                raise AerunError(f"dataset.{setting}={name}: {path} has no such array; it holds {present}.")
        return tuple(self.roles.values())

    def _kept(self, whole: Recorded) -> Recorded:
        """Return without the columns to drop, which tables leave out as they are read."""
        drop = self.reading.drop
        for name in () if self.reading.loose else sorted(drop - {CLASS}):
            whole.frame.column("dataset.drop", name)
        return replace(whole, frame=Frame({n: c for n, c in whole.frame.columns.items() if n not in drop}, whole.frame.files))

    def folder(self, root: Path, where: str, shares: tuple[float, float] | None) -> Recorded:
        """Return a file a series, or more. Folders are classes or splits, as for images; shares None: they are no splits."""
        files, others = listing.scan(root, SUFFIXES)
        if not files:
            raise AerunError(f"{where}: no series are there ({others} other files).")
        names = [f.name for f in files]
        return self.several([root / n for n in names], names, where, shares)

    def several(self, paths: Sequence[Path], names: Sequence[str], where: str, shares: tuple[float, float] | None) -> Recorded:
        """Return the series of several files, whose names may have folders; see `folder`. All are held in memory.

        AerunError where they do not fit.
        """
        parts, size = list[Recorded](), 0.0
        for path in paths:
            parts.append(part := self.read("dataset.path", path))
            size += KEPT * float(len(part.frame)) * len(part.frame.columns)
            refuse_beyond(f"{where}, the first {len(parts)} of {len(paths)} files (series are held in memory)", size)
        joined = recorded.together(parts)
        counts = [len(part.frame) for part in parts]
        if shares is None or len(parts) == 1:
            labels, classes = listing.classes_of(names, where)
            columns = dict(joined.frame.columns)
        else:
            listed = listing.arrange(names, where, *shares)
            labels, classes = listed.labels, listed.classes
            number = np.empty(len(names))
            for k, rows in enumerate(listed.parts):
                number[rows.numpy()] = k
            split = Column("text", np.repeat(number, counts), ("train", "val", "test"))
            columns = {**joined.frame.columns, SPLIT: split}
        if labels is None:
            return replace(joined, frame=replace(joined.frame, columns=columns))
        columns[CLASS] = Column("text", np.repeat(labels.numpy().astype(np.float64), counts), classes)
        return replace(joined, frame=replace(joined.frame, columns=columns), label=CLASS)


def _words(words: list[str]) -> Column:
    place = {w: float(i) for i, w in enumerate(dict.fromkeys(words))}
    return Column("text", np.array([place[w] for w in words]), tuple(place))


def _column(path: Path, array: Array, count: int) -> Column:
    """Return an array (n,) of numbers or words about steps or series."""
    if array.shape != (count,):
        raise AerunError(f"{path}: an array of shape {array.shape} for {count} rows.")
    return _words([str(w) for w in array]) if array.dtype.kind == "U" else Column("number", array.astype(np.float64))


def _refuse_infinite(path: Path, x: Array) -> None:
    wrong = np.isinf(x) if x.dtype.kind == "f" else np.zeros((), dtype=bool)
    if wrong.any():
        at = tuple(int(i) + 1 for i in np.argwhere(wrong)[0])
        raise AerunError(f"{path}: element {at} is infinite.")


def columns_named(**settings: str | None) -> dict[str, str]:
    """Return columns that settings name, by setting. AerunError for one that is named by two."""
    named = {key: name for key, name in settings.items() if name is not None}
    if twice := duplicates(named.values()):
        keys = " ".join(f"dataset.{k}={v}" for k, v in settings.items() if v == twice[0])
        raise AerunError(f"{keys}: a column is one thing.")
    return named
