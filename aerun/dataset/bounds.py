"""How much of a machine's memory one data set may take: a file that would need more is refused before it is read."""

import os
from pathlib import Path

from aerun.errors import AerunError

_CONTAINER = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_ELSEWHERE = 8 << 30  # where the system does not say how much it has


def room() -> int:
    """Bytes: half of the machine's memory, or of what its container is allowed."""
    try:
        sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        sizes = [_ELSEWHERE]
    for path in _CONTAINER:
        try:
            sizes.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return min(sizes) // 2


def refuse_beyond(where: str, size: float) -> None:
    """AerunError where `size` bytes do not fit into `room()`."""
    if size > room():
        raise AerunError(
            f"{where}: takes {size / 1e9:.3g} GB or more in memory; half of this machine's, {room() / 1e9:.3g} GB, is allowed."
        )
