"""What pruning a sweep saved and what it risked, read from the folders of its jobs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import counted
from aerun.logger.rows import Learned, curve
from aerun.runs.folder import Folder
from aerun.runs.status import PAUSED, PRUNED
from aerun.sweep.grid import found_in, job_folder, read
from aerun.sweep.pruning import Pruning
from aerun.sweep.rungs import figure, later, member, pruning_in, whole_epochs

_FEWEST = 3  # jobs of which a rank correlation is told
ENOUGH = 5  # of which it is acted on: among three, every second order by chance is below WEAK
WEAK = 0.5


@dataclass(frozen=True)
class Curve:
    """A job that has begun. epochs: of `whole`, that it was trained. values: its figure at each rung that it has passed.

    end: its objective, None where it has not ended. check: it was pruned, after `stopped` epochs, and ended for the sake of the
    figures alone.
    """

    name: str
    typed: Sequence[str]
    status: str
    epochs: int
    whole: int
    values: Mapping[int, float]
    end: float | None = None
    check: bool = False
    stopped: int = 0

    @property
    def last(self) -> float:
        """Return its figure at its last rung; NaN before the first."""
        return self.values[max(self.values)] if self.values else math.nan


@dataclass(frozen=True)
class Outcome:
    """The jobs of a pruned sweep. damaged: why others are left out."""

    sweep: Path
    pruning: Pruning
    curves: Sequence[Curve]
    damaged: Sequence[str] = ()

    @cached_property
    def ended(self) -> list[Curve]:
        """Return those that ended, best first."""
        sign = self.pruning.sign
        return sorted((c for c in self.curves if c.end is not None), key=lambda c: (sign * (c.end or 0.0), c.name))

    @cached_property
    def pruned(self) -> list[Curve]:
        """Return those that stopped at a rung, furthest and best first."""
        sign = self.pruning.sign
        stopped = [c for c in self.curves if c.end is None and c.status in (PAUSED, PRUNED)]
        return sorted(stopped, key=lambda c: (-max(c.values, default=-1), sign * c.last, c.name))

    @property
    def checked(self) -> list[Curve]:
        """Return those that were pruned, and trained to their end all the same."""
        return [c for c in self.ended if c.check]

    def learned(self) -> list[Learned]:
        """Return the curves of all over epochs, those that ended first."""
        common = set.intersection(*(set(c.typed) for c in self.curves)) if self.curves else set()
        return [
            Learned(
                " ".join(o for o in c.typed if o not in common) or c.name,
                curve(self.sweep / c.name, self.pruning.objective),
                c.end is not None,
            )
            for c in (*self.ended, *self.pruned)
        ]

    def lines(self) -> list[str]:
        """Return what was saved and what was risked, in lines; none before any job has stopped or ended."""
        without = [f"a job is left out of these figures: {why.rstrip('.')}" for why in self.damaged]
        if not self.pruned and not self.ended:
            return without
        return [self._saved(), *(self._rung(rung) for rung in range(self.pruning.end)), *self._checks(), *without]

    def _saved(self) -> str:
        known = [*self.ended, *self.pruned]
        own = [c for c in known if not c.check]
        checked = [c for c in known if c.check]
        trained = sum(c.epochs for c in own) + sum(c.stopped for c in checked)
        whole = sum(c.epochs for c in self.ended) + sum(c.whole for c in self.pruned)
        more = sum(c.epochs - c.stopped for c in checked)
        extra = f"; {more} more for search.prune.check" if checked else ""
        share = f" ({100 * (1 - trained / whole):.0f} % saved)" if whole else ""
        stopped = len(self.pruned) + len(checked)
        return (
            f"pruning (search={self.pruning.kind}) stopped {stopped} of {counted(len(known), 'job')}: {trained} of at "
            f"most {whole} epochs were trained{share}{extra}"
        )

    def _rung(self, rung: int) -> str:
        """Return how far a rung tells the end, among the jobs that ended."""
        where = f"rung {rung + 1} of {self.pruning.end}"
        pairs = self._pairs(rung)
        if rung < self.pruning.begin:
            return f"{where}: {later_words(later(self.sweep))}"
        if len(pairs) < _FEWEST:
            return f"{where}: cannot tell how it ranks the ends: {counted(len(pairs), 'job')} ended"
        rho, sign = spearman(pairs), self.pruning.sign
        regret = sign * min(pairs, key=lambda p: sign * p[0])[1] - min(sign * end for _, end in pairs)
        ranks = "equal figures, no ranks" if math.isnan(rho) else f"rank correlation with the end {rho:.2f}"
        weak = rho < WEAK and rung == 0
        more = "; too low to prune by: begin later, with search.prune.first or rungs" if weak else ""
        if weak and len(pairs) < ENOUGH:
            more = f"; low, but of fewer than {ENOUGH} jobs: search.prune.check=N trains N more to their end"
        return f"{where}: {ranks}, its best is {regret:.3g} from the best end, over the {len(pairs)} jobs that ended{more}"

    def _pairs(self, rung: int) -> list[tuple[float, float]]:
        return [(v, c.end) for c in self.ended if (v := c.values.get(rung)) is not None and c.end is not None]

    def correlation(self, rung: int) -> tuple[float, int]:
        """Return the rank correlation of a rung with the end, NaN where there is none, and of how many jobs."""
        pairs = self._pairs(rung)
        return (spearman(pairs) if pairs else math.nan), len(pairs)

    def _checks(self) -> list[str]:
        """Return what became of the jobs that were checked; without them, what the figures above leave open."""
        best = next((c for c in self.ended if not c.check), None)
        if best is None or best.end is None:
            return []
        if not self.checked:
            if not self.pruned:
                return []
            open_ends = f"how {counted(len(self.pruned), 'pruned job')} would have ended is not known, and one may be the best"
            return [f"{open_ends}; search.prune.check=N trains N of them to their end and tells how often pruning erred"]
        sign = self.pruning.sign
        better = [c for c in self.checked if c.end is not None and sign * c.end < sign * best.end]
        count = f"{len(better)} of {counted(len(self.checked), 'pruned job')} that were checked"
        return [f"{count} would have been better than the best that went on ({self.pruning.objective} {best.end:.4g})"]


def later_words(about: Mapping[str, Any]) -> str:
    """Return in words why the first rung prunes nobody."""
    return (
        f"rank correlation with the end {about['correlation']:.2f} over {about['jobs']} jobs that had ended: too low to prune "
        "by, so all went on to the next rung"
    )


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the rank correlation of pairs, ties at their mean rank; NaN where all of one side are equal."""
    left, right = (_ranks([p[side] for p in pairs]) for side in (0, 1))
    middle = (len(pairs) + 1) / 2
    a, b = [r - middle for r in left], [r - middle for r in right]
    size = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / size if size else math.nan


def _ranks(values: Sequence[float]) -> list[float]:
    return [sum(v < one for v in values) + (sum(v == one for v in values) + 1) / 2 for one in values]


def outcome_of(sweep: Path) -> Outcome | None:
    """Return the jobs of a pruned sweep; None for a folder that is none. AerunError for one that is damaged."""
    grid = read(sweep) if sweep.is_dir() else None
    pruning = pruning_in(sweep, grid) if grid is not None else None
    if grid is None or pruning is None:
        return None
    jobs = grid.jobs or found_in(sweep)
    curves: list[Curve] = []
    damaged: list[str] = []
    for name, typed in jobs.items():
        try:
            curves += filter(None, [_curve(sweep, name, typed, pruning)])
        except AerunError as e:
            damaged.append(str(e))
    return Outcome(sweep, pruning, curves, damaged)


def _curve(sweep: Path, name: str, typed: Sequence[str], pruning: Pruning) -> Curve | None:
    """Return how far a job has come; None for one that was not begun, failed or is being trained.

    Raises AerunError for a damaged folder.
    """
    path = job_folder(sweep, name)
    results = Folder(path).read()
    status, end = results.get("status"), results.get("objective")
    if status not in ("completed", PAUSED, PRUNED):
        return None
    whole, one = whole_epochs(path), member(sweep, name, pruning)
    values = dict(one.values)
    stopped = pruning.epochs(max(values), whole) if one.check and values else 0
    if one.check and status == "completed":  # what it had at the rungs behind the one at which it was pruned counts as well
        values = {r: figure(path, pruning, pruning.epochs(r, whole)) for r in range(pruning.end)}
    ended = float(end) if status == "completed" and isinstance(end, int | float) else None
    return Curve(name, typed, str(status), int(results.get("epochs") or 0), whole, values, ended, one.check, stopped)
