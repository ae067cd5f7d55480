"""Throughput of containers beside plain csv and npy: `python scripts/containers.py [--rows 50000] [--rounds 3] [--json FILE]`.

`--memory 30 [--sizes 120,480]`: instead, how much memory whole runs take on sets of these megabytes, see `scripts/bounded.py`.

The same table (6 columns of numbers, one of words) and the same array (64 numbers of 32 bits a row) in each container: rows per
second of wall-clock time from the file to the samples that a run would train on, the median over rounds after one that warms
up, in one process; megabytes: of the file. Containers whose library is missing are left out, and named.
"""

import argparse
import gzip
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bounded
import numpy as np

from aerun.core.errors import AerunError
from aerun.dataset.storage.array_samples import source_array
from aerun.formats.found import found
from aerun.formats.limits import limits
from aerun.formats.reading import Reading
from aerun.formats.several import read_tables
from aerun.formats.stacked import stacked

COLUMNS, WIDTH = 6, 64


def tables(folder: Path, rows: int) -> list[Path]:
    """Return the table as csv, and as whatever else the libraries of this machine write."""
    g = np.random.default_rng(0)
    columns = {f"c{i}": np.round(g.normal(size=rows), 4) for i in range(COLUMNS)}
    columns["k"] = np.array(["red", "green"])[g.integers(0, 2, rows)]
    lines = [",".join(map(str, row)) + "\n" for row in zip(*columns.values(), strict=True)]
    head = ",".join(columns) + "\n"
    (folder / "t.csv").write_text(head + "".join(lines))
    (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes(), 6))
    records = (json.dumps(dict(zip(columns, map(_plain, row), strict=True))) for row in zip(*columns.values(), strict=True))
    (folder / "t.jsonl").write_text("".join(f"{r}\n" for r in records))
    parts = folder / "t in ten csv"
    parts.mkdir()
    for i in range(10):
        (parts / f"p{i}.csv").write_text(head + "".join(lines[i::10]))
    try:
        import pyarrow as pa
        from pyarrow import feather, parquet

        table = pa.table({n: c.tolist() for n, c in columns.items()})
        parquet.write_table(table, folder / "t.parquet")
        feather.write_feather(table, folder / "t.feather")
        (folder / "t.csv.zst").write_bytes(pa.compress((folder / "t.csv").read_bytes(), codec="zstd", asbytes=True))
    except ImportError as e:
        print(f"left out: parquet, feather, csv.zst ({e})")
    return sorted(folder.glob("t*"), key=lambda p: p.name != "t.csv")


def _plain(value: np.generic) -> float | str:
    return str(value) if isinstance(value, np.str_) else float(value)


def arrays(folder: Path, rows: int) -> list[Path]:
    """Return the array as npy, and as whatever else the libraries of this machine write."""
    x = np.random.default_rng(0).normal(size=(rows, WIDTH)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", x=x)
    (folder / "x.npy.gz").write_bytes(gzip.compress((folder / "x.npy").read_bytes(), 1))
    parts = folder / "x in ten npy"
    parts.mkdir()
    for i, part in enumerate(np.split(x[: rows // 10 * 10], 10)):
        np.save(parts / f"p{i}.npy", part)
    for write in (_safetensors, _h5, _zarr):
        try:
            write(folder, x)
        except ImportError as e:
            print(f"left out: {write.__name__[1:]} ({e})")
    return sorted(folder.glob("x*"), key=lambda p: p.name != "x.npy")


def _safetensors(folder: Path, x: np.ndarray) -> None:
    from safetensors.numpy import save_file

    save_file({"x": x}, folder / "x.safetensors")


def _h5(folder: Path, x: np.ndarray) -> None:
    import h5py

    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(min(1000, len(x)), WIDTH), compression="gzip", compression_opts=1)


def _zarr(folder: Path, x: np.ndarray) -> None:
    import zarr

    zarr.open_group(str(folder / "x.zarr"), mode="w").create_array("x", data=x, chunks=(min(1000, len(x)), WIDTH))


def read_table(path: Path) -> int:
    """Return the number of rows of a table that has been read."""
    return len(read_tables("dataset.path", str(path), Reading("auto", "auto", "utf-8"), limits(None, None)))


def read_samples(path: Path) -> int:
    """Return the number of rows of an array whose values have been looked at."""
    name = "x" if path.suffix in (".npz", ".safetensors", ".h5", ".zarr") else None
    array, _ = stacked(found("dataset.path", path, (".npy", ".zarr")), lambda p: source_array("dataset.path", p, name))
    return len(np.ascontiguousarray(array, dtype=np.float32) + 0)


def measured(read: Callable[[Path], int], path: Path, rounds: int) -> dict[str, float | str]:
    """Return rows per second of a file, and its size."""
    speeds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        rows = read(path)
        speeds.append(rows / (time.perf_counter() - start))
    size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
    return {"container": path.name, "rows_per_second": round(statistics.median(speeds[1:])), "megabytes": round(size / 1e6, 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--memory", type=float, metavar="MB", help="dataset.memory: measure the memory of runs instead")
    parser.add_argument("--sizes", default="120,480", metavar="MB,MB", help="of the sets of --memory")
    args = parser.parse_args()
    if args.memory:
        grown = bounded.measure(args.memory, [int(s) for s in args.sizes.split(",")])
        if args.json:
            args.json.write_text(json.dumps(grown, indent=1))
        return
    logging.getLogger("aerun").setLevel(logging.ERROR)
    rows = []
    for write, read in ((tables, read_table), (arrays, read_samples)):
        with tempfile.TemporaryDirectory() as name:
            for path in write(Path(name), args.rows):
                try:
                    rows.append(measured(read, path, args.rounds))
                except AerunError as e:
                    print(f"left out: {e}")
                    continue
                row, plain = rows[-1], next(r for r in rows if r["container"] == ("t.csv" if read is read_table else "x.npy"))
                ratio = f"{row['rows_per_second'] / plain['rows_per_second']:.2f} of {plain['container']}"
                print(f"{row['container']:14} {row['rows_per_second']:>12,} rows/s {row['megabytes']:8} MB  {ratio}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
