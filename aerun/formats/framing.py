"""Answers as the data frames that samples came in: of pandas, polars or Arrow, with their names, types and index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.formats.binary_tables import is_categorical

_LIBRARIES = ("pandas", "polars", "pyarrow")
_DATES = ("date", "Date", "timestamp")
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FrameFormat:
    """How a data frame is made again. library: whose it is; numbered: whether its columns are named by whole numbers.

    types: by name, of columns that are neither plain numbers nor words: `date` or `date ZONE`, `truth`, and `category` with
    the type of its words. index: that of the rows (pandas), None for answers that stand for no row that was given. categories:
    pandas' own types of the categorical columns that were given, so that answers have every category, in its order.
    """

    library: str
    types: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False
    index: Any = None
    categories: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, x: Any) -> "FrameFormat | None":
        """Return the format of a data frame; None for what is none, such as a mapping of columns."""
        library = type(x).__module__.partition(".")[0]
        if library not in _LIBRARIES or isinstance(x, Mapping):
            return None
        names = x.column_names if library == "pyarrow" else list(x.columns)
        types = {str(name): word for name in names if (word := _type_of(x[name]))}
        kept = {str(n): x[n].dtype for n in names if is_categorical(x[n])} if library == "pandas" else {}
        return cls(library, types, all(isinstance(n, int) for n in names), getattr(x, "index", None), kept)

    @classmethod
    def stored(cls, plain: Mapping[str, Any]) -> "FrameFormat | None":
        """Return what `plain` gave; None where there is nothing, or where its library is not installed here."""
        library, types = plain.get("library"), plain.get("types")
        if library not in _LIBRARIES or find_spec(str(library)) is None or not isinstance(types, Mapping):
            return None
        return cls(str(library), {str(k): str(v) for k, v in types.items()}, plain.get("numbered") is True)

    def plain(self) -> dict[str, Any]:
        """Return as plain data what a run keeps: all but the index and the categories."""
        return {"library": self.library, "types": dict(self.types), "numbered": self.numbered}

    def frame(self, columns: Columns) -> Any:
        """Return columns (n,) by name, as `told_columns` has them, as a frame."""
        module = import_module(self.library)
        made = {name: self._column(module, name, np.asarray(values)) for name, values in columns.items()}
        if self.library == "pyarrow":
            return module.table(made)
        if self.library == "polars":
            return module.DataFrame(made)
        frame = module.DataFrame({name: np.asarray(v) if isinstance(v, np.ndarray) else v for name, v in made.items()})
        if self.numbered:
            frame.columns = [int(name) if name.isdecimal() else name for name in made]
        return frame if self.index is None else frame.set_axis(self.index)

    def numbers(self, array: NDArray[Any], names: Sequence[str]) -> Any:
        """Return numbers (n, columns) as a frame with these names."""
        plain = FrameFormat(self.library, {}, False, self.index)
        return plain.frame({name: array[:, i] for i, name in enumerate(names)})

    def series(self, array: NDArray[Any], name: str) -> Any:
        """Return numbers (n,) as one column: a Series with the index and this name; of Arrow an array."""
        module = import_module(self.library)
        if self.library == "pandas":
            return module.Series(array, index=self.index, name=name)
        return module.Series(name, array) if self.library == "polars" else module.array(array)

    def _column(self, module: Any, name: str, values: NDArray[Any]) -> Any:
        kind, _, rest = self.types.get(name, "").partition(" ")
        if kind == "truth" and np.isin(values, ("True", "False")).all():
            return values == "True"
        if kind == "date" and values.dtype.kind == "U":
            return self._dates(module, values, rest)
        if kind == "category" and values.dtype.kind == "U":
            return self._categories(module, name, values, rest)
        return values

    def _dates(self, module: Any, values: NDArray[Any], zone: str) -> Any:
        """Return dates out of ISO 8601 in UTC, where empty words are none; without zone but in pandas' columns with one."""
        times = np.array([v.removesuffix("+00:00") or "NaT" for v in values.tolist()], dtype="datetime64[us]")
        if self.library != "pandas" or not zone:
            return times
        return module.Series(times).dt.tz_localize("UTC").dt.tz_convert(zone).array

    def _categories(self, module: Any, name: str, values: NDArray[Any], numbers: str) -> Any:
        if self.library == "polars":
            return module.Series(values, dtype=module.Categorical)
        if self.library == "pyarrow":
            return module.array(values.tolist()).dictionary_encode()
        words = module.Series(values.astype(object)).mask(values == "")
        if numbers and bool(words.notna().all()):
            words = words.astype(float).astype(numbers)
        given = self.categories.get(name)
        known = given is not None and bool(words.dropna().isin(given.categories).all())
        return words.astype(given if known else "category").array


def _type_of(values: Any) -> str:
    dtype = str(values.type if hasattr(values, "type") and not hasattr(values, "dtype") else values.dtype)
    if is_categorical(values):
        words = getattr(getattr(values, "cat", None), "categories", None)
        own = str(getattr(words, "dtype", ""))
        return f"category {own}".strip() if own.startswith(("int", "float")) else "category"
    if dtype.startswith(_DATES):
        return f"date {dtype.partition(', ')[2].rstrip(']')}".strip() if dtype.startswith("datetime64") else "date"
    return "truth" if dtype.lower().startswith("bool") else ""
