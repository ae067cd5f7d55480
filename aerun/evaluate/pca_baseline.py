"""When PCA is no baseline."""

from collections.abc import Mapping
from typing import Any

_EXACT = 1e-6  # share of the training mean's error


def pca_is_exact(figures: Mapping[str, Any]) -> bool:
    """Return whether PCA of the model's size loses nothing: pca/se <= 1e-6 mean/se."""
    exact: bool = figures["pca/se"] <= _EXACT * figures["mean/se"]
    return exact
