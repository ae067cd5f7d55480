"""Files that are packed as a whole: gz, bz2, xz and zst."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from aerun.formats.optional import needed

PACKED = (".gz", ".bz2", ".xz", ".zst")
DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError)  # beside OSError, which bz2 and zst raise
_OPENERS: dict[str, Callable[..., object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def packing(path: Path) -> str:
    """Return the ending that says how a file is packed; empty where it is not."""
    suffix = path.suffix.lower()
    return suffix if suffix in PACKED else ""


def bare_suffix(path: Path) -> str:
    """Return the ending of a file's name in lower case, without that of its packing: .csv of x.csv.gz."""
    return path.with_suffix("").suffix.lower() if packing(path) else path.suffix.lower()


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file for reading the bytes that it unpacks to; they can be peeked at. OSError where that cannot be."""
    suffix = packing(path)
    if suffix == ".zst":
        stream = needed("pyarrow", path).input_stream(str(path), compression="zstd")
        return cast(BinaryIO, io.BufferedReader(stream))
    return cast(BinaryIO, _OPENERS.get(suffix, open)(path, "rb"))
