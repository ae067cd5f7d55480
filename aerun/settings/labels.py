"""Tags and notes: what a person writes on a run to find it again. They are no part of what the run is.

Nor is where its figures go, and what is asked of the trained model.
"""

from collections.abc import Mapping
from typing import Any

from aerun.core.errors import AerunError

LABELS = ("tags", "notes")
ASIDE = (*LABELS, "logger")  # at the root of a config, and no part of what a run is
ASKED = ("evaluate", "pictures", "objective")  # of the trained model, at the end


def without_labels(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a run what it is: its config without tags, notes and loggers, and without an empty `callbacks`."""
    return {k: v for k, v in config.items() if k not in ASIDE and (v or k != "callbacks")}


def labels_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return tags, a list of words, and notes, a text, of a resolved config; empty where none are given.

    Raises AerunError where they are anything else.
    """
    tags, notes = config.get("tags") or [], config.get("notes")
    tags = [tags] if isinstance(tags, str) else tags
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise AerunError(f"tags={tags}: must be a list of words, such as tags=[baseline,paper].")
    if isinstance(notes, Mapping | list):
        raise AerunError(f"notes={notes}: must be a text, such as notes='wider code'.")
    return {"tags": tags, "notes": "" if notes is None else str(notes)}
