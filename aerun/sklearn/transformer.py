"""Samples to codes and back, as scikit-learn's transformers do it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted

from aerun.formats.binary_tables import columns_in
from aerun.formats.frames import has_columns
from aerun.sklearn.base import TrainedEstimator

Array = NDArray[Any]


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """Samples X (n, D) to the codes of any of aerun's recipes, and back.

    model: a recipe, such as ae, sparse, vae, denoising (`aerun --help` lists them). latent_dim, max_epochs: the recipe's if
    None. prepare: how features are scaled, standardize, robust, minmax or none; recipes with a loss for data in [0, 1], such
    as vae, need minmax. overrides: other settings of the command line, such as ["regularizer=l1", "reg.lambda=1e-3"]. shape:
    of one sample, for recipes that read images: (1, 28, 28) for D = 784. folder: where the run is left; None: nowhere.
    random_state: of weights, order and noise; an int, a RandomState or None. 15 % of the samples choose the best epoch.

    Missing values (NaN, None) go the way of `dataset.missing`, which `overrides` sets. Fitted: n_features_in_,
    feature_names_in_; n_iter_, the epochs; loss_curve_ and validation_loss_curve_, the losses after each; model_, an
    `aerun.Model` with all its verbs, `history` and `plot` (of `generate` the sampler mixture needs a folder).
    """

    def transform(self, X: Any) -> Array:  # noqa: N803
        """Return codes (n, d), in the float type of X."""
        x = self._samples(X)
        codes = np.asarray(self._asked(lambda: self.model_.encode(x)))
        kind = getattr(x, "dtype", np.dtype(np.float64))
        return codes.reshape(len(codes), -1).astype(kind if kind.kind == "f" else np.float64)

    def inverse_transform(self, X: Any) -> Any:  # noqa: N803
        """Map codes (n, d) to samples (n, D), of words and dates where some column holds them; a frame of codes to a frame."""
        check_is_fitted(self)
        z = check_array(X, dtype=(np.float64, np.float32))
        frame = has_columns(X) and self.model_.form.named
        samples = self._asked(lambda: self.model_.decode(X if frame else z))
        if frame:
            return samples
        if not has_columns(samples):
            return samples.reshape(len(samples), -1).astype(z.dtype)
        columns = [np.asarray(c) for c in columns_in(samples).values()]
        numbers = all(c.dtype.kind == "f" for c in columns)
        return np.stack(columns if numbers else [c.astype(object) for c in columns], 1)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the (weighted) mean of `score_samples`, which GridSearchCV maximizes."""
        return float(np.average(self.score_samples(X), weights=sample_weight))

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self.model_.code_shape))

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
