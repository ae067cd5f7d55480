"""`aerun` in a process forked from this one, where the libraries are loaded: it can be killed and signalled as any other.

One that starts from nothing takes seconds to import them (`tests.shell.start`): only a test of the start must pay for that,
and one of sweep.jobs, for joblib cannot start its workers from a process that was forked.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
import weakref
from pathlib import Path

from aerun.__main__ import main
from tests.shell import Told, process_state


class Process:
    """What tests use of subprocess.Popen."""

    def __init__(self, cwd: Path, args: tuple[str, ...]) -> None:
        said = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, said, ignore_errors=True)
        self._files = [said / name for name in ("out", "err")]
        self._process = multiprocessing.get_context("fork").Process(target=_typed, args=(cwd, args, self._files))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other threads: those of pytest-xdist wait for messages
            self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Return its exit code, -N after signal N, or None as long as it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return its exit code if it has ended."""
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end, and return what it wrote."""
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("aerun", timeout or 0)
        out, err = (path.read_text() if path.exists() else "" for path in self._files)
        return out, err


def start(cwd: Path, *args: str) -> Process:
    """`aerun ARGS` typed in `cwd`, in a process of its own."""
    return Process(cwd, args)


def outside(cwd: Path, *args: str) -> Told:
    """`aerun ARGS` in a process of its own, to its end."""
    process = start(cwd, *args)
    out, err = process.communicate(timeout=300)
    return Told(process.returncode, out, err)


def _typed(cwd: Path, args: tuple[str, ...], files: list[Path]) -> None:
    """Become the command, in the child."""
    for number, path in zip((1, 2), files, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False, encoding="utf-8") for number in (1, 2))
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    with process_state(cwd, args):
        os.environ["OMP_NUM_THREADS"] = "1"
        main()
