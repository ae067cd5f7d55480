"""Files of HDF5, whose library may hang or crash on damaged bytes: a program of its own looks through them first."""

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.formats.copied import identity
from aerun.formats.optional import needed

SECONDS = 5  # of processor time that a small file may take
_SPEED = 20_000_000  # bytes a second of a larger one
_WAIT = 20  # times as long at most, where the disk or the machine is slow
_CPU_LIMIT = 24  # the signal for it
_CRASHED = 0xC0000000  # and beyond: exit codes of crashes on Windows


def refuse_damaged(path: Path) -> None:
    """Raise AerunError for a file that HDF5's library cannot look through without a hang or a crash; once for a file."""
    needed("h5py", path, "h5")
    if trouble := _trouble(*identity(path)):
        raise AerunError(f"{path}: damaged: {trouble}. Write it anew, or copy what h5copy or h5repack can read of it.")


@lru_cache(maxsize=64)
def _trouble(path: str, size: int, changed: int) -> str:
    """Return what HDF5's library does with a file that it should not, in words; else nothing."""
    seconds = SECONDS + size // _SPEED
    code = exit_code(path, seconds)
    if code is None or code == -_CPU_LIMIT:
        return f"the HDF5 library does not come to an end with it in {seconds} s"
    if code < 0 or code >= _CRASHED:
        return f"the HDF5 library crashes on it ({code})"
    return ""


def exit_code(path: str, seconds: int) -> int | None:
    """Return how the program ended, below 0 for a signal; None where it had to be stopped, 0 where none can be started."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("hdf5_probe.py")), path, str(seconds)]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=_WAIT * seconds).returncode
    except subprocess.TimeoutExpired:
        return None
    except OSError:
        return 0
