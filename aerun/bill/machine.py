"""The machine that a bill is made on: how busy it is, how much memory a process took, and what makes bills of it its own."""

import os
import platform
import sys

import torch

_BUSY = 1.5  # processes that want a core, for each core


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy() -> bool:
    """Return whether others are at work on this machine: more than 1.5 processes want each of its cores."""
    try:
        return os.getloadavg()[0] > _BUSY * (os.cpu_count() or 1)
    except OSError:
        return False


def peak_memory() -> float:
    """Return the most bytes that this process has had in memory so far."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def name() -> str:
    """Return words in which machines differ whose bills are not compared."""
    return f"{platform.node()}, {platform.machine()}, {cores()} cores, torch {torch.__version__}"
