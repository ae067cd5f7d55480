"""The settings of what a model is told beforehand, which every data set has."""

from typing import Any

SETTINGS: dict[str, Any] = {  # and what runs that do not name them were trained with
    "condition": None,
    "condition_drop": 0.0,
    "condition_to": "both",
    "labelled": None,
    "labelled_draw": 0,
}
