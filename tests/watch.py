"""A callback of Hydra's that writes down, after each job of a sweep, what the process holds."""

import os
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback


class Watch(Callback):
    """Lines of usage.txt: resident megabytes, open files."""

    def on_job_end(self, **about: Any) -> None:
        """Called by Hydra."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        with Path("usage.txt").open("a") as f:
            f.write(f"{resident:.1f} {len(os.listdir('/proc/self/fd'))}\n")
