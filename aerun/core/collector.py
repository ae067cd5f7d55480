"""Python's search for cyclic garbage, which a command does without while it starts.

Libraries make half a million objects as they are imported, none of which is garbage; the search would look at all of them again
and again, a sixth of a short run's time.
"""

import gc
import sys

_paused = False


def pause() -> None:
    """Stop searching until `go_on`; only in a process that has loaded no library yet."""
    global _paused
    if "torch" not in sys.modules and gc.isenabled():
        gc.disable()
        _paused = True


def go_on() -> None:
    """Go on searching, and never among the objects that are there by now; without `pause` before, nothing changes."""
    global _paused
    if _paused:
        gc.freeze()
        gc.enable()
        _paused = False
