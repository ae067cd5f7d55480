"""Damaged files, one reader after the other: `python scripts/fuzz_readers.py [--formats csv xlsx] [--count 2000] [--seed 0]`.

Each file is a sound one that was cut short, had bytes changed, doubled or taken out, or parts of it put elsewhere. Reading it
must give data or an AerunError: no other error, no hang (a limit of seconds a file), and no more than a limit of memory. Shown:
files read, files refused, the longest time, and how much memory the process grew. Exit code 1 where a reader failed.

A format is a function from a random generator to a sound file's bytes, with its name's end and its reader, in `FORMATS`.
"""

import argparse
import io
import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError

Generator = np.random.Generator
SECONDS, GROWTH = 20, 2000  # a file's time; megabytes that the process may grow in all


@dataclass(frozen=True)
class Format:
    """sound: the bytes of a good file. suffix: of its name. read: what is called with its path."""

    sound: Callable[[Generator], bytes]
    suffix: str
    read: Callable[[Path], Any]


def read_as_table(path: Path) -> Any:
    """As `dataset=table` reads it."""
    from aerun.formats.reading import Reading
    from aerun.formats.tables import read_table

    return read_table("dataset.path", path, Reading("auto", "auto", "utf-8"))


def columns(g: Generator, n: int = 30) -> dict[str, list[Any]]:
    """Numbers with gaps, words, dates and truth values."""
    from datetime import datetime, timedelta

    return {
        "a": [None if i % 7 == 0 else float(v) for i, v in enumerate(g.normal(size=n))],
        "kind": [["red", "green", "blue"][k] for k in g.integers(0, 3, n)],
        "day": [datetime(2024, 1, 1) + timedelta(days=int(d)) for d in g.integers(0, 300, n)],
        "ok": [bool(b) for b in g.integers(0, 2, n)],
    }


def csv_file(g: Generator) -> bytes:
    """Several dresses: delimiter, decimal sign, percent, quotes, byte order mark."""
    delimiter, decimal = [(",", "."), (";", ","), ("\t", "."), ("|", ".")][int(g.integers(4))]
    table = columns(g)
    lines = [delimiter.join(["a", "share", "kind", "day", "ok"])]
    for a, kind, day, ok in zip(*table.values(), strict=True):
        number = "" if a is None else f"{a:.3f}".replace(".", decimal)
        lines.append(delimiter.join([number, f"{int(g.integers(100))}%", f'"{kind}"', f"{day:%Y-%m-%d}", str(ok)]))
    return ("\n".join(lines) + "\n").encode(["utf-8", "utf-8-sig", "utf-16"][int(g.integers(3))])


def xlsx_file(g: Generator) -> bytes:
    """One sheet."""
    import openpyxl

    book, table, out = openpyxl.Workbook(), columns(g), io.BytesIO()
    for row in [list(table), *zip(*table.values(), strict=True)]:
        book.active.append(list(row))
    book.save(out)
    return out.getvalue()


def parquet_file(g: Generator) -> bytes:
    """With a dictionary, and in one of several compressions."""
    import pyarrow as pa
    from pyarrow import parquet

    table, out = pa.table(columns(g)), io.BytesIO()
    parquet.write_table(table, out, compression=["snappy", "zstd", "none", "gzip"][int(g.integers(4))])
    return out.getvalue()


def feather_file(g: Generator) -> bytes:
    """Compressed or not."""
    import pyarrow as pa
    from pyarrow import feather

    out = io.BytesIO()
    feather.write_feather(pa.table(columns(g)), out, compression=["lz4", "zstd", "uncompressed"][int(g.integers(3))])
    return out.getvalue()


FORMATS: dict[str, Format] = {
    "csv": Format(csv_file, ".csv", read_as_table),
    "xlsx": Format(xlsx_file, ".xlsx", read_as_table),
    "parquet": Format(parquet_file, ".parquet", read_as_table),
    "feather": Format(feather_file, ".feather", read_as_table),
}


def damaged(data: bytes, g: Generator) -> bytes:
    """One to four changes."""
    found = bytearray(data)
    for _ in range(int(g.integers(1, 5))):
        if not found:
            break
        start = int(g.integers(len(found)))
        length = int(g.integers(1, 1 + min(64, len(found) - start)))
        way = int(g.integers(6))
        if way == 0:
            del found[start:]
        elif way == 1:
            del found[start : start + length]
        elif way == 2:
            found[start : start + length] = g.bytes(length)
        elif way == 3:
            found[start:start] = found[start : start + length]
        elif way == 4:
            found[start] ^= 1 << int(g.integers(8))
        else:
            other = int(g.integers(len(found)))
            found[other : other + length] = found[start : start + length]
    return bytes(found)


class TooLongError(BaseException):
    """A reader did not come back."""


def _alarm(signum: int, frame: Any) -> None:
    raise TooLongError


def peak() -> float:
    """Most memory so far, megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def fuzz(name: str, form: Format, count: int, seed: int, folder: Path) -> int:
    """Try `count` files, print what came of them, and return how many made the reader fail."""
    g = np.random.default_rng(seed)
    good = [form.sound(g) for _ in range(12)]
    for data in good:
        form.read(_put(folder / f"sound{form.suffix}", data))
    read = refused = failed = 0
    longest, before = 0.0, peak()
    for i in range(count):
        path = _put(folder / f"{name}{form.suffix}", damaged(good[i % len(good)], g))
        start = time.perf_counter()
        signal.alarm(SECONDS)
        try:
            form.read(path)
            read += 1
        except AerunError:
            refused += 1
        except BaseException as e:
            signal.alarm(0)
            if isinstance(e, KeyboardInterrupt):
                raise
            failed += 1
            kept = Path(tempfile.gettempdir()) / f"fuzz-{name}-{i}{form.suffix}"
            kept.write_bytes(path.read_bytes())
            print(f"{name}, file {i} (seed {seed}), kept as {kept}:\n{traceback.format_exc(limit=-4)}", file=sys.stderr)
        finally:
            signal.alarm(0)
        longest = max(longest, time.perf_counter() - start)
    grown = peak() - before
    print(f"{name:<10} {count:,} files: {read:,} read, {refused:,} refused, {failed} failed; longest {longest:.2f} s, "
          f"grown by {grown:.0f} MB", flush=True)  # fmt: skip
    return failed + (grown > GROWTH)


def _put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def main() -> int:
    """Fuzz the formats that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.disable()
    signal.signal(signal.SIGALRM, _alarm)
    with tempfile.TemporaryDirectory() as folder:
        wrong = sum(fuzz(name, FORMATS[name], args.count, args.seed, Path(folder)) for name in args.formats)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
