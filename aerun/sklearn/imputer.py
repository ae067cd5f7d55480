"""Missing values that any recipe fills in, as scikit-learn's imputers do it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags

from aerun.formats.binary_tables import columns_in
from aerun.formats.frames import has_columns
from aerun.sklearn import inputs
from aerun.sklearn.base import TrainedEstimator

Array = NDArray[Any]


class Imputer(OneToOneFeatureMixin, TransformerMixin, TrainedEstimator):
    """X (n, D) with its missing values (NaN, None) filled in by any of aerun's recipes; all else stays as it is.

    The model is trained on what is there (`dataset.missing=keep`). With codes that have a posterior and a loss in nats, as the
    default, a value is the mean over `codes` codes of each row, weighed by how well they explain what is seen of it (MIWAE).
    sample_posterior: a draw by random_state in its place, as that of `IterativeImputer`, for multiple imputation. Frames of
    numbers, words and dates come back as such. A column without any value raises ValueError. Other settings, and what a
    fitted one has: see `Autoencoder`. Ask a Gaussian first: `aerun evaluate RUN --ask imputation`.
    """

    def __init__(
        self,
        model: str = "iwae",
        *,
        codes: int = 1000,
        sample_posterior: bool = False,
        latent_dim: int | None = None,
        max_epochs: int | None = None,
        prepare: str = "standardize",
        overrides: Sequence[str] = ("model/loss=gaussian",),
        folder: str | Path | None = None,
        random_state: Any = 0,
    ) -> None:
        self.codes, self.sample_posterior, self.model, self.latent_dim = codes, sample_posterior, model, latent_dim
        self.max_epochs, self.prepare, self.overrides = max_epochs, prepare, overrides
        self.folder, self.random_state = folder, random_state

    shape = None  # of samples: rows are what has gaps

    def fit(self, X: Any, y: Any = None) -> Self:  # type: ignore[override]  # noqa: N803
        """Train on samples X (n, D) with missing values; y is ignored. Raises ValueError as `Autoencoder.fit` does."""
        super().fit(X)
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Return X with its missing values filled in: an array in its float type, or a frame of its library."""
        x = self._samples(X)
        x = X if has_columns(X) else x  # a frame, which comes back as such
        draws = 1 if self.sample_posterior else 0
        found = self._asked(lambda: self.model_.impute(x, draws=draws, codes=self.codes, seed=self._seed()))
        whole = found.draws[0] if draws else found
        if has_columns(X) or not has_columns(whole):
            return whole
        columns = {name: np.asarray(column) for name, column in columns_in(whole).items()}
        numbers = all(c.dtype.kind == "f" for c in columns.values())
        array = np.stack([c if numbers else c.astype(object) for c in columns.values()], 1)
        kind = np.asarray(X).dtype
        kind = kind if kind in (np.float32, np.float64) else np.dtype(np.float64)
        if not numbers:
            return array
        own = np.asarray(X, dtype=kind)
        return np.where(np.isnan(own), array, own).astype(kind)

    def _overrides(self) -> list[str]:
        return ["dataset.missing=keep", *super()._overrides()]

    def _training(self, X: Any) -> tuple[Any, list[str] | None]:  # noqa: N803
        return inputs.training(self, X, True)

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
