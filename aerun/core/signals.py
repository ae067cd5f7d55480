"""An orderly end of a process that is asked to end."""

import signal
from types import FrameType

from aerun.core.errors import StoppedError


def stop_on_signals(interrupt: bool = True) -> None:
    """Let SIGTERM, SIGHUP and, with `interrupt`, Ctrl-C raise StoppedError: exit codes 143, 129 and 130.

    SIGHUP stays ignored under nohup.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)
        raise StoppedError(128 + signum)

    if interrupt:
        signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
