"""An orderly end of a process that is asked to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aerun.core.errors import StoppedError

_whole = 0  # blocks of `whole` that are entered
_waits = list[int]()  # signals that came meanwhile


def stop_on_signals(interrupt: bool = True) -> None:
    """Let SIGTERM, SIGHUP and, with `interrupt`, Ctrl-C raise StoppedError: exit codes 143, 129 and 130.

    SIGHUP stays ignored under nohup.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)
        if _whole:
            _waits.append(signum)
            return
        raise StoppedError(128 + signum)

    if interrupt:
        signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)


@contextmanager
def whole() -> Iterator[None]:
    """Let what is written in the block be written whole, once: a signal that comes meanwhile stops behind it."""
    global _whole
    _whole += 1
    try:
        yield
    finally:
        _whole -= 1
        if _waits and not _whole:
            first = _waits[0]
            _waits.clear()
            raise StoppedError(128 + first)
