"""How much memory there is, and how much of it one piece of work may use."""

import ctypes
import mmap
import os
from pathlib import Path

from aerun.core.errors import AerunError

_CGROUP = Path("/sys/fs/cgroup")
_ELSEWHERE = 8 << 30  # bytes, where the system does not say how much it has


def available_memory() -> int:
    """Return the number of bytes that can be allocated now, on this machine or in this container."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        free = _whole() // 2
    allowed = _allowed()
    try:
        return free if allowed is None else max(0, min(free, allowed - _number("memory.current")))
    except (OSError, ValueError):
        return free


def memory_limit() -> int:
    """Return the number of bytes that one data set may use: half of the machine's or the container's memory."""
    allowed = _allowed()
    return (_whole() if allowed is None else min(_whole(), allowed)) // 2


def refuse_beyond(where: str, size: float) -> None:
    """Raise AerunError where `size` bytes do not fit into `memory_limit()`."""
    if size > memory_limit():
        raise AerunError(
            f"{where}: takes {size / 1e9:.3g} GB or more in memory; half of this machine's, {memory_limit() / 1e9:.3g} GB, "
            "is allowed."
        )


def rows_that_fit(size: int, elements: int = 4_000_000) -> int:
    """Return how many rows of `size` elements make one batch of evaluation: about 16 MB of floats."""
    return max(1, min(4096, elements // size))


def trim_heap() -> None:
    """Return freed memory to the system, where the C library keeps it (glibc does) and can be asked to release it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _whole() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE
    except (AttributeError, ValueError, OSError):
        return _ELSEWHERE


def _allowed() -> int | None:
    """Return the container's limit in bytes, from either kind of cgroup; None where there is none."""
    limits = []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(_number(name))
        except (OSError, ValueError):  # no such file, or the word `max`
            continue
    return min(limits, default=None)


def _number(name: str) -> int:
    return int((_CGROUP / name).read_text())
