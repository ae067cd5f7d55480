"""What both estimators share: settings, the reading of X and of weights, training, scores."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from aerun.api import fitted, written
from aerun.core.errors import AerunError
from aerun.sklearn import inputs

Array = NDArray[Any]
T = TypeVar("T")


class TrainedEstimator(BaseEstimator):
    """The base of all estimators."""

    model_: Any
    _names: list[str] | None = None  # of the columns, where the model reads a table

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

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train on samples X (n, D); y is ignored. Raises ValueError for settings and samples that cannot be used.

        A data frame, and an array with words or missing values, is read as `dataset=table` reads one: names, kinds and
        categories of its columns are kept, and missing cells are what `dataset.missing` says. sample_weight (n,): how much
        each sample counts in the loss and in the validation loss that chooses the best epoch; samples of weight 0 are left
        out. Parts that read a batch as a whole, such as `regularizer=mmd`, are refused with it.
        """
        x, self._names = self._asked(lambda: self._training(X))
        weight = inputs.weights(sample_weight, inputs.length(x))
        if weight is not None:
            x, weight = inputs.rows(x, weight > 0), weight[weight > 0]
        if self.folder is not None:
            self._train(x, X, weight, Path(self.folder).expanduser())
            return self
        with tempfile.TemporaryDirectory(prefix="aerun") as place:
            self._train(x, X, weight, Path(place))
        return self

    def _training(self, X: Any) -> tuple[Any, list[str] | None]:  # noqa: N803
        """Return X to train on, and the names of its columns where the model is to read a table."""
        return inputs.training(self, X, any(o.startswith("dataset.missing=") for o in self.overrides))

    def _seed(self) -> int:
        """Return random_state as a whole number."""
        seed = self.random_state
        return int(seed if isinstance(seed, int | np.integer) else check_random_state(seed).randint(2**31))

    def _train(self, x: Any, like: Any, weight: Array | None, folder: Path) -> None:
        self.model_ = self._asked(lambda: fitted(self._shaped(x), self._overrides(), folder, weight, like))
        self.model_.autoencoder.double()  # A sample's last digits do not depend on its neighbours.
        _ = self.model_.calibration, self.model_.training_codes, self.model_.results  # They are read while the folder is there.
        history = self.model_.history
        self.n_iter_ = history.epochs
        self.loss_curve_ = history["train/loss"].tolist()
        self.validation_loss_curve_ = history["val/loss"].tolist()

    def _asked(self, question: Callable[[], T]) -> T:
        """Return an answer of aerun's, whose errors are ValueErrors, as scikit-learn has them."""
        try:
            return question()
        except AerunError as e:
            raise ValueError(re.sub(r"^x: ", "X: ", str(e))) from e

    def _overrides(self) -> list[str]:
        settings = {
            "model": self.model,
            "seed": self._seed(),
            "model__latent_dim": self.latent_dim,
            "trainer__max_epochs": self.max_epochs,
            "dataset__prepare": self.prepare,
        }
        return [*written({k: v for k, v in settings.items() if v is not None}), *self.overrides]

    def _shaped(self, x: Any) -> Any:
        if self.shape is None or isinstance(x, Mapping):
            return x
        if int(np.prod(self.shape)) != x.shape[1]:
            raise AerunError(f"shape={tuple(self.shape)}: does not hold the {x.shape[1]} features of a sample.")
        return x.reshape(len(x), *self.shape)

    def _samples(self, X: Any) -> Any:  # noqa: N803
        """Return X as the fitted model reads it: columns by name, or an array."""
        check_is_fitted(self)
        return self._asked(lambda: self._shaped(inputs.asked(self, X, self._names)))

    def score_samples(self, X: Any) -> Array:  # noqa: N803
        """Return the negative mean squared error of each sample's reconstruction (n,), behind `prepare`.

        The higher, the more ordinary the sample.
        """
        x = self._samples(X)
        return -np.asarray(self._asked(lambda: self.model_.score(x)))

    def _html_repr(self) -> str:
        """Return scikit-learn's diagram and, of a fitted estimator, the card of its model."""
        diagram = str(super()._html_repr())
        return diagram + self.model_._repr_html_() if hasattr(self, "model_") else diagram

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.non_deterministic = False
        return tags
