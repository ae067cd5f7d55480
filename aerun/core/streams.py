"""Standard output and error whose readers may go away, as in `aerun ... | head`, without ending the work."""

import errno
import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

STDOUT = ("-", "jsonl:-")


class _Patient(io.FileIO):
    """A stream of the process that drops what nobody reads any more."""

    gone = False

    def write(self, data: "Buffer", /) -> int:
        """Write `data`, or drop it where the other end is closed."""
        if not self.gone:
            try:
                return super().write(data)
            except OSError as e:
                if not _closed(e, self.fileno()):
                    raise
                self.gone = True
                _to_nowhere(self.fileno())  # so that libraries that write to it directly do not fail either
        return len(memoryview(data).cast("B"))


def outlive_readers() -> None:
    """Let this process go on where the readers of its output and of its errors go away.

    Streams that were replaced before are left alone.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__") or _raw(stream) is None:
            continue
        stream.flush()
        raw = _Patient(stream.fileno(), "wb", closefd=False)
        unbuffered = isinstance(stream.buffer, io.RawIOBase)
        below: Any = raw if unbuffered else io.BufferedWriter(raw)
        patient = io.TextIOWrapper(
            below, stream.encoding, stream.errors, line_buffering=stream.line_buffering, write_through=stream.write_through
        )
        setattr(sys, name, patient)
        setattr(sys, f"__{name}__", patient)


def reader_is_gone() -> bool:
    """Return whether nobody reads standard output any more."""
    return isinstance(raw := _raw(sys.stdout), _Patient) and raw.gone


def refuse_no_reader() -> None:
    """Write out what standard output holds. BrokenPipeError where nobody reads it any more."""
    sys.stdout.flush()
    if reader_is_gone():
        raise BrokenPipeError


def is_stdout(output: str | None) -> bool:
    """Return whether an output is standard output by its name: as csv, or as records in JSON."""
    return output in STDOUT


def _raw(stream: object) -> object:
    """Return the byte stream below a text stream, None where there is none."""
    below = getattr(stream, "buffer", None)
    return getattr(below, "raw", below)


def _closed(e: OSError, number: int) -> bool:
    """Return whether an error says that the reader of a pipe has ended or that the terminal has been closed."""
    return e.errno == errno.EPIPE or (e.errno == errno.EIO and stat.S_ISCHR(os.fstat(number).st_mode))


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, number)
    finally:
        os.close(nowhere)
