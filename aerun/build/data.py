"""Builds a run's data set alone."""

from collections.abc import Sequence

from aerun.build.maker import Config, Maker
from aerun.core.checks import table
from aerun.dataset.base import Dataset
from aerun.dataset.older import completed
from aerun.dataset.telling import telling_of
from aerun.settings.conditions import SETTINGS

_ANY_DATASET = ("epochs", "normal", "contamination", *SETTINGS)  # Settings that are not the class's own.
_WRITING = {"cache": None, "download": False}  # Settings that write files, as they are while a folder is read.


def dataset_of(cfg: Config, trusted: Sequence[str] | None = None) -> Dataset:
    """Return the data set alone, with its settings checked."""
    about = completed(table("dataset", cfg))
    node = {k: v for k, v in about.items() if k not in _ANY_DATASET}
    if trusted is not None:
        node |= {k: v for k, v in _WRITING.items() if k in node}  # A folder must not say where files are written.
    dataset: Dataset = Maker(trusted)("dataset", node, {})
    dataset.set_normal_classes(about.get("normal"), about.get("contamination", 0.0))
    dataset.set_told(telling_of({**SETTINGS, **{k: v for k, v in about.items() if k in SETTINGS}}))
    return dataset
