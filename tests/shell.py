"""`aerun` as it is typed: in this process, which is fast, or in one of its own, as users have it."""

import contextlib
import csv
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hydra.core.global_hydra import GlobalHydra

from aerun.__main__ import main
from aerun.command import train

_LOGGERS = ("", "aerun")


class Told(NamedTuple):
    """What a command left in the terminal."""

    code: int
    out: str
    err: str


def here(cwd: Path, *args: str) -> Told:
    """`aerun ARGS` typed in `cwd`, in this process; afterwards the process is what it was."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with process_state(cwd, args), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
    return Told(code, out.getvalue(), err.getvalue())


def start(cwd: Path, *args: str, path: Path | None = None) -> subprocess.Popen[str]:
    """`aerun ARGS` in a process of its own, with `path` in front of Python's."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # the tests run in several processes
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, "-m", "aerun", *args]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )


def outside(cwd: Path, *args: str, path: Path | None = None) -> Told:
    """`aerun ARGS` in a process of its own, to its end."""
    process = start(cwd, *args, path=path)
    out, err = process.communicate(timeout=300)
    return Told(process.returncode, out, err)


def stopped(process: subprocess.Popen[str], signum: int, folder: Path, epochs: int) -> Told:
    """Send a signal as soon as the run in `folder` has written so many epochs, and wait for the end."""
    try:
        while process.poll() is None and len(_lines(folder / "metrics.csv")) <= epochs:
            time.sleep(0.005)
        process.send_signal(signum)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return Told(process.returncode, out, err)


def metrics(folder: Path) -> list[dict[str, float]]:
    """metrics.csv, every value a number."""
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(_lines(folder / "metrics.csv"))]


def timeless(folder: Path) -> list[dict[str, float]]:
    """metrics.csv without its one column that is a speed."""
    return [{k: v for k, v in row.items() if k != "samples_per_second"} for row in metrics(folder)]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _loggers() -> list[logging.Logger]:
    return [log for log in logging.root.manager.loggerDict.values() if isinstance(log, logging.Logger)]


@contextlib.contextmanager
def process_state(cwd: Path, args: tuple[str, ...]) -> Iterator[None]:
    """Everything that the command changes of its process: directory, arguments, signals, logging, Hydra."""
    before = os.getcwd(), sys.argv, os.environ.pop("HYDRA_FULL_ERROR", None), train._failures
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    disabled = {log for log in _loggers() if log.disabled}
    logs = [(log, list(log.handlers), list(log.filters), log.level) for log in map(logging.getLogger, _LOGGERS)]
    for log in _loggers():
        if log.name.partition(".")[0] == "hydra":  # a process of its own begins with them as they are made
            log.disabled, log.level = False, logging.NOTSET
    os.chdir(cwd)
    sys.argv = ["aerun", *args]
    train._failures = []
    try:
        yield
    finally:
        os.chdir(before[0])
        sys.argv, train._failures = before[1], before[3]
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if before[2] is not None:
            os.environ["HYDRA_FULL_ERROR"] = before[2]
        GlobalHydra.instance().clear()
        for s, handler in handlers.items():
            signal.signal(s, handler)
        for log in _loggers():
            log.disabled = log in disabled
        for log, kept, filters, level in logs:
            for handler in set(log.handlers) - set(kept):
                handler.close()
            log.handlers[:], log.filters[:] = kept, filters
            log.setLevel(level)


def figures(folder):
    """results.json without what depends on the clock and on the place."""
    found = json.loads((folder / "results.json").read_text())
    aside = ("seconds", "samples_per_second", "started", "git")
    return {k: v for k, v in found.items() if not k.startswith(aside) and not k.endswith("/seconds")}
