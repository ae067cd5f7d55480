"""A bill in seconds by the clock: low, likely and high, corrected by what billed runs of this machine took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aerun.bill.cost import Cost
from aerun.bill.past import Calibration
from aerun.core.text import span

_WORSE = 1.5  # how much slower than now a machine may become that is busy


@dataclass(frozen=True)
class Estimate:
    """Seconds by the clock. cpu: likely seconds of the CPU. early: whether training may end before its last epoch.

    most: what 9 of 10 such runs stay below, if the machine stays as it is now; high is more where it may become busier.
    """

    low: float
    likely: float
    high: float
    cpu: float
    early: bool = False
    most: float = 0.0

    def later(self, seconds: float) -> "Estimate":
        """Return it with so many seconds before."""
        ends = {end: getattr(self, end) + seconds for end in ("low", "likely", "high", "most")}
        return replace(self, **ends)

    def words(self, busy: bool) -> str:
        """Return it in words, such as `about 12 min (9 min to 16 min)`; of a busy machine only between what."""
        between = f"{span(self.low)} to {span(self.high)}"
        if busy:
            return f"busy: {between}"
        return f"{'at most ' if self.early else ''}about {span(self.likely)} ({between})"


def estimate(
    cost: Cost,
    known: Calibration,
    cold: bool = False,
    busy: bool = False,
    pace: float | None = None,
    done: float = 0.0,
    begun: bool = False,
) -> Estimate:
    """Return what a run takes.

    cold: it is the first of its process. busy: others are at work here, so that it may be as quick as on an idle machine or
    slower than now. pace: seconds by the clock for one of the CPU as another run has just had. done: epochs that are trained.
    begun: with the start of the process.
    """
    size = cost.size
    shortest, longest = max(0.0, size.shortest - done), max(0.0, size.epochs - done)
    low, likely, high = (cost.seconds(n, cold, at) * known.factor for n, at in ((shortest, 0), (longest, 1), (longest, 2)))
    if busy:
        low, high = min(low, cost.cpu(shortest, cold) * known.factor), high * _WORSE
    if pace is not None:
        now = cost.cpu(longest, cold) * known.factor * pace
        likely, high, low = now, max(high, now), min(low, now)
    if size.limit is not None:  # the time of training is no guess
        most = size.limit + (cost.begin + cost.fit + cost.end + cost.first * cold) * cost.clock_rest * known.factor
        likely, high = min(likely, most), min(high, most)
    start = cost.start * cost.clock_rest if begun else 0.0
    low, likely, high = (seconds + start for seconds in (min(low, likely), likely, high))
    cpu = cost.cpu(longest, cold) * known.factor + (cost.start if begun else 0.0)
    early, most = size.shortest < size.epochs, likely * known.reach
    return Estimate(low / known.reach, likely, max(high * known.reach, most), cpu, early, most)


def together(jobs: Sequence[Estimate], at_once: int, cores: int) -> Estimate:
    """Return what many take, so many at once: no less than their share of the processes, the longest, and all of the cores.

    What is off in single bills is taken to be off in all of them alike: the ends are sums of ends.
    """
    cpu = math.fsum(job.cpu for job in jobs)

    def of(values: list[float]) -> float:
        share = max(math.fsum(values) / max(1, min(at_once, len(values) or 1)), max(values, default=0.0))
        return max(share, cpu / cores) if at_once > 1 else share

    low, likely, high = ([getattr(job, end) for job in jobs] for end in ("low", "likely", "high"))
    return Estimate(of(low), of(likely), of(high), cpu, any(job.early for job in jobs))
