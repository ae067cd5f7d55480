"""What an application found."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """figures: who -> metric -> value, "model" first. note: split, counts, draws: what a reader must know to believe them.

    spread: standard deviation over draws, where there are draws, laid out like `figures`.
    """

    figures: Mapping[str, Mapping[str, float]]
    note: str
    spread: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def flat(self, name: str) -> dict[str, float]:
        """{NAME/WHO/METRIC: value}."""
        return {f"{name}/{who}/{k}": float(v) for who, row in self.figures.items() for k, v in row.items()}
