"""Tables in memory (pandas, polars, Arrow, mappings of columns), and how they are kept in a file with all that they say."""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.binary_tables import columns_in
from aerun.formats.optional import needed

log = logging.getLogger("aerun")


def has_columns(x: Any) -> bool:
    """Return whether samples are columns by name: a data frame of pandas or polars, a table of Arrow's, or a mapping.

    Raises AerunError for a lazy frame, which has no rows yet.
    """
    if hasattr(x, "collect_schema") and not hasattr(x, "to_arrow"):
        raise AerunError("x: a lazy frame has no rows yet; x.collect() gives them.")
    return isinstance(x, Mapping) or (hasattr(x, "columns") and hasattr(x, "__getitem__"))


def write_frame(x: Any, file: BinaryIO) -> None:
    """Write columns by name as parquet: names, kinds, categories and missing values stay as they are.

    Masked arrays are missing where they are masked. The index of a pandas frame is no column, which is told where it says more
    than a row's number. Raises AerunError for columns of different lengths, and for one that is neither of numbers, dates,
    truth values nor words.
    """
    parquet = needed("pyarrow.parquet", Path("x"))
    parquet.write_table(_arrow(x), file)


@cache
def say_index(columns: tuple[str, ...]) -> None:
    """Say that the index is left out, once for frames of these columns: a grid search fits many parts of one frame."""
    log.warning("x: the index of the frame is left out of training; x.reset_index() makes it a column.")


def _arrow(x: Any) -> Any:
    pa = needed("pyarrow", Path("x"))
    index = getattr(x, "index", None)
    if index is not None and (index.name is not None or getattr(index, "dtype", None) != np.int64):
        say_index(tuple(map(str, x.columns)))
    columns = columns_in(x)
    names, lengths = list(columns), {len(c) for c in columns.values()}
    if len(lengths) != 1:
        raise AerunError(f"x: columns of lengths {sorted(lengths) or 'none'}; all columns of a table are of one length.")
    return pa.table([_column(pa, name, columns[name]) for name in names], names=names)


def _with_words(pa: Any, values: Any) -> Any:
    """Return categories that are no words as words: parquet would not keep that they are categories."""
    if not pa.types.is_dictionary(values.type) or pa.types.is_string(values.type.value_type):
        return values
    return values.cast(values.type.value_type).cast(pa.string()).dictionary_encode()


def _column(pa: Any, name: str, values: Any) -> Any:
    """Return a column as Arrow's, categories as words. AerunError names one that Arrow has no type for."""
    try:
        return _with_words(pa, _typed(pa, values))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as e:
        words = (str(e) or type(e).__name__).splitlines()[0]
        raise AerunError(f"x: column '{name}' is neither of numbers, dates nor words: {words}") from e


def _typed(pa: Any, values: Any) -> Any:
    if isinstance(values, pa.ChunkedArray):
        return values
    if hasattr(values, "to_arrow"):  # polars
        return values.to_arrow()
    if isinstance(values, np.ma.MaskedArray):
        return pa.array(np.asarray(values.data), mask=np.ma.getmaskarray(values))
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values.astype(np.float64) if values.dtype.itemsize > 8 else values, from_pandas=True)
    return pa.array(values, from_pandas=True)
