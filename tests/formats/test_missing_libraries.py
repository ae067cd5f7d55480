"""Without a library that aerun does without: one line that names the file and the extra."""

import io
import sys

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.formats import audio
from aerun.formats.arrays import read_array
from aerun.formats.frames import write_frame
from aerun.formats.limits import limits
from aerun.formats.reading import Reading
from aerun.formats.remote import local_files
from aerun.formats.several import read_tables
from aerun.formats.writing.parquet import Parquet
from aerun.sweep.optuna import refuse_without_plugin


@pytest.fixture
def without(monkeypatch):
    """Make a library one that is not installed."""

    def block(module):
        for name in [n for n in sys.modules if n.startswith(f"{module}.")]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, module, None)

    return block


def refused(read, extra, *words):
    """Return whether reading fails in one line that says how to get what is missing."""
    with pytest.raises(AerunError) as e:
        read()
    said = str(e.value)
    assert "\n" not in said
    assert said.endswith(f"pip install 'aerun[{extra}]'")
    assert all(w in said for w in words)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("t.parquet", "pyarrow", "data"),
        ("t.feather", "pyarrow", "data"),
        ("t.csv.zst", "pyarrow", "data"),
        ("t.xlsx", "openpyxl", "data"),
        ("t.h5ad", "anndata", "h5"),
        ("x.safetensors", "safetensors", "data"),
        ("x.npy.zst", "pyarrow", "data"),
        ("x.h5", "h5py", "h5"),
        ("x.zarr", "zarr", "zarr"),
    ],
)
def test_a_file_names_the_extra_that_reads_it(tmp_path, without, name, module, extra):
    path = tmp_path / name
    if name.endswith(".zarr"):
        path.mkdir()
        path = path / "zarr.json"
    path.write_bytes(b"whatever")
    without(module)
    reading = Reading("auto", "auto", "utf-8")
    if name.startswith("t"):
        refused(lambda: read_tables("dataset.path", str(path), reading, limits(None, None)), extra, module, name)
    else:
        key = None if ".npy" in name else "x"
        refused(lambda: read_array("dataset.path", tmp_path / name, key), extra, module, name)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("https://host/t.csv", "aiohttp", "http"),
        ("http://host/t.csv", "aiohttp", "http"),
        ("s3://bucket/t.csv", "s3fs", "s3"),
        ("gs://bucket/t.csv", "gcsfs", "gs"),
    ],
)
def test_a_url_names_the_extra_that_reads_it(monkeypatch, without, url, module, extra):
    import fsspec  # noqa: F401 - its registry keeps what was imported before

    without(module)
    for scheme in ("http", "https", "s3", "gs"):
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    refused(lambda: local_files("dataset.path", url), extra, url)


def test_sounds_frames_tables_and_searches_name_theirs(without):
    for module in ("soundfile", "pyarrow", "optuna"):
        without(module)
    refused(audio.library, "data", "soundfile")
    refused(lambda: write_frame({"a": np.arange(3)}, io.BytesIO()), "data", "pyarrow")
    refused(lambda: Parquet(io.BytesIO(), {}), "data", "pyarrow")
    refused(refuse_without_plugin, "search", "Optuna")
