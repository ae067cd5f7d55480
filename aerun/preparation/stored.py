"""A preparation as plain data, so that a trained model needs no data to be built again."""

from collections.abc import Mapping
from typing import Any

from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.columns import Columns
from aerun.preparation.feature import feature
from aerun.preparation.scale import Scale

_KINDS: dict[str, type[Preparation]] = {"unchanged": Unchanged, "columns": Columns, "scale": Scale}


def plain(preparation: Preparation) -> dict[str, Any]:
    """Return {"kind": NAME, ...}; of a kind that is not aerun's own nothing but {}: its data set knows how to build it."""
    names = {v: k for k, v in _KINDS.items()}
    kind = names.get(type(preparation))
    return {} if kind is None else {"kind": kind, **preparation.settings}


def restored(found: Mapping[str, Any]) -> Preparation:
    """Return the preparation, not yet fitted. KeyError, TypeError or ValueError for what `plain` did not write."""
    settings = {k: v for k, v in found.items() if k != "kind"}
    if found["kind"] == "columns":
        settings["features"] = [feature(**f) for f in settings["features"]]
    return _KINDS[found["kind"]](**settings)
