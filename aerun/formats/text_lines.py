"""Lines of text files in any encoding, with or without a mark of their byte order, packed or not."""

import codecs
import io
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, Any

from aerun.core.errors import AerunError
from aerun.formats.compressed import DAMAGED, open_unpacked, packing

_LINE = 16 << 20  # bytes of a line at most
_BLOCK = 1 << 20  # bytes read at a time
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


class Lines(Iterator[str]):
    """Iterates over the lines of `texts`, each of which holds whole lines, or gives many of them at once."""

    def __init__(self, texts: Generator[str, None, None]) -> None:
        self._texts, self._now = texts, io.StringIO()

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        while not (line := self._now.readline()):
            self.give_back(next(self._texts))
        return line

    def text(self) -> str:
        """Return many lines; empty at the end."""
        return self._now.read() or next(self._texts, "")

    def close(self) -> None:
        """Close the file, where lines are left."""
        self._texts.close()

    def give_back(self, text: str) -> None:
        """Go on with these lines, where none of `texts` are left over."""
        self._now = io.StringIO(text, newline="\n")


def lines_of(path: Path, encoding: str, decoded: Callable[[str], None] | None = None) -> Lines:
    """Return the lines of `texts_of`."""
    return Lines(texts_of(path, encoding, decoded))


def texts_of(path: Path, encoding: str, decoded: Callable[[str], None] | None = None) -> Generator[str, None, None]:
    """Yield whole decoded lines of a file or of what it unpacks to, each of bounded length, one or many at a time.

    decoded: called with the name of the encoding in which the file is read, once it is known.

    `encoding` is known by any of its names. A mark of the byte order at the start says which Unicode it is, and is no part of
    the text. AerunError names the line.
    """
    name = _known(encoding)
    number, wide = 0, False
    with open_unpacked(path) as file:
        try:
            name = _marked(path, file.peek(4)[:4], name, encoding)  # type: ignore[attr-defined]
            if decoded is not None:
                decoded(name)
            wide = name.startswith(("utf-16", "utf-32"))
            lines: Iterator[Any] = _wide(file, name) if wide else _lines(file, name.removesuffix("-sig"), not path.is_file())
            for line in lines:
                if isinstance(line, tuple):
                    number += line[1]
                    yield line[0]
                    continue
                number += 1
                if number == 1 and not wide and _ends_in_returns(line):
                    raise AerunError(
                        f"{path}: its lines end in a carriage return alone, as old Macintosh programs wrote them: save it anew."
                    )
                if len(line) >= _LINE:
                    raise AerunError(f"{path}, line {number}: longer than {_LINE >> 20} MiB: not a table.")
                if ("\0" if wide else b"\0") in line:
                    raise AerunError(
                        f"{path}, line {number}: holds NUL characters: damaged there, or text in UTF-16, which "
                        "training reads with dataset.encoding=utf-16-le or utf-16-be."
                    )
                yield line if wide else line.decode(name)
                if number == 1 and name == "utf-8-sig":
                    name = "utf-8"
        except UnicodeError as e:
            why = f"{e.reason} at byte {e.start}" if isinstance(e, UnicodeDecodeError) else str(e)
            raise AerunError(
                f"{path}, line {number + wide}: not {encoding} text ({why}). Save it as UTF-8; training also reads "
                f"others: dataset.encoding=cp1252."
            ) from e
        except (*DAMAGED, OSError) as e:
            if not packing(path):
                raise
            raise AerunError(f"{path}: truncated or damaged after line {number}: {str(e).rstrip('.')}.") from e


def _lines(file: IO[bytes], name: str, piped: bool) -> Iterator[bytes | tuple[str, int]]:
    """Yield the first line, and then many in which nothing is wrong as one text and their number; piped, as they come."""
    if first := file.readline(_LINE):
        yield first
    read = file.read1 if piped else file.read  # type: ignore[attr-defined]
    while block := read(_BLOCK):
        block += b"" if block.endswith(b"\n") else file.readline(_LINE)
        try:
            text = "" if b"\0" in block or len(block) >= _LINE else block.decode(name)
        except UnicodeError:
            text = ""
        if text:
            yield text, block.count(b"\n") + (not block.endswith(b"\n"))
        else:
            yield from io.BytesIO(block)


def _ends_in_returns(line: bytes) -> bool:
    """Return whether what goes for the first line is a whole file of lines that end in a carriage return alone."""
    return not line.endswith(b"\n") and line.count(b"\r") > 1 and b'"' not in line.partition(b"\r")[0]


def _wide(file: IO[bytes], name: str) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding=name, newline="\n")
    try:
        while line := text.readline(_LINE):
            yield line
    finally:
        if not file.closed:  # by whoever left off in the middle
            text.detach()


def _marked(path: Path, head: bytes, name: str, encoding: str) -> str:
    """Return the encoding that the first bytes tell, else `name`. AerunError where the setting contradicts them."""
    detected = next((n for mark, n in _MARKS if head.startswith(mark)), None)
    if detected is None:
        return name
    if detected != name and name not in ("utf-8", "utf-8-sig", f"{detected}-le", f"{detected}-be"):
        raise AerunError(f"dataset.encoding={encoding}: {path} begins with the mark of {detected}: leave the setting out.")
    return detected


def _known(encoding: str) -> str:
    """Return python's own name of an encoding. AerunError for none of text."""
    try:
        name = codecs.lookup(encoding).name
        "a".encode(name)
    except (LookupError, UnicodeError, TypeError) as e:
        raise AerunError(f"dataset.encoding={encoding}: no such encoding; such as utf-8, cp1252, latin-1, utf-16.") from e
    if "\n".encode(name) != b"\n" and not name.startswith(("utf-16", "utf-32", "utf-8")):
        raise AerunError(f"dataset.encoding={encoding}: lines cannot be told apart in it; save the file as UTF-8.")
    return name
