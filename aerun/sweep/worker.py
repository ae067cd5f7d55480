"""A job in a process that a launcher started: it stands where the command was typed, and a time limit is no failure of its."""

import os
import signal
import socket
from types import FrameType

from hydra.conf import HydraConf

from aerun.core.errors import AerunError, StoppedError
from aerun.core.exits import TIME_LIMIT
from aerun.core.logs import show_escaped
from aerun.core.streams import outlive_readers


def init_worker(about: HydraConf) -> None:
    """Go on whoever reads along, in the directory of the command; about: Hydra's own config.

    AerunError where the directory of the command is not on this machine.
    """
    outlive_readers()
    show_escaped()
    typed_in = str(about.runtime.cwd)
    if not about.job.chdir and os.getcwd() != typed_in:
        try:
            os.chdir(typed_in)
        except OSError as e:
            raise AerunError(
                f"{typed_in}: is not on {socket.gethostname()}: all machines of a cluster must see the directory in which "
                f"the command is typed ({e.strerror})."
            ) from e
    if "SUBMITIT_EXECUTOR" in os.environ:
        _stop_at_time_limit()


def _stop_at_time_limit() -> None:
    """Stop the job where the cluster's handler of time limits may not start it again.

    Submitit's handler starts the job again and exits or, where it may not, raises.
    """
    number = getattr(signal, "SIG" + os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2"))
    requeue = signal.getsignal(number)
    if not callable(requeue):
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        try:
            requeue(signum, frame)
        except Exception as e:
            raise StoppedError(TIME_LIMIT) from e

    signal.signal(number, stop)
