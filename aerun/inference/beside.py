"""What is to be said of an output and has no place in it: OUTPUT.notes.json, in one rule for all verbs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.files import remove, replaced
from aerun.core.streams import is_stdout
from aerun.formats.writing.output import TABLES
from aerun.inference.notes import Notes, together

_MOST = 100_000  # rows that are listed one by one


def has_columns_beside(output: str) -> bool:
    """Return whether an output of rows has columns for what is unusual in each of them."""
    return is_stdout(output) or Path(output).suffix.lower() in TABLES


class Beside:
    """Collects what is unusual in samples, and what was told while they were read, for the file beside an output.

    told: lines that were logged meanwhile, such as sounds that were cut off at full scale. in_rows: the output itself has what
    is unusual in each row.
    """

    def __init__(self, output: str, in_rows: bool) -> None:
        self.output, self.in_rows = output, in_rows
        self.told: list[str] = []
        self._done, self._rows = 0, dict[str, list[NDArray[np.int64]]]()
        self._counts: list[Mapping[str, Mapping[str, int]]] = []

    def add(self, notes: Sequence[Notes]) -> None:
        """Take what is to be said of the next samples; of pairs, of both sides."""
        samples = 0
        for part in notes:
            self._counts.append(part.counts())
            rows = part.rows()
            samples = len(next(iter(rows.values())))
            odd = np.flatnonzero(np.sum(list(rows.values()), 0))
            self._rows.setdefault("sample", []).append(odd + 1 + self._done)
            for kind, count in rows.items():
                self._rows.setdefault(kind, []).append(count[odd])
        self._done += samples

    def write(self) -> Path | None:
        """Write the file beside the output, and return it; nothing where there is nothing to say.

        A file that an earlier output of the same name left is then removed. Raises AerunError where it cannot be written.
        """
        if is_stdout(self.output):
            return None
        path = Path(f"{self.output.rstrip('/')}.notes.json").expanduser()
        content = self._content()
        try:
            if not content:
                remove(path)
                return None
            with replaced(path) as file:
                file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())
        except OSError as e:
            raise AerunError(f"{path}: cannot be written: {e.strerror or e}.") from e
        return path

    def _content(self) -> dict[str, Any]:
        counts = {kind: by_column for kind, by_column in together(self._counts).items() if by_column}
        content: dict[str, Any] = {"told": self.told} if self.told else {}
        if counts and not self.in_rows:
            rows = {kind: np.concatenate(parts) for kind, parts in self._rows.items()}
            content |= {"cells": counts, "rows": {k: v[:_MOST].tolist() for k, v in rows.items()}}
            if len(rows["sample"]) > _MOST:
                content["rows_left_out"] = len(rows["sample"]) - _MOST
        return content
