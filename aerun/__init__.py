"""aerun: a config-driven experiment runner for autoencoders.

    x --corruption--> x_in --encoder--> h --bottleneck--> z --decoder--> raw --loss.activate--> x_hat

    L = reconstruction(x, x_hat) + reg.lambda * sum_k w_k * Omega_k

Every room of this package, every config group and every log key is named after a word of that picture.

From Python: `aerun.train("model=sparse", "dataset=mnist")` and `aerun.load("outputs/runs/...")` return an `aerun.Model`.
For parts and data sets of one's own all names are here that they are made of; docs/api.md lists them.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from aerun.core.version import __version__

if TYPE_CHECKING:
    from aerun.core.checks import at_least, integer, number, one_of, within
    from aerun.core.errors import AerunError, TrainingError
    from aerun.core.facts import Facts
    from aerun.dataset.base import Clusters, Dataset
    from aerun.dataset.splits import Data, Split, split
    from aerun.inference.model import Model
    from aerun.parts import (
        Arch,
        Bottleneck,
        Corruption,
        Discrete,
        Hiding,
        Level,
        Loss,
        Opposed,
        Part,
        Prior,
        Regularizer,
        weights,
    )
    from aerun.preparation.base import Preparation
    from aerun.vocabulary import VOCABULARY, wide

__all__ = [
    "VOCABULARY",
    "AerunError",
    "Arch",
    "Bottleneck",
    "Clusters",
    "Corruption",
    "Data",
    "Dataset",
    "Discrete",
    "Facts",
    "Hiding",
    "Level",
    "Loss",
    "Model",
    "Opposed",
    "Part",
    "Preparation",
    "Prior",
    "Regularizer",
    "Split",
    "TrainingError",
    "__version__",
    "at_least",
    "integer",
    "load",
    "number",
    "one_of",
    "split",
    "train",
    "weights",
    "wide",
    "within",
]

_HOMES = {  # The module of each name; it is imported, and torch with it, when the name is first used.
    "aerun.core.checks": ("at_least", "integer", "number", "one_of", "within"),
    "aerun.core.errors": ("AerunError", "TrainingError"),
    "aerun.core.facts": ("Facts",),
    "aerun.dataset.base": ("Clusters", "Dataset"),
    "aerun.dataset.splits": ("Data", "Split", "split"),
    "aerun.inference.model": ("Model",),
    "aerun.parts": (
        *("Arch", "Bottleneck", "Corruption", "Discrete", "Hiding", "Level"),
        *("Loss", "Opposed", "Part", "Prior", "Regularizer", "weights"),
    ),
    "aerun.preparation.base": ("Preparation",),
    "aerun.vocabulary": ("VOCABULARY", "wide"),
}


def load(run: str | PathLike[str], weights: str = "best", trust: Sequence[str] = ()) -> "Model":
    """Return the model that a run left in its folder (`model.folder` too); for a sweep's folder, that of its best run.

    Nothing in the folder is executed. weights: `best` or `last`. trust: modules, besides aerun's own, whose classes may be
    built. Raises AerunError, which says what is wrong.
    """
    # Deferred: --help does without torch.
    from aerun.api import load

    return load(run, weights, trust)


def train(*overrides: str, x: Any = None, folder: str | Path | None = None, fresh: bool = False, **settings: Any) -> "Model":
    """Run what `aerun OVERRIDES` would, in this process, and return the trained model.

    settings: the same by keyword, `__` for a dot: `model="sparse", model__latent_dim=8, seed=1`. x: samples in memory (n, D),
    (n, H, W), (n, C, H, W) or, with `dataset__kind="sequence"`, (n, T, F), or a table: a frame of pandas or polars, a table
    of Arrow's or a mapping of columns, with the settings of `dataset=table`. They are kept in the run's folder; without x,
    `dataset=...` says what to read. folder: of the run; as on the command line if None. One that was used before is refused,
    unless it holds this run, unfinished, which goes on. fresh: first remove what aerun wrote there. Errors:
    aerun.core.errors.AerunError and TrainingError.
    """
    # Deferred: --help does without torch.
    from aerun.api import train

    return train(*overrides, x=x, folder=folder, fresh=fresh, **settings)


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'aerun' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _make_configs_importable() -> None:
    """Let `pkg://aerun.configs` find the options of a checkout, whose configs lie beside the package and not in it."""
    package = Path(__file__).resolve().parent
    beside, name = package.parent / "configs", f"{__name__}.configs"
    if (package / "configs").is_dir() or not (beside / "config.yaml").is_file():
        return
    spec = spec_from_file_location(name, beside / "__init__.py", submodule_search_locations=[str(beside)])
    if spec is not None:
        sys.modules[name] = module_from_spec(spec)


class _Package(ModuleType):
    """The module's class: importing the submodule `aerun.train` does not hide the function of that name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "train" or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
_make_configs_importable()
