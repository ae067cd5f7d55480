"""Damaged files, one reader after the other: `python scripts/fuzz_readers.py [--formats csv xlsx] [--count 2000] [--seed 0]`.

Each file is a sound one that was cut short, had bytes changed, doubled or taken out, or parts of it put elsewhere. Reading it
must give data or an AerunError: no other error, no hang (a limit of seconds a file), and no more than a limit of memory. Shown:
files read, files refused, the longest time, and how much memory the process grew. Exit code 1 where a reader failed.

A format is a function from a random generator to a sound file's bytes, with its name's end and its reader, in `FORMATS`.
"""

import argparse
import faulthandler
import io
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats import hdf5

Generator = np.random.Generator
SECONDS, GROWTH = 60, 2000  # a file's time; megabytes that the process may grow in all


@dataclass(frozen=True)
class Format:
    """sound: the bytes of a good file. suffix: of its name. read: what is called with its path. alone: see `alone`."""

    sound: Callable[[Generator], bytes]
    suffix: str
    read: Callable[[Path], Any]
    alone: bool = False


def read_as_table(path: Path) -> Any:
    """As `dataset=table` reads it."""
    from aerun.formats.reading import Reading
    from aerun.formats.tables import read_table

    return read_table("dataset.path", path, Reading("auto", "auto", "utf-8"))


def read_as_tables(path: Path) -> Any:
    """As `dataset=table` reads what is more than one reader's."""
    from aerun.formats.limits import limits
    from aerun.formats.reading import Reading
    from aerun.formats.several import read_tables

    return read_tables("dataset.path", str(path), Reading("auto", "auto", "utf-8"), limits(None, None))


def columns(g: Generator, n: int = 30) -> dict[str, list[Any]]:
    """Return numbers with gaps, words, dates and truth values."""
    from datetime import datetime, timedelta

    return {
        "a": [None if i % 7 == 0 else float(v) for i, v in enumerate(g.normal(size=n))],
        "kind": [["red", "green", "blue"][k] for k in g.integers(0, 3, n)],
        "day": [datetime(2024, 1, 1) + timedelta(days=int(d)) for d in g.integers(0, 300, n)],
        "ok": [bool(b) for b in g.integers(0, 2, n)],
    }


def csv_file(g: Generator) -> bytes:
    """Return several dresses: delimiter, decimal sign, percent, quotes, byte order mark."""
    delimiter, decimal = [(",", "."), (";", ","), ("\t", "."), ("|", ".")][int(g.integers(4))]
    table = columns(g)
    lines = [delimiter.join(["a", "share", "kind", "day", "ok"])]
    for a, kind, day, ok in zip(*table.values(), strict=True):
        number = "" if a is None else f"{a:.3f}".replace(".", decimal)
        lines.append(delimiter.join([number, f"{int(g.integers(100))}%", f'"{kind}"', f"{day:%Y-%m-%d}", str(ok)]))
    return ("\n".join(lines) + "\n").encode(["utf-8", "utf-8-sig", "utf-16"][int(g.integers(3))])


def packed_csv_file(how: str) -> Callable[[Generator], bytes]:
    """Return a function to a csv that is packed as a whole."""

    def packed(g: Generator) -> bytes:
        import gzip

        import pyarrow as pa

        plain = csv_file(g)
        return gzip.compress(plain) if how == "gzip" else bytes(pa.Codec("zstd").compress(plain))

    return packed


def jsonl_file(g: Generator) -> bytes:
    """Return a record a line, some without a cell."""
    import json

    table, lines = columns(g), []
    for i, (a, kind, day, ok) in enumerate(zip(*table.values(), strict=True)):
        record: dict[str, Any] = {"a": a, "kind": kind, "day": f"{day:%Y-%m-%d}", "ok": ok}
        lines.append(json.dumps({k: v for k, v in record.items() if i % 5 or v is not None}))
    return ("\n".join(lines) + "\n").encode()


def h5ad_file(g: Generator) -> bytes:
    """Return a matrix with names of its columns and one word a row, its numbers dense or not."""
    import anndata
    import pandas as pd
    from scipy import sparse

    x = g.poisson(1.0, (20, 5)).astype(np.float32)
    rows = pd.DataFrame(
        {"kind": pd.Categorical([["red", "green"][k] for k in g.integers(0, 2, 20)])}, index=[f"r{i}" for i in range(20)]
    )
    names = pd.DataFrame(index=[f"g{i}" for i in range(5)])
    matrix = anndata.AnnData(sparse.csr_matrix(x) if g.integers(2) else x, obs=rows, var=names)
    with tempfile.TemporaryDirectory() as folder:
        matrix.write_h5ad(Path(folder) / "x.h5ad")
        return (Path(folder) / "x.h5ad").read_bytes()


def xlsx_file(g: Generator) -> bytes:
    """Return one sheet."""
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
    """Return compressed or not."""
    import pyarrow as pa
    from pyarrow import feather

    out = io.BytesIO()
    feather.write_feather(pa.table(columns(g)), out, compression=["lz4", "zstd", "uncompressed"][int(g.integers(3))])
    return out.getvalue()


def read_as_array(path: Path) -> Any:
    """As `dataset=array` reads it."""
    import torch

    from aerun.dataset.storage.array_samples import Source, gathered, read

    arrays, _ = read([Source("dataset.path", path, None, "dataset.labels", None)], "auto", "auto")
    return gathered(arrays, torch.arange(len(arrays[0])))


def read_as_h5(path: Path) -> Any:
    """As `dataset=array dataset.key=g/x dataset.labels=kind` reads it."""
    from aerun.formats.arrays import read_array

    return read_array("dataset.path", path, "g/x"), read_array("dataset.labels", path, "kind", words=True)


def read_as_image(path: Path) -> Any:
    """As `dataset=images` looks at it and decodes it."""
    from aerun.formats.images import Shape, UnreadableError, header, highest, read, strict

    try:
        with strict():
            head = header(path)
            depth = 16 if head.deep and highest(path) > 255 else 8
            return read(path, Shape(3 if head.coloured else 1, 32, 32, resize=True, crop=True, guessed=False, depth=depth))
    except UnreadableError as e:
        raise AerunError(str(e)) from e


def read_as_idx(path: Path) -> Any:
    """As `dataset=idx` reads it."""
    from aerun.formats.idx import samples_of

    return samples_of(path)


def read_as_ts(path: Path) -> Any:
    """As `dataset=series` reads it."""
    from aerun.formats.ts import series_of

    return series_of(path, "utf-8")


def some_array(g: Generator) -> Any:
    """Of several types, shapes and orders."""
    shape = [(20, 5), (6, 8, 8), (6, 3, 8, 8), (6, 9, 9, 2)][int(g.integers(4))]
    array = (100 * g.random(shape)).astype(["<f4", ">f8", "u1", "<u2", "<i8", "<f2", "?"][int(g.integers(7))])
    return np.asfortranarray(array) if g.integers(2) else array


def npy_file(g: Generator) -> bytes:
    """Return one array."""
    out = io.BytesIO()
    np.save(out, some_array(g))
    return out.getvalue()


def h5_file(g: Generator) -> bytes:
    """Return an array in a group, in chunks or not, words beside it, attributes, in the older or the newer layout."""
    import h5py

    x, out = some_array(g), io.BytesIO()
    how = [{}, {"chunks": True, "compression": "gzip"}, {"chunks": (2, *x.shape[1:])}, {"chunks": True, "shuffle": True}]
    with h5py.File(out, "w", libver=["earliest", "latest"][int(g.integers(2))]) as file:
        file.attrs["about"] = ["some", "words"]
        file.create_dataset("g/x", data=np.ascontiguousarray(x), **how[int(g.integers(len(how)))]).attrs["unit"] = "mm"
        file.create_dataset("kind", data=[["red", "green"][k] for k in g.integers(0, 2, len(x))])
    return out.getvalue()


def npz_file(g: Generator) -> bytes:
    """Return one array, packed or not, and in some a mask beside it."""
    out, x = io.BytesIO(), g.normal(size=(20, 5)) if g.integers(2) else some_array(g)
    arrays = {"x": x, **({"mask": x > 1} if g.integers(2) and x.dtype.kind == "f" and x.ndim == 2 else {})}
    (np.savez_compressed if g.integers(2) else np.savez)(out, **arrays)
    return out.getvalue()


def safetensors_file(g: Generator) -> bytes:
    """Return one tensor, in some of a type that numpy does not have."""
    import torch
    from safetensors.torch import save

    kind = [torch.bfloat16, torch.float32, torch.uint8, torch.int64, torch.float16][int(g.integers(5))]
    return bytes(save({"x": torch.from_numpy(100 * g.random((20, 5))).to(kind)}))


def picture(g: Generator, kind: str, **how: Any) -> bytes:
    """Return grey, coloured, transparent, of 16 bits, or with a palette."""
    from PIL import Image

    bits, out = g.integers(0, 256, (24, 20, 4)).astype(np.uint8), io.BytesIO()
    images = [
        Image.fromarray(bits[..., 0]),
        Image.fromarray(bits[..., :3]),
        *([] if kind == "JPEG" else [Image.fromarray(bits), Image.fromarray(257 * bits[..., 0].astype(np.uint16))]),
        *([] if kind == "JPEG" else [Image.fromarray(bits[..., :3]).quantize(8)]),
    ]
    images[int(g.integers(len(images)))].save(out, kind, **how)
    return out.getvalue()


def png_file(g: Generator) -> bytes:
    """Of any mode."""
    return picture(g, "PNG")


def jpeg_file(g: Generator) -> bytes:
    """Return plain or progressive, with EXIF's orientation."""
    from PIL import Image

    about = Image.Exif()
    about[274] = int(g.integers(1, 9))
    return picture(g, "JPEG", progressive=bool(g.integers(2)), exif=about)


def tiff_file(g: Generator) -> bytes:
    """Return packed in one of several ways."""
    return picture(g, "TIFF", compression=[None, "tiff_lzw", "tiff_deflate", "packbits"][int(g.integers(4))])


def idx_file(g: Generator) -> bytes:
    """Of several types, packed or not."""
    import gzip
    import struct

    kind, name = [(0x08, ">u1"), (0x0B, ">i2"), (0x0D, ">f4"), (0x0E, ">f8")][int(g.integers(4))]
    x = (100 * g.random([(20, 5), (6, 8, 8)][int(g.integers(2))])).astype(name)
    data = struct.pack(f">HBB{x.ndim}I", 0, kind, x.ndim, *x.shape) + x.tobytes()
    return gzip.compress(data) if g.integers(2) else data


def ts_file(g: Generator) -> bytes:
    """Return two features, series of their own lengths, classes."""
    lines = ["@problemName x", "@timeStamps false", "@univariate false", "@classLabel true a b", "@data"]
    for i in range(12):
        n = int(g.integers(4, 9))
        features = [
            ",".join("?" if k == 2 and i == 3 else f"{v:.3f}" for k, v in enumerate(g.normal(size=n))) for _ in range(2)
        ]
        lines.append(":".join([*features, "ab"[i % 2]]))
    return ("\n".join(lines) + "\n").encode()


_LOOKING = b"["  # into the pipe before a file is looked through, and the other one after it


def alone(read: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Return a reader that reads each file in a process of its own, as HDF5 leaves traces of damaged files in its memory.

    The program that looks through files first is a part of that process here, without the start of a Python for each file:
    where it hangs or crashes in this part, the file is one that is refused.
    """
    from aerun.formats import hdf5_probe

    def run(path: Path) -> None:
        out, into = os.pipe()
        child = os.fork()
        if not child:
            hdf5.exit_code = lambda path, seconds: _looked_through(into, path)
            code, words = 0, ""
            try:
                read(path)
            except AerunError as e:
                code, words = 1, str(e)
            except BaseException:
                code, words = 2, traceback.format_exc(limit=-4)
            os.write(into, words.encode()[:4000])
            os._exit(code)
        os.close(into)
        with os.fdopen(out, "rb") as told:
            said = told.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0 and said == _LOOKING:
            raise AerunError(f"the HDF5 library {'hangs' if code == -signal.SIGXCPU else 'crashes'} in the program before")
        if code:
            words = said.lstrip(b"[]").decode(errors="replace")
            raise AerunError(words) if code == 1 else RuntimeError(words or f"ended with exit code {code}")

    def _looked_through(into: int, path: str) -> int:
        os.write(into, _LOOKING)
        hdf5_probe.limit(1)  # sound ones here take .02
        hdf5_probe.visit(path)
        hdf5_probe.limit(SECONDS // 3)
        os.write(into, b"]")
        return 0

    return run


FORMATS: dict[str, Format] = {
    "csv": Format(csv_file, ".csv", read_as_table),
    "csv.gz": Format(packed_csv_file("gzip"), ".csv.gz", read_as_table),
    "csv.zst": Format(packed_csv_file("zstd"), ".csv.zst", read_as_table),
    "jsonl": Format(jsonl_file, ".jsonl", read_as_table),
    "xlsx": Format(xlsx_file, ".xlsx", read_as_table),
    "parquet": Format(parquet_file, ".parquet", read_as_table),
    "feather": Format(feather_file, ".feather", read_as_table),
    "h5ad": Format(h5ad_file, ".h5ad", read_as_tables, alone=True),
    "npy": Format(npy_file, ".npy", read_as_array),
    "h5": Format(h5_file, ".h5", read_as_h5, alone=True),
    "npz": Format(npz_file, ".npz", read_as_array),
    "safetensors": Format(safetensors_file, ".safetensors", read_as_array),
    "png": Format(png_file, ".png", read_as_image),
    "jpeg": Format(jpeg_file, ".jpg", read_as_image),
    "tiff": Format(tiff_file, ".tiff", read_as_image),
    "idx": Format(idx_file, ".idx", read_as_idx),
    "ts": Format(ts_file, ".ts", read_as_ts),
}


def damaged(data: bytes, g: Generator) -> bytes:
    """Return one to four changes."""
    changed = bytearray(data)
    for _ in range(int(g.integers(1, 5))):
        if not changed:
            break
        start = int(g.integers(len(changed)))
        length = int(g.integers(1, 1 + min(64, len(changed) - start)))
        change = int(g.integers(6))
        if change == 0:
            del changed[start:]
        elif change == 1:
            del changed[start : start + length]
        elif change == 2:
            changed[start : start + length] = g.bytes(length)
        elif change == 3:
            changed[start:start] = changed[start : start + length]
        elif change == 4:
            changed[start] ^= 1 << int(g.integers(8))
        else:
            other = int(g.integers(len(changed)))
            changed[other : other + length] = changed[start : start + length]
    return bytes(changed)


class TooLongError(BaseException):
    """A reader did not come back."""


def _alarm(signum: int, frame: Any) -> None:
    raise TooLongError


def peak() -> float:
    """Return most memory so far, of this process or of one that it started, megabytes."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024 / 1e6


def fuzz(name: str, form: Format, count: int, seed: int, folder: Path) -> int:
    """Try `count` files, print what came of them, and return how many made the reader fail."""
    g = np.random.default_rng(seed)
    good = [form.sound(g) for _ in range(12)]
    for data in good:
        form.read(_put(folder / f"sound{form.suffix}", data))
    reader = alone(form.read) if form.alone else form.read
    read = refused = failed = 0
    longest, grown, before, told = 0.0, 0.0, peak(), Counter[str]()
    for i in range(count):
        path = _put(folder / f"{name}{form.suffix}", damaged(good[i % len(good)], g))
        start = time.perf_counter()
        signal.alarm(SECONDS)
        faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # a library in C that hangs hears no alarm; its file stays
        try:
            reader(path)
            read += 1
        except AerunError as e:
            refused += 1
            told.update(re.findall("the HDF5 library (?:hangs|crashes)", str(e)))
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
            faulthandler.cancel_dump_traceback_later()
        longest, grown = max(longest, time.perf_counter() - start), peak() - before
        if i + 1 == count or i % 250 == 249:
            said = "".join(f"; {n} times {words}" for words, n in told.items())
            print(f"{name:<10} {i + 1:,} files: {read:,} read, {refused:,} refused, {failed} failed; longest {longest:.2f} s, "
                  f"grown by {grown:.0f} MB{said}", flush=True)  # fmt: skip
    return failed + (grown > GROWTH)


def _put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def main() -> int:
    """Return fuzz the formats that are asked for."""
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
