"""Columns that their container types: of Arrow's tables, of pandas and polars, and arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.codes import EXACT
from aerun.formats.column import finite
from aerun.formats.frame import Column, Values
from aerun.formats.optional import needed
from aerun.formats.reading import duplicates


def is_categorical(values: Any) -> bool:
    """Return whether a column's container calls its values categories: Arrow's dictionaries, pandas' and polars' categories."""
    if type(values).__module__.startswith("pyarrow"):
        return str(values.type).startswith("dictionary")
    return str(getattr(values, "dtype", "")).partition("(")[0] in ("category", "Categorical", "Enum")


def typed_column(file: str, name: str, values: Any, codes: bool = False) -> Column | list[Any]:
    """Return a column that its container types as numbers, dates or truth values; the cells of any other as a list.

    codes: whole numbers that 64-bit floats would not keep are words, as they are in a text file.
    """
    if type(values).__module__.startswith("pyarrow"):
        return _of_arrow(file, name, values, codes)
    if is_categorical(values):
        return list(values.to_list() if hasattr(values, "to_list") else values)
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()
    array = np.asarray(values)
    if array.ndim != 1:
        raise AerunError(f"{file}: column '{name}' is of shape {array.shape}; a column is (n,).")
    if codes and array.dtype.kind in "iu" and array.size and int(array.max()) > EXACT and int(array.min()) >= 0:
        return [str(v) for v in array.tolist()]
    if array.dtype.kind in "iuf":
        return Column("number", finite(file, name, array.astype(np.float64)))
    if array.dtype.kind == "b":
        return _truth(array.astype(np.float64))
    if array.dtype.kind == "M":
        gone = np.isnat(array)
        return Column("date", np.where(gone, np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6))
    if array.dtype.kind not in "OUS":
        raise AerunError(f"{file}: column '{name}' holds {array.dtype}: neither numbers, dates nor text.")
    return list(values.to_list() if hasattr(values, "to_list") else array.tolist())


def _truth(values: Values) -> Column:
    """Return true and False are words, as they are in a text file."""
    return Column("text", np.where(np.isnan(values), np.nan, values), ("False", "True"))


def _of_arrow(file: str, name: str, values: Any, codes: bool = False) -> Column | list[Any]:
    import pyarrow as pa

    t, is_ = values.type, pa.types
    try:
        if is_.is_dictionary(t):
            return list(values.to_pylist())
        if is_.is_timestamp(t) or is_.is_date(t):
            to = pa.timestamp("us", tz=t.tz if is_.is_timestamp(t) else None)
            return Column("date", _doubles(values.cast(to, safe=False).cast(pa.int64())) / 1e6)
        if is_.is_boolean(t):
            return _truth(_doubles(values.cast(pa.uint8())))
        if codes and is_.is_integer(t) and _beyond_exact(values):
            return list(values.cast(pa.string()).to_pylist())
        if is_.is_null(t) or is_.is_integer(t) or is_.is_floating(t) or is_.is_decimal(t):
            return Column("number", finite(file, name, _doubles(values)))
        if is_.is_string(t) or is_.is_large_string(t) or str(t) == "string_view":
            return list(values.to_pylist())
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as e:
        raise AerunError(f"{file}: column '{name}' ({t}) cannot be read: {str(e).splitlines()[0]}") from e
    raise AerunError(
        f"{file}: column '{name}' holds {t}: neither numbers, dates nor text. dataset.drop=[{name}] leaves it out."
    )


def _beyond_exact(values: Any) -> bool:
    """Return whether whole numbers, none of them negative, are too large for 64-bit floats to tell apart."""
    extremes = needed("pyarrow.compute", Path()).min_max(values).as_py()
    return extremes["max"] is not None and extremes["max"] > EXACT and extremes["min"] >= 0


def _doubles(values: Any) -> Values:
    """Return values as float64, NaN where there is none."""
    import pyarrow as pa

    return np.array(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def columns_in(x: Any) -> dict[str, Any]:
    """Return the columns by name of a mapping or of a data frame (pandas, polars, Arrow).

    Columns that pandas keeps sparse are filled, and intervals are words. Raises AerunError where two columns have one name, and
    where there are none.
    """
    names = list(x.column_names if hasattr(x, "column_names") else x.keys() if isinstance(x, Mapping) else x.columns)
    if twice := duplicates(str(n) for n in names):
        raise AerunError(f"x: two columns are named '{twice[0]}'.")
    if not names:
        raise AerunError("x: has no columns.")
    return {str(name): _plain(x[name]) for name in names}


def _plain(column: Any) -> Any:
    kind = str(getattr(column, "dtype", ""))
    if kind.startswith("Sparse"):
        return column.sparse.to_dense()
    if kind == "category" and str(column.cat.categories.dtype).startswith("interval"):
        return column.cat.rename_categories(str)
    return column
