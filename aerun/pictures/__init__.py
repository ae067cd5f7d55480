"""What a trained model looks like. A picture is a module here, chosen by its name.

CHEAP: drawn at the end of every run that it fits, and not only where asked for.
IN_SWEEPS: where it is true, drawn of every run of a sweep too, when the default pictures are asked for.
unsupported_reason(model, dataset): why it makes no sense for them, or nothing; asked before any data are read.
draw(trained, folder): (H, W, 3) bytes of a run in `folder`; None where what it leaves are files for TensorBoard.
"""

from collections.abc import Iterable

from aerun.autoencoder import Autoencoder
from aerun.core.registry import Registry
from aerun.dataset.base import Dataset

_registry = Registry(__name__, __path__, "pictures", "picture")
names, module, summary = _registry.names, _registry.module, _registry.summary


def unsupported_reason(name: str, model: Autoencoder, dataset: Dataset) -> str:
    """Return why this picture makes no sense here, or nothing."""
    reason: str = module(name).unsupported_reason(model, dataset)
    return reason


def select_pictures(asked: Iterable[str], model: Autoencoder, dataset: Dataset) -> list[str]:
    """Return the pictures of a list of names; all that fit for [all], the cheap ones of them for [default].

    Raises AerunError for one that is unknown or does not fit.
    """
    sets = {"all": lambda module: True, "default": lambda module: bool(module.CHEAP)}
    return _registry.select(asked, lambda name: unsupported_reason(name, model, dataset), sets)


def of_sweep(names: Iterable[str]) -> list[str]:
    """Return those of the default pictures that every run of a sweep has: its reconstructions.

    The others take longer than the training of a small model, and are drawn when they are asked for.
    """
    return [name for name in names if getattr(module(name), "IN_SWEEPS", False)]
