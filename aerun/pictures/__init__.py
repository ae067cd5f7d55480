"""What a trained model looks like. A picture is a module here, chosen by its name:

CHEAP: drawn at the end of every run that it fits, and not only where asked for.
unsupported_reason(model, dataset): why it makes no sense for them, or nothing; asked before any data are read.
draw(trained, folder): (H, W, 3) bytes of a run in `folder`; None where what it leaves are files for TensorBoard.
"""

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError, nearest
from aerun.dataset.base import Dataset


def names() -> list[str]:
    """Every picture there is."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def module(name: str) -> ModuleType:
    """The module of one picture."""
    return import_module(f"{__name__}.{name}")


def summary(name: str) -> str:
    """What it shows, in a line."""
    return (module(name).__doc__ or "").strip().splitlines()[0].rstrip(".")


def unsupported_reason(name: str, model: Autoencoder, dataset: Dataset) -> str:
    """Why this picture makes no sense here, or nothing."""
    found: str = module(name).unsupported_reason(model, dataset)
    return found


def select_pictures(asked: Iterable[str], model: Autoencoder, dataset: Dataset) -> list[str]:
    """The pictures of a list of names; all that fit for [all], the cheap ones of them for [default].

    AerunError for one that is unknown or does not fit.
    """
    asked = list(asked)
    if asked in (["all"], ["default"]):
        fit = [name for name in names() if not unsupported_reason(name, model, dataset)]
        return [name for name in fit if asked == ["all"] or module(name).CHEAP]
    for name in asked:
        if name not in names():
            known = ("all", "default", *names())
            raise AerunError(f"pictures: {name}: no such picture{nearest(name, known)} ({', '.join(known)}).")
        if why := unsupported_reason(name, model, dataset):
            raise AerunError(f"pictures: {name}: {why}")
    return asked
