"""Annotated matrices in h5ad files, as single-cell work has them, read by anndata."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.carried import as_words
from aerun.formats.frame import Frame
from aerun.formats.hdf5 import refuse_damaged
from aerun.formats.limits import typed_size
from aerun.formats.optional import needed
from aerun.formats.reading import Reading
from aerun.formats.tables import from_columns

SUFFIX = ".h5ad"
_SHOWN = 5

log = logging.getLogger("aerun")


def read(key: str, path: Path, reading: Reading) -> Frame:
    """Return X, dense or sparse, as columns named as the variables are, and the columns of obs that settings name.

    All other columns of obs are no features and travel; the index of obs is the column `obs_names`. AerunError for a damaged
    file, for a variable that is also a column of obs, and for what does not fit into memory.
    """
    if not path.is_file():
        raise AerunError(f"{key}={path}: {'is a folder' if path.is_dir() else 'no such file'}.")
    data = _opened(path)
    rows, names = int(data.n_obs), [str(n) for n in data.var_names]
    refuse_beyond(str(path), typed_size(rows, len(names)))
    about = {"obs_names": np.asarray(data.obs_names.astype(str), dtype=object), **{str(n): data.obs[n] for n in data.obs}}
    if twice := set(about) & set(names):
        raise AerunError(f"{path}: '{min(twice)}' is a variable and a column of obs: rename one.")
    asked = reading.text | reading.carried | (reading.numeric or frozenset()) | frozenset(reading.formats)
    chosen = {n: values for n, values in about.items() if n in asked}
    others = [n for n in about if n not in chosen and n != "obs_names"]
    if others and not reading.formats:
        shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        log.warning(
            "%s: %d columns of obs are no features, and travel (%s): dataset.label=NAME uses one.", path, len(others), shown
        )
    frame = from_columns({**_columns(path, data, names), **chosen}, str(path), rows, reading)
    carried = {n: as_words(list(values)) for n, values in about.items() if n not in frame.columns}
    return Frame(frame.columns, frame.files, frame.reading, {**frame.carried, **carried})


def _opened(path: Path) -> Any:
    anndata = needed("anndata", path, "h5")
    refuse_damaged(path)
    try:
        return anndata.read_h5ad(path)
    except Exception as e:  # h5py and anndata let through whatever damaged bytes make them do
        raise AerunError(f"{path}: not an h5ad file, or damaged: {(str(e) or type(e).__name__).splitlines()[0]}") from e


def _columns(path: Path, data: Any, names: list[str]) -> dict[str, Any]:
    """Return each variable's values (n,), from a dense or a sparse matrix."""
    if len(set(names)) < len(names):
        raise AerunError(f"{path}: two variables are named '{next(n for n in names if names.count(n) > 1)}'.")
    matrix = data.X
    if matrix is None:
        raise AerunError(f"{path}: has no matrix X.")
    if hasattr(matrix, "tocsc"):
        try:
            matrix.check_format(full_check=True)  # places outside of the matrix would take the process down
        except ValueError as e:
            raise AerunError(f"{path}: damaged: the sparse matrix X: {e}.") from e
        matrix = matrix.tocsc()
        return {n: np.asarray(matrix[:, [i]].toarray()).ravel() for i, n in enumerate(names)}
    return {n: np.asarray(matrix[:, i]) for i, n in enumerate(names)}
