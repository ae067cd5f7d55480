"""Configs of runs that an older aerun left."""

from collections.abc import Mapping
from typing import Any

_GREY = {"side": 28}
_SINCE: Mapping[str, Mapping[str, Any]] = {
    "aerun.dataset.mnist.Mnist": _GREY,
    "aerun.dataset.fashion_mnist.FashionMnist": _GREY,
    "aerun.dataset.kmnist.Kmnist": _GREY,
    "aerun.dataset.emnist.Emnist": _GREY,
    "aerun.dataset.factors.Factors": {"spikes": 0.0},
    "aerun.dataset.array.Array": {"weights": None, "missing": "fill", "show_missing": False},
    "aerun.dataset.idx.Idx": {"unit": "auto"},
    "aerun.dataset.images.Images": {"depth": "8"},
    "aerun.dataset.series.Series": {
        "zone": None,
        "decimal": "auto",
        "dates": "auto",
        "skip": "auto",
        "missing_words": "auto",
        "show_missing": False,
        "carry": False,
        "irregular": False,
        "id": None,
    },
    "aerun.dataset.table.Table": {
        "decimal": ".",
        "dates": "auto",
        "skip": 0,
        "missing_words": "auto",
        "missing": "fill",
        "show_missing": False,
        "numeric": "all",
        "id": None,
        "weights": None,
        "rare": None,
        "most": None,
        "hash": None,
        "memory": None,
        "cache": None,
    },
}


def completed(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a data set, completed by those that its option has gained since.

    With these, data are read as they were before.
    """
    return {**_SINCE.get(str(node.get("_target_")), {}), **node}
