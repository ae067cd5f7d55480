"""When PCA is no yardstick."""

from collections.abc import Mapping
from typing import Any

_EXACT = 1e-6  # share of the training mean's error


def pca_is_exact(figures: Mapping[str, Any]) -> bool:
    """Does PCA of the model's size lose nothing? pca/se <= 1e-6 mean/se."""
    exact: bool = figures["pca/se"] <= _EXACT * figures["mean/se"]
    return exact
