"""What a trained model is good for. An application is a module here, chosen by its name:

WHO: "model" first, then the baselines that make its figures honest. METRICS: name -> "max" or "min", what is better.
unsupported_reason(model, dataset): why it makes no sense for them, or nothing; asked before any data are read.
evaluate(trained): an `Outcome`.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError, nearest
from aerun.dataset.base import Dataset


def names() -> list[str]:
    """Every application there is."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def module(name: str) -> ModuleType:
    """The module of one application."""
    return import_module(f"{__name__}.{name}")


def summary(name: str) -> str:
    """What it asks, in a line."""
    return (module(name).__doc__ or "").strip().splitlines()[0].rstrip(".")


def metrics(name: str) -> Mapping[str, str]:
    """Metric -> "max" or "min"."""
    found: Mapping[str, str] = module(name).METRICS
    return found


def figures(chosen: Iterable[str]) -> list[str]:
    """Keys APPLICATION/WHO/METRIC that these applications can give."""
    return [f"{a}/{who}/{metric}" for a in chosen for who in module(a).WHO for metric in metrics(a)]


def unsupported_reason(name: str, model: Autoencoder, dataset: Dataset) -> str:
    """Why this application makes no sense here, or nothing."""
    found: str = module(name).unsupported_reason(model, dataset)
    return found


def select_applications(asked: Iterable[str], model: Autoencoder, dataset: Dataset) -> list[str]:
    """The applications of a list of names, or all that fit for [all]. AerunError for one that is unknown or does not fit."""
    asked = list(asked)
    if asked == ["all"]:
        return [name for name in names() if not unsupported_reason(name, model, dataset)]
    for name in asked:
        if name not in names():
            raise AerunError(f"evaluate: {name}: no such application{nearest(name, names())} (all, or {', '.join(names())}).")
        if why := unsupported_reason(name, model, dataset):
            raise AerunError(f"evaluate: {name}: {why}")
    return asked
