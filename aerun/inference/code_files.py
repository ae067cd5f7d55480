"""Codes in files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.arrays import is_array, names_of, read_array
from aerun.formats.carried import as_words
from aerun.formats.frame import Words
from aerun.formats.reading import Reading
from aerun.formats.tables import read_table
from aerun.inference.reading import Piece


def codes_of(path: Path, key: str | None, rows: int, told: Sequence[str] = ()) -> Iterator[Piece]:
    """Yield array `key` (z) of npz, npy or safetensors; columns z1, z2, ... of a table.

    told: what the model is told beforehand, in arrays or columns beside them.
    """
    beside: dict[str, Words] = {}
    if is_array(path):
        beside = {n: as_words(read_array("CODES", path, n, words=True)) for n in told if n in names_of(path)}
        name = "z" if key is None and "z" in names_of(path) else key
        array = read_array("CODES", path, name)
    else:
        reading = Reading("auto", "auto", "utf-8", loose=True, decimal=".", numeric=None, carried=frozenset(told))
        frame = read_table("CODES", path, reading)
        beside = {n: w for n in told if (w := frame.written(n)) is not None}
        names = [n for n in frame.columns if n.startswith("z") and n[1:].isdigit()] or list(frame.columns)
        if any(frame.columns[n].kind != "number" for n in names):
            raise AerunError(f"{path}: codes are numbers, in columns z1, z2, ...")
        array = np.stack([frame.columns[n].values for n in names], 1)
    if not len(array):
        raise AerunError(f"{path}: there are no codes (the input is empty).")
    for first in range(0, len(array), rows):
        part = slice(first, first + rows)
        yield Piece(array[part], str(path), first + 1, told={n: w[part] for n, w in beside.items()})
