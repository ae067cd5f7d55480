"""Figures of a trained model that its results do not hold. A measure is a module here with `measure(trained) -> figures`;
an experiment asks for it by the module's name, and its figures are then called NAME/FIGURE.
"""

import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module

import torch

from aerun.dataset.base import Data
from aerun.dataset.generated import Generated
from aerun.errors import AerunError, nearest
from aerun.trained import Trained


def names() -> list[str]:
    """Every measure there is."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def refuse_unknown(wanted: Iterable[str]) -> None:
    """AerunError, with the nearest, for a name that is no measure's."""
    for name in wanted:
        if name not in names():
            raise AerunError(f"measures: {name}: no such measure{nearest(name, names())} (measures: {', '.join(names())}).")


def measure(name: str, trained: Trained) -> dict[str, float]:
    """Figures of one measure, with chance drawn from the run's seed."""
    found: Callable[[Trained], dict[str, float]] = import_module(f"{__name__}.{name}").measure
    with torch.random.fork_rng():
        torch.manual_seed(trained.seed)
        return {k: float(v) for k, v in found(trained).items()}


def known_factors(trained: Trained) -> Data:
    """The factors of a generated data set, row for row. AerunError where it has none."""
    factors = trained.dataset.factors() if isinstance(trained.dataset, Generated) else None
    if factors is None:
        raise AerunError("measures: this one needs a data set whose factors are known, such as dataset=factors or sprites.")
    return factors
