"""Rows of numbers in parquet files: a column of lists of one length, or a column for each number."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.arrow_files import in_words
from aerun.formats.copied import Array, Pieces, identity, kept
from aerun.formats.optional import needed

_ROWS = 4096  # of a piece


def unpacked(path: Path, key: str | None, folder: Path) -> Path:
    """Return the npy file in the cache that holds the rows of a parquet file as 32-bit numbers, once it is there.

    key: the column of lists; None: the only one, else all columns, which are numbers. Raises AerunError for another file.
    """
    with in_words(f"{path}: not a parquet file, or"):
        file = needed("pyarrow.parquet", path).ParquetFile(path)
        names = _columns(path, file, key)
        rows = file.metadata.num_rows
        first = next(_pieces(path, file, names), None)
        if first is None or not rows:
            raise AerunError(f"{path}: holds no rows.")
        in_turn = _InTurn(_pieces(path, file, names))
        about = identity(path, *names, "rows")
        pieces = Pieces(str(path), (rows, first.shape[1]), np.dtype(np.float32), in_turn, about)
        name = f"{blake2b(repr(about).encode(), digest_size=10).hexdigest()}.npy"
        return kept(name, pieces, folder)


class _InTurn:
    """Rows by their numbers, asked for from front to back, out of pieces of other sizes."""

    def __init__(self, pieces: Iterator[Array]) -> None:
        self.pieces, self.left = pieces, list[Array]()

    def __call__(self, first: int, last: int) -> Array:
        while sum(len(part) for part in self.left) < last - first:
            self.left.append(next(self.pieces))
        rows = np.concatenate(self.left)
        self.left = [rows[last - first :]]
        return rows[: last - first]


def _columns(path: Path, file: Any, key: str | None) -> list[str]:
    pa = needed("pyarrow", path)
    types = {field.name: field.type for field in file.schema_arrow}
    lists = [n for n, t in types.items() if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t)]
    if key is not None:
        if key not in types:
            raise AerunError(f"{path}: there is no column {key}; it has {', '.join(list(types)[:10])}.")
        return [key]
    if len(lists) > 1:
        raise AerunError(f"{path}: holds {len(lists)} columns of lists ({', '.join(lists[:10])}): dataset.key=NAME says which.")
    if not lists and (other := [n for n, t in types.items() if not pa.types.is_floating(t)]):
        raise AerunError(f"{path}: column {other[0]} holds {types[other[0]]}, no activations. dataset.key=NAME says which do.")
    return lists or list(types)


def _pieces(path: Path, file: Any, names: list[str]) -> Iterator[Array]:
    """Yield rows (m, D) of a file from its first one on."""
    width = 0
    for batch in file.iter_batches(batch_size=_ROWS, columns=names):
        column = batch.column(0)
        if column.type.num_fields == 1:
            lengths = {len(row) if row.is_valid else -1 for row in column} if batch.num_columns == 1 else {-1}
            if len(lengths) != 1 or lengths == {-1}:
                raise AerunError(f"{path}: column {names[0]} holds rows of several lengths, or missing ones.")
            rows = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
        else:
            rows = np.stack([c.to_numpy(zero_copy_only=False) for c in batch.columns], 1)
        width = width or rows.shape[1]
        if rows.shape[1] != width:
            raise AerunError(f"{path}: column {names[0]} holds rows of several lengths: {width} and {rows.shape[1]}.")
        yield rows.astype(np.float32)
