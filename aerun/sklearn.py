"""Any recipe as a scikit-learn estimator: a transformer to codes, and a detector of anomalies.

from aerun.sklearn import AnomalyDetector, Autoencoder

make_pipeline(StandardScaler(), Autoencoder(model="sparse", latent_dim=16), LogisticRegression())
AnomalyDetector(model="ae", latent_dim=4, alpha=0.01).fit(X).predict(X_new)
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from aerun.api import fitted, written
from aerun.core.errors import AerunError
from aerun.formats.frames import has_columns
from aerun.metrics.conformal import alarm_limit, shortage

Array = NDArray[Any]
log = logging.getLogger("aerun")


class _Trained(BaseEstimator):
    """The base of both estimators: settings and training."""

    model_: Any
    _names: list[str] | None = None  # of the columns of a data frame

    def __init__(
        self,
        model: str = "ae",
        *,
        latent_dim: int | None = None,
        max_epochs: int | None = None,
        prepare: str = "standardize",
        overrides: Sequence[str] = (),
        shape: Sequence[int] | None = None,
        folder: str | Path | None = None,
        random_state: Any = 0,
    ) -> None:
        self.model, self.latent_dim, self.max_epochs = model, latent_dim, max_epochs
        self.prepare, self.overrides, self.shape, self.folder, self.random_state = (
            prepare,
            overrides,
            shape,
            folder,
            random_state,
        )

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on samples X (n, D); y is ignored. Raises ValueError for settings and samples that cannot be used.

        A data frame is read as `dataset=table` reads one: names, kinds and categories of its columns are kept, and missing
        cells are what `dataset.missing` says. Arrays must be whole.
        """
        self._names = None
        x = self._table(X, reset=True)
        if x is None:
            x = validate_data(self, _whole(X), dtype=(np.float64, np.float32), ensure_min_samples=2)
        if self.folder is not None:
            self._train(x, Path(self.folder).expanduser())
            return self
        with tempfile.TemporaryDirectory(prefix="aerun") as place:
            self._train(x, Path(place))
        return self

    def _table(self, X: Any, reset: bool) -> Any:  # noqa: N803
        """Return a data frame as it is, and an array for a model of one by its names; None for an array for one of arrays."""
        framed = has_columns(X) and not isinstance(X, Mapping)  # some sparse matrices are mappings
        if self.shape is not None or not (framed or self._names):
            return None
        if not framed:
            x = validate_data(self, _whole(X), dtype=None, reset=False)
            return dict(zip(self._names or (), x.T, strict=True))
        validate_data(self, X, reset=reset, skip_check_array=True)
        names = [str(n) for n in X.columns] if not hasattr(X, "column_names") else list(X.column_names)
        if len(X) < 1 + reset:
            raise ValueError(f"Found array with {len(X)} sample(s) while a minimum of {1 + reset} is required.")
        if reset:
            self._names = names
        return X

    def _train(self, x: Any, folder: Path) -> None:
        try:
            self.model_ = fitted(self._samples(x), self._overrides(), folder)
        except AerunError as e:
            raise ValueError(str(e)) from e
        self.model_.autoencoder.double()  # A sample's last digits do not depend on its neighbours.
        _ = self.model_.calibration
        _ = self.model_.training_codes  # They are read while the folder is there.

    def _overrides(self) -> list[str]:
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        settings = {
            "model": self.model,
            "seed": int(seed),
            "model__latent_dim": self.latent_dim,
            "trainer__max_epochs": self.max_epochs,
            "dataset__prepare": self.prepare,
        }
        return [*written({k: v for k, v in settings.items() if v is not None}), *self.overrides]

    def _samples(self, x: Any) -> Any:
        if self.shape is None or has_columns(x):
            return x
        if int(np.prod(self.shape)) != x.shape[1]:
            raise AerunError(f"shape={tuple(self.shape)}: does not hold the {x.shape[1]} features of a sample.")
        return x.reshape(len(x), *self.shape)

    def _checked(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self)
        table = self._table(X, reset=False)
        if table is not None:
            return table
        return self._samples(validate_data(self, _whole(X), dtype=(np.float64, np.float32), reset=False))

    def _errors(self, X: Any) -> Array:  # noqa: N803
        try:
            errors: Array = self.model_.score(self._checked(X))
        except AerunError as e:
            raise ValueError(str(e)) from e
        return errors

    def score_samples(self, X: Any) -> Array:  # noqa: N803
        """Return the negative mean squared error of each sample's reconstruction (n,), behind `prepare`.

        The higher, the more ordinary the sample.
        """
        check_is_fitted(self)
        return -self._errors(X)


def _whole(X: Any) -> Any:  # noqa: N803
    """Return X. Raise ValueError for masked elements, whose masks scikit-learn would drop."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        raise ValueError("X: a masked array contains missing values. Fill them in, or give a data frame (see dataset.missing).")
    return X


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Trained):
    """Samples X (n, D) to the codes of any of aerun's recipes, and back.

    model: a recipe, such as ae, sparse, vae, denoising (`aerun --help` lists them). latent_dim, max_epochs: the recipe's if
    None. prepare: how features are scaled, standardize, robust, minmax or none; recipes with a loss for data in [0, 1], such
    as vae, need minmax. overrides: other settings of the command line, such as ["regularizer=l1", "reg.lambda=1e-3"]. shape:
    of one sample, for recipes that read images: (1, 28, 28) for D = 784. folder: where the run is left; None: nowhere.
    random_state: of weights, order and noise; an int, a RandomState or None. 15 % of the samples choose the best epoch.

    Fitted: n_features_in_; model_, an `aerun.Model` with all its verbs (of `generate` the sampler mixture needs a folder).
    """

    def transform(self, X: Any) -> Array:  # noqa: N803
        """Return codes (n, d), in the float type of X."""
        x = self._checked(X)
        try:
            codes: Array = self.model_.encode(x)
        except AerunError as e:
            raise ValueError(str(e)) from e
        return codes.reshape(len(codes), -1).astype(getattr(x, "dtype", np.float64))

    def inverse_transform(self, X: Any) -> Array:  # noqa: N803
        """Map codes (n, d) to samples (n, D), of words and dates where some column holds them."""
        check_is_fitted(self)
        x = check_array(X, dtype=(np.float64, np.float32))
        try:
            samples = self.model_.decode(x)
        except AerunError as e:
            raise ValueError(str(e)) from e
        if isinstance(samples, Mapping):
            columns = [np.asarray(c) for c in samples.values()]
            numbers = all(c.dtype.kind == "f" for c in columns)
            return np.stack(columns if numbers else [c.astype(object) for c in columns], 1)
        return samples.reshape(len(samples), -1).astype(x.dtype)

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Return the mean of `score_samples`, which GridSearchCV maximizes."""
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self.model_.code_shape))

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.non_deterministic = False
        return tags


class AnomalyDetector(OutlierMixin, _Trained):
    """Samples that any of aerun's recipes does not know how to rebuild.

    alpha: the largest share of ordinary samples that may pass for anomalies. The threshold is conformal: of the n scores on the
    15 % of the samples that were left out of training, the one of rank ceil((n + 1)(1 - alpha)); where alpha (n + 1) < 1 they
    are too few for any alarm, which is logged (scikit-learn's `contamination`, which asks the training samples themselves, is
    something else). Other settings: see `Autoencoder`. Fitted: offset_, the threshold on `score_samples`; model_.
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

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on samples X (n, D), most of them ordinary; y is ignored."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha}: a share between 0 and 1.")
        super().fit(X)
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
