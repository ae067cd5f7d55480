"""A preparation as plain data, so that a trained model can be rebuilt without its data."""

from collections.abc import Mapping
from typing import Any

from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.columns import Columns
from aerun.preparation.feature import feature
from aerun.preparation.norm import Norm
from aerun.preparation.pair import Pair
from aerun.preparation.scale import Scale
from aerun.preparation.told import Conditions

_KINDS: dict[str, type[Preparation]] = {"unchanged": Unchanged, "columns": Columns, "scale": Scale, "norm": Norm, "pair": Pair}


def plain(preparation: Preparation) -> dict[str, Any]:
    """Return a preparation as {"kind": NAME, ...}.

    For a kind that is not one of aerun's own it returns {}: its data set knows how to build it.
    """
    names = {v: k for k, v in _KINDS.items()}
    kind = names.get(type(preparation))
    told = {} if preparation.told is None else {"told": preparation.told.settings}
    return {} if kind is None else {"kind": kind, **preparation.settings, **told}


def restored(data: Mapping[str, Any]) -> Preparation:
    """Return the preparation that `plain` wrote, not yet fitted.

    Raises KeyError, TypeError or ValueError for data that `plain` did not write.
    """
    settings = {k: v for k, v in data.items() if k not in ("kind", "told")}
    if data["kind"] == "columns":
        settings["features"] = [feature(**f) for f in settings["features"]]
    preparation = _KINDS[data["kind"]](**settings)
    if "told" in data:
        preparation.told = Conditions(**{**data["told"], "features": [feature(**f) for f in data["told"]["features"]]})
    return preparation
