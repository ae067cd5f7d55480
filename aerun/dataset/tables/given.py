"""Splits that the names of files and folders give to the rows of a table."""

import logging
import re
from collections.abc import Sequence

import numpy as np

from aerun.core.errors import AerunError
from aerun.dataset.splits import split_name
from aerun.formats.frame import Column

SPLIT = "split by file"  # the column that they give
log = logging.getLogger("aerun")

_SHARD = re.compile(r"(.+?)[-_.]\d+-of-\d+")


def splits_by_name(where: str, names: Sequence[str]) -> list[str] | None:
    """Return the split of each file, by a folder above it or by its own name: test/a.csv, test.csv, test-00000-of-00003.csv.

    None where the names do not say it of training and of some other split. Raises AerunError where they say it of some files
    only.
    """
    splits = [_split_of(name) for name in names]
    said = {s for s in splits if s}
    if "train" not in said or len(said) < 2:
        return None
    if None in splits:
        other = names[splits.index(None)]
        raise AerunError(
            f"{where}: some files are of {', '.join(sorted(said))} by their names, and {other} is of none: move it."
        )
    return [s for s in splits if s]


def split_column(label: str, names: Sequence[str], counts: Sequence[int]) -> Column | None:
    """Return the split of each row as the names of its file say it, which is told; None where they do not.

    label: the setting that names the files. names, counts: of the files, and of the rows in each.
    """
    splits = splits_by_name(f"dataset.path={label}", names)
    if splits is None:
        return None
    words = tuple(dict.fromkeys(splits))
    log.warning("dataset.path=%s: the names of its files say which rows are for %s.", label, ", ".join(words))
    return Column("text", np.repeat([float(words.index(s)) for s in splits], counts), words)


def _split_of(name: str) -> str | None:
    *folders, file = name.split("/")
    stem = file.partition(".")[0]
    match = _SHARD.fullmatch(stem)
    words = [*folders, match[1] if match else stem]
    return next((s for s in map(split_name, words) if s), None)
