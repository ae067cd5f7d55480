"""How long a run trained, in words."""

from collections.abc import Mapping
from typing import Any


def ended_early(results: Mapping[str, Any]) -> bool:
    """Return whether a run ended before its last planned epoch; older runs do not say what was planned."""
    planned, epochs = results.get("planned_epochs"), results.get("epochs")
    return isinstance(planned, int) and isinstance(epochs, int) and epochs < planned


def epochs_in_words(results: Mapping[str, Any]) -> str:
    """Return `best of 100 epochs: 90`, or `ended early: epoch 120 of 400 planned, best 90`; empty where it is not known."""
    best, epochs = results.get("best_epoch"), results.get("epochs")
    if not (isinstance(best, int) and isinstance(epochs, int)):
        return ""
    if ended_early(results):
        why = "out of time" if results.get("stopped") else "ended early"
        return f"{why}: epoch {epochs} of {results['planned_epochs']} planned, best {best + 1}"
    return f"best of {epochs} epochs: {best + 1}"
