"""A bill as it is printed."""

import shutil
from pathlib import Path

from aerun.bill import machine
from aerun.bill.cost import Cost
from aerun.bill.estimate import Estimate
from aerun.bill.past import Calibration
from aerun.core.memory import available_memory
from aerun.core.text import counted, span


def of_run(cost: Cost, told: Estimate, known: Calibration) -> list[str]:
    """Return the lines of one run's bill: time with its parts, memory, disk, and where that comes from."""
    size, rate = cost.size, cost.clock[1]
    epoch = (size.batches * cost.step + cost.epoch) * rate
    parts = [
        f"{span(cost.start + cost.first)} until it begins",
        f"{counted(size.epochs, 'epoch')} of {_short(epoch)} ({counted(size.batches, 'step')} of {_short(cost.step * rate)})",
        f"{_short(cost.ending())} for tests, pictures and applications",
    ]
    early = f"; it may end after {counted(size.shortest, 'epoch')} (trainer.patience)" if told.early else ""
    most = f"; trainer.max_time ends training after {span(size.limit)}" if size.limit is not None else ""
    return [
        f"time     {told.words(machine.busy())}{early}{most}",
        f"         {', '.join(parts)}",
        f"memory   {_bytes(cost.memory)}{_scarce(cost.memory)}",
        f"disk     {_bytes(cost.bytes_on_disk())}{_full(cost.bytes_on_disk())}",
        f"step     {size.flop / 1e6:,.4g} MFLOP, {counted(size.parameters, 'parameter')}",
        f"from     {counted(cost.blocks, 'block')} of steps, a test and a checkpoint, measured just now; {known.words()}",
    ]


def of_sweep(jobs: int, shapes: int, told: Estimate, longest: Estimate, memory: float, disk: float, at_once: int) -> list[str]:
    """Return the lines of a sweep's bill. memory: bytes of all jobs that run at once. disk: bytes of all."""
    many = f", {at_once} at once" if at_once > 1 else ""
    busy = machine.busy()
    return [
        f"bill     time    {told.words(busy)}: {counted(jobs, 'job')} of {counted(shapes, 'shape')}{many}; "
        f"the longest {longest.words(busy)}",
        f"         memory  {_bytes(memory)}{_scarce(memory)}; disk {_bytes(disk)}{_full(disk)}",
    ]


def _short(seconds: float) -> str:
    return span(seconds) if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"


def _bytes(number: float) -> str:
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.3g} MB"


def _scarce(memory: float) -> str:
    free = available_memory()
    return f" (more than the {_bytes(free)} that are free now)" if memory > free + machine.peak_memory() else ""


def _full(disk: float) -> str:
    free = shutil.disk_usage(Path.cwd()).free
    return f" (more than the {_bytes(free)} that are free here)" if disk > free else ""
