"""Figures of a trained model that its results do not hold.

A measure is a module here with `measure(trained) -> figures`; an experiment asks for it by the module's name, and its figures
are then called NAME/FIGURE. It asks for an application of `aerun evaluate` in the same way; the figures of that are
NAME/WHO/METRIC.
"""

from collections.abc import Callable, Iterable

from aerun.core.errors import AerunError
from aerun.core.registry import Registry
from aerun.core.seeding import own_draws
from aerun.evaluate import applications
from aerun.evaluate.suite import ask
from aerun.trained import Trained

_registry = Registry(__name__, __path__, "measures", "measure")
names = _registry.names


def refuse_unknown(wanted: Iterable[str]) -> None:
    """Raise AerunError, with the nearest, for a name that is neither a measure's nor an application's."""
    _registry.require(wanted, applications.names())


def measure(name: str, trained: Trained) -> dict[str, float]:
    """Return figures of one measure or application, with chance drawn from the run's seed."""
    if name in applications.names():
        return _applied(name, trained)
    figures_of: Callable[[Trained], dict[str, float]] = _registry.module(name).measure
    with own_draws(trained.seed):
        return {k: float(v) for k, v in figures_of(trained).items()}


def _applied(name: str, trained: Trained) -> dict[str, float]:
    """Return WHO/METRIC of an application. AerunError where it does not fit."""
    if why := applications.unsupported_reason(name, trained.autoencoder, trained.dataset):
        raise AerunError(f"measures: {name}: {why}.")
    return {k.removeprefix(f"{name}/"): v for k, v in ask(name, trained)[0].flat(name).items()}
