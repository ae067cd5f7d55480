"""Lines of a text file or of standard input as they arrive: whole records, never half of one."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from aerun.core.errors import AerunError

_BYTES = 1 << 20  # read at a time
_PAUSE = 0.2  # seconds between two looks at a file


class Arriving:
    """The records of `name`, each a line or, where quotes span several, those lines; bytes with their line ends.

    quoted: whether quotes hold line ends together, as in csv. `rest` is what stood behind the last line end when the input
    ended: no record.
    """

    def __init__(self, name: str, quoted: bool = True) -> None:
        self.name, self.quoted, self.rest = name, quoted, b""

    def batches(self) -> Iterator[list[bytes]]:
        """Yield the records that have arrived since, until standard input ends; a file is followed until an interrupt."""
        try:
            for part in _read(self.name):
                self.rest += part
                if batch := self._whole():
                    yield batch
        except OSError as e:
            raise AerunError(f"{self.name}: cannot be read: {e.strerror or e}.") from e

    def _whole(self) -> list[bytes]:
        """Return the records that are complete, and keep what is not."""
        records, record = list[bytes](), b""
        for line in self.rest.splitlines(keepends=True):
            record += line
            if line.endswith(b"\n") and not (self.quoted and record.count(b'"') % 2):
                records.append(record)
                record = b""
        self.rest = record
        return records


def _read(name: str) -> Iterator[bytes]:
    if name == "-":
        while part := os.read(0, _BYTES):
            yield part
        return
    path = Path(name).expanduser()
    if not path.is_file():
        raise AerunError(f"{name}: there is no such file; --follow reads one file that grows, or - for standard input.")
    with path.open("rb") as file:
        at = 0
        while True:
            if path.stat().st_size < at:
                raise AerunError(f"{name}: has become shorter than what was read of it.")
            if part := file.read(_BYTES):
                at += len(part)
                yield part
            else:
                time.sleep(_PAUSE)
