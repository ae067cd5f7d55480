"""Starts the further ranks of a run and sees to it that none is left behind.

They are started from the run's folder and not by typing the command again, which Hydra would take for another run, a sweep for
another sweep, and a program that trains with `aerun.train` for itself.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from socket import if_nameindex
from typing import Any

import torch
from torch import distributed

from aerun.core.errors import TrainingError
from aerun.trainer.base import Job
from aerun.trainer.ranks import Ranks

_PATIENCE = timedelta(minutes=30)  # How long to wait for a rank that is silent.
_SECONDS = 5  # How long to wait for a process that is about to end.


@contextmanager
def launch_ranks(job: Job, ranks: Ranks, device: torch.device, resume: bool) -> Iterator[None]:
    """Keep the other ranks at work until the end of the block; called by rank 0.

    Raises TrainingError, in a rank's own words, where it could not go on.
    """
    with tempfile.TemporaryDirectory(prefix="aerun-") as place:
        meeting = Path(place) / "ranks"
        order = {"folder": str(job.folder), "trusted": job.trusted, "resume": resume, "meeting": str(meeting)}
        helpers = list[_Helper]()
        try:
            for rank in range(1, ranks.number):
                helpers.append(_Helper({**order, "rank": rank, "number": ranks.number}))
            for helper in helpers:
                helper.await_ready()
            with join_ranks(ranks, device, meeting):
                try:
                    yield
                except RuntimeError:  # torch raises it where another rank has gone.
                    for helper in helpers:
                        helper.refuse_early_end()
                    raise
            for helper in helpers:
                helper.await_end()
        finally:
            for helper in helpers:
                helper.close()


@contextmanager
def join_ranks(ranks: Ranks, device: torch.device, meeting: Path) -> Iterator[None]:
    """Join the process group of the ranks until the end of the block; they share the cores of the machine.

    meeting: the file through which they find each other.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // ranks.number))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        _stay_here()
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=distributed.FileStore(str(meeting), ranks.number),
        rank=ranks.rank,
        world_size=ranks.number,
        timeout=_PATIENCE,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()
        torch.set_num_threads(threads)


def _stay_here() -> None:
    """Let gloo use the loopback, which is always there.

    By default it looks up the machine's own name, which not every container knows.
    """
    names = [name for _, name in if_nameindex() if name in ("lo", "lo0")]
    if names:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", names[0])


class _Helper:
    """A further rank, as rank 0 sees it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.name = f"process {order['rank'] + 1} of {order['number']}"
        self.words = Path(order["meeting"]).with_name(f"{order['rank']}.txt")
        with self.words.open("wb") as words:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "aerun.command.rank"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def await_ready(self) -> None:
        """Wait until the rank has its data."""
        assert self.process.stdout is not None
        if not self.process.stdout.read(1):
            self.refuse_early_end()

    def refuse_early_end(self) -> None:
        """Raise TrainingError where the rank has failed, or is about to."""
        try:
            code = self.process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            return
        if code < 0:
            raise TrainingError(f"{self.name} was killed (signal {-code}), perhaps for want of memory.")
        if code:
            *_, last = ["no reason given", *self.words.read_text(errors="replace").splitlines()]
            raise TrainingError(f"{self.name} could not go on: {last}")

    def await_end(self) -> None:
        """Wait a few seconds for the rank to end, which is all that it has left to do."""
        try:
            self.process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            return

    def close(self) -> None:
        """End the rank by killing it, which does no harm: it writes nothing."""
        self.process.kill()
        self.process.communicate()
