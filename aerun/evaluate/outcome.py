"""What an application reports."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """figures: who -> metric -> value, "model" first. note: split, counts, draws: what a reader must know to believe them.

    spread: standard deviation over draws, where there are draws, laid out like `figures`. beside: WHO/WHAT -> figures that no
    table shows, such as the ends of an interval. prefix: of its keys in results.json, where that is not the application's name.
    """

    figures: Mapping[str, Mapping[str, float]]
    note: str
    spread: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    beside: Mapping[str, float] = field(default_factory=dict)
    prefix: str = ""

    def flat(self, name: str) -> dict[str, float]:
        """Return the figures as {NAME/WHO/METRIC: value}."""
        name = self.prefix or name
        figures = {f"{name}/{who}/{k}": float(v) for who, row in self.figures.items() for k, v in row.items()}
        return figures | {f"{name}/{key}": float(v) for key, v in self.beside.items()}


def averaged(draws: Sequence[Mapping[str, Mapping[str, float]]], note: str) -> Outcome:
    """Return the mean and the standard deviation (n - 1; 0 of a single one) over draws that are laid out alike."""
    figures = {w: {k: statistics.fmean(d[w][k] for d in draws) for k in row} for w, row in draws[0].items()}
    spread = {
        w: {k: statistics.stdev([d[w][k] for d in draws]) if draws[1:] else 0.0 for k in row} for w, row in draws[0].items()
    }
    return Outcome(figures, note, spread)
