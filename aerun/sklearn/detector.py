"""Samples that a recipe cannot rebuild, as scikit-learn's outlier detectors find them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin

from aerun.metrics.conformal import alarm_limit, shortage
from aerun.sklearn.base import TrainedEstimator

Array = NDArray[Any]
log = logging.getLogger("aerun")


class AnomalyDetector(OutlierMixin, TrainedEstimator):
    """Samples that any of aerun's recipes does not know how to rebuild.

    alpha: the largest share of ordinary samples that may pass for anomalies. The threshold is conformal: of the n scores on the
    15 % of the samples that were left out of training, the one of rank ceil((n + 1)(1 - alpha)); where alpha (n + 1) < 1 they
    are too few for any alarm, which is logged (scikit-learn's `contamination`, which asks the training samples themselves, is
    something else). Other settings, and what a fitted one has: see `Autoencoder`; offset_ is the threshold on `score_samples`.
    """

    def __init__(
        self,
        model: str = "ae",
        *,
        alpha: float = 0.05,
        latent_dim: int | None = None,
        max_epochs: int | None = None,
        prepare: str = "standardize",
        overrides: Sequence[str] = (),
        shape: Sequence[int] | None = None,
        folder: str | Path | None = None,
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            model,
            latent_dim=latent_dim,
            max_epochs=max_epochs,
            prepare=prepare,
            overrides=overrides,
            shape=shape,
            folder=folder,
            random_state=random_state,
        )
        self.alpha = alpha

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train on samples X (n, D), most of them ordinary; y is ignored. sample_weight: see `Autoencoder.fit`."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha}: a share between 0 and 1.")
        super().fit(X, y, sample_weight)
        self.offset_ = -alarm_limit(self.model_.threshold(self.alpha))
        if short := shortage(len(self.model_.validation_scores), self.alpha):
            log.warning("AnomalyDetector: %s 15 %% of the samples are held out to set the threshold.", short)
        return self

    def decision_function(self, X: Any) -> Array:  # noqa: N803
        """Return `score_samples` less the threshold (n,); a value below 0 is an anomaly."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """Return 1 for ordinary samples, -1 for anomalies, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)
