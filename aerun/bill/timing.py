"""Stamps of a short training: what a step, an epoch, and the writing of a checkpoint take."""

import statistics
import time
from itertools import pairwise
from typing import Any, NamedTuple

from pytorch_lightning import Callback, LightningModule, Trainer


class Stamp(NamedTuple):
    """Seconds of the CPU and by the clock, and optimizer steps so far."""

    cpu: float
    wall: float
    steps: int


class Timed(NamedTuple):
    """CPU seconds of each; clock: seconds by the clock for one of the CPU, of the fastest, the median and the slowest block."""

    start: float
    step: float
    epoch: float
    save: float
    clock: tuple[float, float, float]
    blocks: int


def stamp(steps: int = 0) -> Stamp:
    """Return what the clocks say now."""
    return Stamp(time.process_time(), time.perf_counter(), steps)


class Timing(Callback):
    """The last of a run's callbacks: its stamps are after what the others do."""

    def __init__(self) -> None:
        self.made = stamp()
        self.ready = self.made
        self.epochs: list[list[Stamp]] = []  # of each its start, the end of each call, and its own

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ready = stamp()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs.append([stamp(int(pl_module.steps))])  # type: ignore[arg-type]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.epochs[-1].append(stamp(int(pl_module.steps)))  # type: ignore[arg-type]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs[-1].append(stamp(int(pl_module.steps)))  # type: ignore[arg-type]

    def result(self) -> Timed:
        """Return what the stamps come to; the first epoch, which warms up, is left out.

        A step is the median of blocks, which are calls, or whole epochs of a single call. What an epoch takes beyond its steps
        is the rest of the median epoch, so that epochs as short as the measured ones are what they were.
        """
        usual = self.epochs[1:]
        blocks = [pair for calls in usual for pair in pairwise(calls[1:-1])] or [(calls[0], calls[-2]) for calls in usual]
        step = statistics.median((b.cpu - a.cpu) / (b.steps - a.steps) for a, b in blocks)
        spans = [(a[-1], b[-1]) for a, b in pairwise(self.epochs)]
        whole = statistics.median(b.cpu - a.cpu for a, b in spans[:-1])
        clock = sorted((b.wall - a.wall) / max(b.cpu - a.cpu, 1e-9) for a, b in spans)
        ends = [calls[-1].cpu - calls[-2].cpu for calls in usual]
        return Timed(
            start=self.ready.cpu - self.made.cpu,
            step=step,
            epoch=max(0.0, whole - step * (spans[0][1].steps - spans[0][0].steps)),
            save=max(0.0, ends[-1] - statistics.median(ends[:-1])),
            clock=(clock[len(clock) // 10], statistics.median(clock), clock[-1 - len(clock) // 10]),
            blocks=len(blocks),
        )
