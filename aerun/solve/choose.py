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
    """runs: the chosen one, and those that score with it. enough: whether PCA is enough. because: why, in a sentence."""

    runs: tuple[Candidate, ...]
    enough: bool
    because: str


def best_of(candidates: Sequence[Candidate], sign: int) -> Candidate | None:
    """Return the best network by its own figure; None without any."""
    networks = [c for c in candidates if not c.linear]
    return min(networks, key=lambda c: (sign * c.own, c.name), default=None)


def by_error(task: Task, candidates: Sequence[Candidate], rows: int) -> Choice:
    """Return the choice where less of the figure is better: a network where it is at most 95 % of PCA's."""
    best, linear = best_of(candidates, task.sign), next((c for c in candidates if c.linear), None)
    where = f"{task.figure} on {rows:,} validation rows"
    if best is None:
        assert linear is not None
        return Choice((linear,), True, f"no network was trained to its end, so that PCA is what there is ({where})")
    pca = linear.own if linear is not None else best.figures.get("pca")
    if pca is None:
        return Choice((best,), False, f"the best network has {best.own:.4g} ({where}); PCA has no such figure")
    ratio = best.own / max(pca, 1e-300)
    both = f"the best network has {best.own:.4g}, PCA {pca:.4g} ({where}; ratio {ratio:.2f}, worth it up to {WORTH})"
    if ratio <= WORTH:
        return Choice((best,), False, both)
    if linear is None:
        return Choice((best,), True, f"{both}; no run is PCA on such data, so that the network stands")
    return Choice((linear,), True, both)


def by_auroc(candidates: Sequence[Candidate], ensemble: Sequence[Candidate], together: float | None, error: float, rows: int) -> Choice:
    """Return the choice of alarms: a network where its AUROC on made anomalies is a standard error above PCA's, or several.

    together: AUROC of `ensemble`; error: the standard error of such a figure.
    """
    best, linear = best_of(candidates, -1), next((c for c in candidates if c.linear), None)
    where = f"AUROC on {rows:,} validation rows and as many made of them, standard error {error:.3f}"
    if best is None:
        assert linear is not None
        return Choice((linear,), True, f"no network was trained to its end, so that PCA is what there is ({where})")
    if linear is not None and best.own < linear.own + error:
        return Choice((linear,), True, f"the best network has {best.own:.3f}, PCA {linear.own:.3f} ({where})")
    beside = f", PCA {linear.own:.3f}" if linear is not None else ""
    if together is not None and together > best.own + error:
        words = f"{len(ensemble)} runs together have {together:.3f}, the best alone {best.own:.3f}{beside} ({where})"
        return Choice((best, *(c for c in ensemble if c is not best)), False, words)
    more = "" if together is None else f"; {len(ensemble)} together {together:.3f}"
    return Choice((best,), False, f"the best network has {best.own:.3f}{beside}{more} ({where})")
