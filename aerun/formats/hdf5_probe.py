"""Visit everything in an HDF5 file that its library has to follow: `python hdf5_probe.py FILE SECONDS`.

A program of its own, as the library does not come back from some damaged files, or takes the process down with it. What it
raises is nobody's here: who reads the file meets it too. SECONDS: of processor time, after which the system ends the program.
"""

import sys
from contextlib import suppress
from typing import Any

import h5py

_ROWS = 65_536  # of words, at a time


def visit(path: str) -> None:
    """Read names, attributes, places of chunks and words; of numbers nothing more, as their bytes are followed nowhere."""
    with suppress(Exception), h5py.File(path, "r") as file:
        _attributes(file)
        file.visititems(_look)


def _look(name: str, item: Any) -> None:
    _attributes(item)
    if not isinstance(item, h5py.Dataset):
        return
    with suppress(Exception):
        if item.chunks is not None:
            item.id.chunk_iter(lambda _: None)
    with suppress(Exception):
        if item.dtype.kind == "O" and not item.external and not item.is_virtual:
            for first in range(0, len(item), _ROWS) if item.shape else ():
                item[first : first + _ROWS]
            if not item.shape:
                item[()]


def _attributes(item: Any) -> None:
    with suppress(Exception):
        for name in item.attrs:
            with suppress(Exception):
                item.attrs[name]


def limit(seconds: int) -> None:
    """Let the system end this process after so many more seconds of processor time, where it can (Windows cannot)."""
    with suppress(ImportError):
        import resource

        spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent) + seconds, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    limit(int(sys.argv[2]))
    visit(sys.argv[1])
