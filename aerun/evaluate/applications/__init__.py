"""What a trained model is good for.

An application is a module here, chosen by its name. It has:

WHO: "model" first, then the baselines that make its figures honest. METRICS: name -> "max" or "min", what is better;
"" where rows are not rivals.
unsupported_reason(model, dataset): why it makes no sense for them, or nothing; called before any data are read.
evaluate(trained): an `Outcome`.
"""

from collections.abc import Iterable, Mapping

from aerun.autoencoder import Autoencoder
from aerun.core.registry import Registry
from aerun.dataset.base import Dataset

_registry = Registry(__name__, __path__, "evaluate", "application")
names, module, summary = _registry.names, _registry.module, _registry.summary


def metrics(name: str) -> Mapping[str, str]:
    """Map each metric of an application to what is better, "max" or "min"."""
    directions: Mapping[str, str] = module(name).METRICS
    return directions


def figures(chosen: Iterable[str]) -> list[str]:
    """Return the keys APPLICATION/WHO/METRIC that these applications can give."""
    return [f"{a}/{who}/{metric}" for a in chosen for who in module(a).WHO for metric in metrics(a)]


def unsupported_reason(name: str, model: Autoencoder, dataset: Dataset) -> str:
    """Return why this application makes no sense here, or nothing."""
    reason: str = module(name).unsupported_reason(model, dataset)
    return reason


def select_applications(names: Iterable[str], model: Autoencoder, dataset: Dataset) -> list[str]:
    """Return the applications of a list of names, or all that fit for [all].

    Raises AerunError for one that is unknown or does not fit.
    """
    return _registry.select(names, lambda name: unsupported_reason(name, model, dataset), {"all": lambda module: True})
