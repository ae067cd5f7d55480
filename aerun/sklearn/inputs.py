"""X and sample weights, as scikit-learn's callers give them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from aerun.formats.binary_tables import columns_in
from aerun.formats.frames import has_columns

Array = NDArray[Any]


def training(estimator: Any, X: Any, table: bool) -> tuple[Any, list[str] | None]:  # noqa: N803
    """Return X to train on, and the names of its columns where the model is to read a table, else None.

    A data frame is columns by its names. An array with words, with missing values or, if `table` says so, any is columns x0,
    x1, ...; else it is an array, and always so where samples have a `shape`.
    """
    if _is_frame(X) and estimator.shape is None:
        columns = _columns(estimator, X, reset=True)
        return columns, list(columns)
    array = _array(estimator, X, reset=True)
    if estimator.shape is None and (table or array.dtype.kind in "OM" or np.isnan(array).any()):
        names = [f"x{i}" for i in range(array.shape[1])]
        return _named(array, names), names
    if array.dtype.kind in "OM":
        raise ValueError(f"X holds words or dates, and shape={estimator.shape} asks for numbers.")
    return array, None


def asked(estimator: Any, X: Any, names: list[str] | None) -> Any:  # noqa: N803
    """Return X as a fitted model reads it: columns by name where `names` are those of its table, else an array."""
    titled = names is not None and _is_frame(X) and set(names) <= {str(n) for n in _titles(X)}
    if titled or (_is_frame(X) and names is not None and hasattr(estimator, "feature_names_in_")):
        return _columns(estimator, X, reset=False)
    array = _array(estimator, X, reset=False)
    if names is not None:
        return _named(array, names)
    if array.dtype.kind in "OM":
        raise ValueError("X holds words or dates, and this estimator was fitted on numbers.")
    return array


def weights(sample_weight: Any, n: int) -> Array | None:
    """Return weights (n,) in 64 bits, None for None. Raises ValueError for others, negative ones, and where all are 0."""
    if sample_weight is None:
        return None
    array = check_array(sample_weight, ensure_2d=False, dtype=np.float64, ensure_min_samples=0, input_name="sample_weight")
    array = np.full(n, float(array)) if array.ndim == 0 else array
    if array.shape != (n,):
        raise ValueError(f"sample_weight.shape == {array.shape}, expected {(n,)}!")
    if (array < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`")
    if (array > 0).sum() < 2:
        raise ValueError("sample_weight: at least two samples need a weight above 0; where all are zero none would count.")
    return array


def length(x: Any) -> int:
    """Return the number of samples."""
    return len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)


def rows(x: Any, kept: NDArray[np.bool_]) -> Any:
    """Return the samples that are kept (n,), all else as it is."""
    if kept.all():
        return x
    if not isinstance(x, Mapping):
        return x[kept]
    return {name: column.filter(kept) if hasattr(column, "filter") and not hasattr(column, "loc") else column[kept]
            for name, column in x.items()}  # fmt: skip


def _is_frame(X: Any) -> bool:  # noqa: N803
    return has_columns(X) and not isinstance(X, Mapping)  # some sparse matrices are mappings


def _titles(X: Any) -> list[Any]:  # noqa: N803
    return list(X.column_names if hasattr(X, "column_names") else X.columns)


def _columns(estimator: Any, X: Any, reset: bool) -> dict[str, Any]:  # noqa: N803
    columns = columns_in(X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if len(X) < 1 + reset:
        raise ValueError(f"Found array with {len(X)} sample(s) while a minimum of {1 + reset} is required.")
    return columns


def _array(estimator: Any, X: Any, reset: bool) -> Array:  # noqa: N803
    """Return X (n, D) as 32- or 64-bit numbers, NaN where missing, as dates, or as objects where some are words or dates.

    Raises ValueError for durations, and for masked elements, whose masks scikit-learn would drop.
    """
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        raise ValueError("X: a masked array contains missing values. Write NaN there (see dataset.missing).")
    array = validate_data(
        estimator, X, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=1 + reset, reset=reset
    )  # fmt: skip
    if array.dtype.kind == "m":
        raise ValueError(f"X: holds {array.dtype}, not numbers; X / np.timedelta64(1, 's') are seconds.")
    if array.dtype in (np.float32, np.float64) or array.dtype.kind == "M":
        return np.asarray(array)
    if array.dtype.kind not in "OUS":
        return np.asarray(array.astype(np.float64))
    cells = array.astype(object)
    cells[np.frompyfunc(_is_missing, 1, 1)(cells).astype(bool)] = np.nan
    words = any(isinstance(c, str | bytes) or hasattr(c, "isoformat") for c in cells.flat)
    return cells if words else np.asarray(cells.astype(np.float64))


def _named(array: Array, names: list[str]) -> dict[str, Any]:
    """Return the columns of an array by name; of objects each as plain values, which aerun reads as numbers, words or dates."""
    if array.dtype.kind != "O":
        return dict(zip(names, array.T, strict=True))
    return {name: _plain(array[:, i].tolist()) for i, name in enumerate(names)}


def _plain(cells: list[Any]) -> Array:
    """Return numbers where all cells are some; else words, empty where missing."""
    if all(isinstance(c, int | float) and not isinstance(c, bool) for c in cells):
        return np.array(cells, dtype=np.float64)
    words = ["" if _is_missing(c) else c.isoformat() if hasattr(c, "isoformat") else str(c) for c in cells]
    return np.array(words, dtype=object)


def _is_missing(cell: Any) -> bool:
    """Return whether a cell is None, NaN, or pandas' NA or NaT."""
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    return cell is None or type(cell).__name__ in ("NAType", "NaTType")
