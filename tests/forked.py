"""A command in a child forked from this process, where the libraries are loaded: what it said, and how much memory it took."""

import json
import os
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.shell import Told

ROOM = 3 << 30  # bytes of addresses that the child may reserve beside those that it has: a fault must not take the machine's


class Taken(NamedTuple):
    """What a child did: its words, the memory that it took at most above what it began with, its time of computing."""

    told: Told
    megabytes: float
    seconds: float


def forked(action: Callable[[], Told]) -> Taken:
    """Do `action` in a child, and return what came of it."""
    into, out = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, which pytest-xdist has: they wait for messages
        child = os.fork()
    if not child:
        try:
            os.close(into)
            _answer(action, out)
        finally:
            os._exit(0)
    os.close(out)
    with os.fdopen(into) as file:
        words = file.read()
    os.waitpid(child, 0)
    if not words:
        raise AssertionError("the child ended without an answer: it was killed, or ran out of memory")
    told, megabytes, seconds = json.loads(words)
    return Taken(Told(*told), megabytes, seconds)


def _answer(action: Callable[[], Told], out: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_kilobytes("VmSize") * 1024 + ROOM,) * 2)
    Path("/proc/self/clear_refs").write_text("5")  # the most memory so far begins again
    before, start = _kilobytes("VmRSS"), time.process_time()
    try:
        told = action()
    except BaseException as e:
        told = Told(-1, "", f"Traceback: {type(e).__name__}: {e}")
    spent, most = time.process_time() - start, _kilobytes("VmHWM")
    os.write(out, json.dumps([told, (most - before) / 1024, spent]).encode())


def _kilobytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
