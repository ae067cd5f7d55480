"""Damaged files of HDF5, of which its library does not come back, are refused in words."""

import io
import struct

import pytest

from aerun.core.errors import AerunError
from aerun.formats import hdf5
from aerun.formats.arrays import read_array
from tests.shell import here

h5py = pytest.importorskip("h5py")


def a_file(path, heap=None):
    """Write an array with a word beside it; heap: the size that the place of the word is said to have."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("x", data=[[1.0, 2.0]] * 6).attrs["unit"] = "mm"
    data = bytearray(out.getvalue())
    if heap is not None:
        data[(at := data.index(b"GCOL") + 24) : at + 8] = struct.pack("<Q", heap)
    path.write_bytes(data)
    return path


def test_a_heap_that_leads_back_to_itself_hangs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "SECONDS", 1)
    path = a_file(tmp_path / "loop.h5", 2**64 - 16)
    with pytest.raises(AerunError, match=r"loop\.h5: damaged: the HDF5 library does not come to an end with it in 1 s"):
        read_array("dataset.path", path, "x")
    assert read_array("dataset.path", a_file(tmp_path / "sound.h5"), "x").shape == (6, 2)


@pytest.mark.parametrize(
    ("code", "words"), [(-11, "crashes on it"), (None, "does not come to an end"), (0xC0000005, "crashes")]
)
def test_what_the_library_does_is_said(tmp_path, monkeypatch, code, words):
    monkeypatch.setattr(hdf5, "exit_code", lambda path, seconds: code)
    a_file(tmp_path / "x.h5")
    told = here(tmp_path, "data", "dataset=array", "dataset.path=x.h5")
    assert told.code == 2
    assert words in told.err
    assert "Traceback" not in told.err


def test_a_file_is_looked_through_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(hdf5, "exit_code", lambda path, seconds: looked.append(path) or 0)
    path = a_file(tmp_path / "x.h5")
    for _ in range(2):
        read_array("dataset.path", path, None)
    assert looked == [str(path)]
