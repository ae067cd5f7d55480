"""Memory of whole runs on sets larger than `dataset.memory`, container by container; see `scripts/containers.py --memory`.

Each run (read, train, test, results, pictures) is in a process of its own that has first run on a few rows of the same kind,
so that libraries and model have taken what they take. Shown: how much more of its memory was no page of a file (RssAnon,
looked at every 10 ms), at its peak. The system can take pages of files back at any time; these it cannot.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from streaming import Watch, resident

WIDTH = 256  # numbers of a row
PARTS = 8
Write = Callable[[Path, int], list[str]]


def blocks(rows: int) -> Iterator[np.ndarray]:
    """Yield rows of random 32-bit numbers in pieces."""
    g = np.random.default_rng(0)
    for first in range(0, rows, 2048):
        yield g.normal(size=(min(2048, rows - first), WIDTH)).astype(np.float32)


def _npy_file(file: object, rows: int) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, WIDTH)})
    for block in blocks(rows):
        file.write(block.tobytes())  # type: ignore[attr-defined]


def npy(folder: Path, rows: int) -> list[str]:
    """Write shards of npy."""
    for i in range(PARTS):
        with (folder / f"p{i}.npy").open("wb") as file:
            _npy_file(file, rows // PARTS)
    return ["dataset=array", f"dataset.path={folder}"]


def _npz(folder: Path, rows: int, packing: int) -> list[str]:
    packed = zipfile.ZipFile(folder / "x.npz", "w", packing, compresslevel=1)
    with packed, packed.open("x.npy", "w", force_zip64=True) as file:
        _npy_file(file, rows)
    return ["dataset=array", f"dataset.path={folder / 'x.npz'}"]


def npz(folder: Path, rows: int) -> list[str]:
    """Write an npz that is not compressed."""
    return _npz(folder, rows, zipfile.ZIP_STORED)


def npz_compressed(folder: Path, rows: int) -> list[str]:
    """Write an npz that is compressed."""
    return _npz(folder, rows, zipfile.ZIP_DEFLATED)


def npy_gz(folder: Path, rows: int) -> list[str]:
    """Write one packed npy."""
    import gzip

    with gzip.open(folder / "x.npy.gz", "wb", compresslevel=1) as file:
        _npy_file(file, rows)
    return ["dataset=array", f"dataset.path={folder / 'x.npy.gz'}"]


def safetensors(folder: Path, rows: int) -> list[str]:
    """Write one safetensors, whose head is eight bytes of its length and JSON."""
    head = json.dumps({"x": {"dtype": "F32", "shape": [rows, WIDTH], "data_offsets": [0, 4 * rows * WIDTH]}}).encode()
    with (folder / "x.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for block in blocks(rows):
            file.write(block.tobytes())
    return ["dataset=array", f"dataset.path={folder / 'x.safetensors'}"]


def h5(folder: Path, rows: int) -> list[str]:
    """Write shards of h5, in chunks."""
    import h5py

    for i in range(PARTS):
        with h5py.File(folder / f"p{i}.h5", "w") as file:
            x, at = file.create_dataset("x", (rows // PARTS, WIDTH), "f4", chunks=(64, WIDTH)), 0
            for block in blocks(rows // PARTS):
                x[at : at + len(block)] = block
                at += len(block)
    return ["dataset=array", f"dataset.path={folder}"]


def zarr(folder: Path, rows: int) -> list[str]:
    """Write one zarr, in chunks."""
    import zarr as library

    group, at = library.open_group(str(folder / "x.zarr"), mode="w"), 0
    x = group.create_array("x", shape=(rows, WIDTH), chunks=(2048, WIDTH), dtype="f4")
    for block in blocks(rows):
        x[at : at + len(block)] = block
        at += len(block)
    return ["dataset=array", f"dataset.path={folder / 'x.zarr'}", "dataset.key=x"]


def parquet(folder: Path, rows: int) -> list[str]:
    """Write shards of parquet."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    names = [f"c{i}" for i in range(WIDTH)]
    for i in range(PARTS):
        with ParquetWriter(folder / f"p{i}.parquet", pa.schema([(n, pa.float32()) for n in names])) as file:
            columns = np.concatenate(list(blocks(rows // PARTS))).T
            file.write_table(pa.table(list(columns), names=names))  # one row group
    return ["dataset=table", f"dataset.path={folder}"]


def csv(folder: Path, rows: int) -> list[str]:
    """Write shards of csv."""
    for i in range(PARTS):
        with (folder / f"p{i}.csv").open("w") as file:
            file.write(",".join(f"c{k}" for k in range(WIDTH)) + "\n")
            for block in blocks(rows // PARTS):
                np.savetxt(file, block, "%.4f", ",")
    return ["dataset=table", f"dataset.path={folder}"]


def jsonl(folder: Path, rows: int) -> list[str]:
    """Write one jsonl."""
    line = "{" + ", ".join(f'"c{k}": %.4f' for k in range(WIDTH)) + "}"
    with (folder / "x.jsonl").open("w") as file:
        for block in blocks(rows):
            np.savetxt(file, block, line)
    return ["dataset=table", f"dataset.path={folder / 'x.jsonl'}"]


WRITERS: tuple[Write, ...] = (npy, npy_gz, npz, npz_compressed, safetensors, h5, zarr, parquet, csv, jsonl)


def child(few: list[str], many: list[str]) -> None:
    """Run on few rows and on many, and print how much the second grew beyond the first as JSON."""
    from aerun import train
    from aerun.core.memory import trim_heap

    logging.disable()
    settings = ["trainer.max_epochs=1", "trainer.progress=false", "model.latent_dim=8", "model.arch.hidden=[64]"]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        train(*few, *settings, folder=f"{folder}/few")
        trim_heap()
        before, watch = resident("RssAnon"), Watch()
        watch.start()
        train(*many, *settings, folder=f"{folder}/many")
        watch.done.set()
    print(json.dumps(watch.most - before))


def growth(write: Write, megabytes: int, memory: float) -> float:
    """Return how many megabytes a run on so many, which may take `memory` of them, grew beyond one on few."""
    with tempfile.TemporaryDirectory() as name:
        sets = []
        for part, size in (("few", 1), ("many", megabytes)):
            folder = Path(name, part)
            folder.mkdir()
            own = write(folder, int(size * 1e6) // (4 * WIDTH))
            sets.append([*own, f"dataset.memory={memory / 1000}", f"dataset.cache={name}/cache"])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "AERUN_CACHE": f"{name}/cache"}
        command = [sys.executable, __file__, json.dumps(sets)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise SystemExit(done.stderr)
        return float(json.loads(done.stdout.splitlines()[-1]))


def measure(memory: float, sizes: list[int]) -> dict[str, list[float]]:
    """Measure and print; return container -> growth at each size."""
    shown = {}
    for write in WRITERS:
        shown[write.__name__] = [growth(write, size, memory) for size in sizes]
        figures = ", ".join(f"{size} MB: {grown:+6.1f}" for size, grown in zip(sizes, shown[write.__name__], strict=True))
        print(f"{write.__name__:15} dataset.memory {memory:g} MB; growth in MB of a run on {figures}", flush=True)
    return shown


if __name__ == "__main__":
    child(*json.loads(sys.argv[1]))
