"""Which candidate a plan ends with: pure functions of figures on validation rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aerun.solve.tasks import Task

WORTH = 0.95  # of PCA's figure, above which a network's error is no gain


@dataclass(frozen=True)
class Candidate:
    """A run that is complete. name: what was tried. figures: on validation rows, of it as `model` and of baselines."""

    name: str
    run: Path
    figures: Mapping[str, float]
    linear: bool = False

    @property
    def own(self) -> float:
        """Return its own figure."""
        return self.figures["model"]


@dataclass(frozen=True)
class Choice:
    """runs: the chosen one, and those that score with it. because: why, in a sentence.

    enough: whether PCA is enough; None where there was no network to tell it by.
    """

    runs: tuple[Candidate, ...]
    enough: bool | None
    because: str


def best_of(candidates: Sequence[Candidate], sign: int) -> Candidate | None:
    """Return the best network by its own figure; None without any."""
    networks = [c for c in candidates if not c.linear]
    return min(networks, key=lambda c: (sign * c.own, c.name), default=None)


def by_error(task: Task, candidates: Sequence[Candidate], rows: int) -> Choice:
    """Return the choice where less of the figure is better: a network where it is at most 95 % of PCA's."""
    best, linear = best_of(candidates, task.sign), next((c for c in candidates if c.linear), None)
    where = f"{task.figure}{' over that of PCA at the same quality' * task.relative} on {rows:,} validation rows"
    if best is None:
        assert linear is not None
        return Choice((linear,), None, "no network was trained")
    pca = linear.own if linear is not None and not task.relative else best.figures.get("pca")
    if pca is None:
        return Choice((best,), False, f"the best network has {best.own:.4g} ({where}); PCA has no such figure")
    ratio = best.own / max(pca, 1e-300)
    both = f"the best network has {best.own:.4g}, PCA {pca:.4g} ({where}; ratio {ratio:.2f}, worth it up to {WORTH})"
    if ratio <= WORTH:
        return Choice((best,), False, both)
    if linear is None:
        return Choice((best,), True, f"{both}; no run is PCA on such data, so that the network stands")
    return Choice((linear,), True, both)


def by_auroc(candidates: Sequence[Candidate], together: float | None, error: float, rows: int) -> Choice:
    """Return the choice of alarms: networks and PCA together, where that is a standard error above PCA on made anomalies.

    A network alone is not chosen where there is a run of PCA: made anomalies tell too little of real ones. On the tuning sets
    the network alone lost up to .054 of AUROC to PCA (cardio), networks and PCA together at most .009. together: AUROC of all
    candidates as one; error: the standard error of such a figure.
    """
    best, linear = best_of(candidates, -1), next((c for c in candidates if c.linear), None)
    where = f"AUROC of {rows:,} validation rows against as many anomalies made of them, standard error {error:.3f}"
    if best is None:
        assert linear is not None
        return Choice((linear,), None, "no network was trained")
    if linear is None:
        return Choice((best,), False, f"it is the best network; no run is PCA on such data ({where}: {best.own:.3f})")
    each = f"the best network alone has {best.own:.3f}, PCA {linear.own:.3f}"
    if together is None or together < linear.own + error:
        beside = "" if together is None else f", both together {together:.3f}"
        return Choice((linear,), True, f"{each}{beside} ({where})")
    others = (c for c in candidates if c is not best)
    return Choice((best, *others), False, f"with PCA {together:.3f}; {each} ({where})")
