"""Bills that were made here, and what the billed runs then took: outputs/bills in the folder of the command.

COST.json is the bill of runs of one shape, past.json what the last billed runs took beside theirs. A run whose shape has a bill
keeps its own prediction and the truth in its folder, as bill.json.
"""

import logging
import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from aerun.bill import machine
from aerun.bill.cost import Cost, cost_of, shape_key
from aerun.core.errors import AerunError
from aerun.core.text import note
from aerun.runs.folder import Folder
from aerun.runs.lock import alone

PLACE = Path("outputs/bills")
PAST, OF_RUN = "past.json", "bill.json"
_RUNS, _LAST = 200, 20  # that are kept; that count
_SPREAD, _WEIGHT = math.log(1.2), 5.0  # of the log ratios before any is known, and as how many runs that counts
_80 = 1.2816  # standard deviations to either side that hold 80 % of a normal distribution
_LOCK = ".lock.past"

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class Calibration:
    """How far off bills were on this machine: took, the median of true over predicted; spread of their logarithms.

    factor: by which bills are multiplied, nearer to 1 than the median where it is of a few runs.
    """

    factor: float = 1.0
    spread: float = _SPREAD
    runs: int = 0
    took: float = 1.0

    @property
    def reach(self) -> float:
        """Return the factor to either side within which 4 of 5 runs are expected."""
        return math.exp(_80 * self.spread)

    def words(self) -> str:
        """Return it in one line."""
        if not self.runs:
            return "no run of this machine has been held against its bill yet"
        runs = f"the last {self.runs} billed runs" if self.runs > 1 else "the one billed run"
        few = f"; of so few, bills are multiplied by {self.factor:.2f}" if self.runs < _WEIGHT else ""
        return f"calibrated: {runs} of this machine took {self.took:.2f} times the CPU time predicted{few}"


def calibration(ratios: Sequence[float]) -> Calibration:
    """Return how bills are corrected, from true over predicted CPU seconds of runs here, the latest last.

    Of fewer runs than five the median counts in part.
    """
    last = [math.log(r) for r in ratios[-_LAST:] if math.isfinite(r) and r > 0]
    if not last:
        return Calibration()
    took = statistics.median(last)
    middle = took * min(1.0, len(last) / _WEIGHT)  # the first few may be off by chance alone
    squares = sum((v - middle) ** 2 for v in last)
    spread = math.sqrt((_WEIGHT * _SPREAD**2 + squares) / (_WEIGHT + len(last)))
    return Calibration(math.exp(middle), spread, len(last), math.exp(took))


def learned() -> Calibration:
    """Return how bills are corrected on this machine."""
    return calibration([float(row["ratio"]) for row in _rows()])


def pace_of(command: str) -> float | None:
    """Return the seconds by the clock for one of the CPU of the last run that this command did; None: there is none yet."""
    last = next((row for row in reversed(_rows()) if command and row.get("attempt") == command), None)
    return None if last is None else float(last["seconds"]) / max(float(last["cpu"]), 1e-9)


def _rows() -> list[Mapping[str, Any]]:
    """Return past runs of this machine, the latest last."""
    if Folder(PLACE).broken(PAST):
        _tell(str(PLACE.absolute() / PAST), "bills are not corrected by past runs; the next billed run begins it anew")
        return []
    rows = Folder(PLACE).read(PAST).get("runs")
    here = machine.name()
    good = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    numbers = ("ratio", "cpu", "seconds")
    return [r for r in good if r.get("machine") == here and all(isinstance(r.get(k), int | float) for k in numbers)]


@lru_cache(maxsize=64)
def _tell(path: str, what: str) -> None:
    """Say once what is done about a damaged file."""
    note(f"{path}: damaged: {what}")


def keep(config: Mapping[str, Any], cost: Cost) -> Path:
    """Keep the bill of runs of this shape; return its file."""
    name = f"{shape_key(config)}.json"
    about = {"machine": machine.name(), "made": time.strftime("%Y-%m-%d %H:%M:%S"), **cost.plain()}
    Folder(PLACE).write(name, about)
    return PLACE / name


def kept(config: Mapping[str, Any]) -> Cost | None:
    """Return the bill of runs of this shape on this machine; None where none was made, or it cannot be read."""
    name = f"{shape_key(config)}.json"
    if not PLACE.is_dir() or not Folder(PLACE).has(name):
        return None
    table = {} if Folder(PLACE).broken(name) else Folder(PLACE).read(name)
    found = cost_of(table)
    if found is None:
        _tell(str(PLACE.absolute() / name), "it is no bill of this shape, which is measured anew where one is wanted")
    return found if table.get("machine") == machine.name() else None


class Watch:
    """One run, from its beginning on, held against the bill of its shape."""

    def __init__(self, cost: Cost) -> None:
        self.cost, self.cold = cost, "pytorch_lightning" not in sys.modules
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def ended(self, folder: Path, epochs: int, attempt: str) -> None:
        """Keep what the run took beside its bill, in its folder and among the past; a bill is not worth a run."""
        cpu, seconds = time.process_time() - self.cpu, time.perf_counter() - self.wall
        predicted = self.cost.cpu(epochs, self.cold)
        known = learned()
        bill = {
            "predicted": {"cpu": predicted * known.factor, "seconds": self.cost.seconds(epochs, self.cold) * known.factor},
            "took": {"cpu": cpu, "seconds": seconds, "epochs": epochs},
            "planned_epochs": self.cost.size.epochs,
            "cold": self.cold,
        }
        row = {"ratio": cpu / predicted, "cpu": cpu, "seconds": seconds, "attempt": attempt, "machine": machine.name()}
        try:
            Folder(folder).write(OF_RUN, bill)
            if self.cold and not self.cost.first:  # how much more the first run of a process takes was not measured
                return
            with alone(PLACE, _LOCK, wait=True):
                before = [] if Folder(PLACE).broken(PAST) else Folder(PLACE).read(PAST).get("runs")
                runs = [*(before if isinstance(before, list) else []), row][-_RUNS:]
                Folder(PLACE).write(PAST, {"runs": runs})
        except (OSError, AerunError) as e:
            log.warning("the bill of this run could not be kept: %s", e)


def watch(config: Mapping[str, Any]) -> Watch | None:
    """Return what holds a run that begins now against its bill; None where it has none."""
    cost = kept(config)
    return None if cost is None else Watch(cost)
