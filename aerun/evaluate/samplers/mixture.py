"""Several Gaussians."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from aerun.evaluate.samplers.fit import Fit

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

_COMPONENTS, _FULL = 10, 64  # Gaussians; numbers of a code up to which they have correlations
_ARRAYS = ("weights_", "means_", "covariances_", "precisions_cholesky_")


class Mixture(Fit):
    """Ten Gaussians, with correlations up to 64 numbers, by expectation maximization."""

    def __init__(self, fit: "GaussianMixture", like: Tensor) -> None:
        self.fit, self.like = fit, like

    @classmethod
    def fitted(cls, rows: Tensor, seed: int) -> Self:
        # Deferred: scikit-learn takes long to import.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        kind, spread = "full" if rows.shape[1] <= _FULL else "diag", float(rows.var(0).mean())
        fit = GaussianMixture(
            min(_COMPONENTS, len(rows)), covariance_type=kind, reg_covar=1e-6 * spread + 1e-12, random_state=seed, max_iter=50
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 50 rounds are enough for a sampler
            fit.fit(rows.cpu().numpy())
        return cls(fit, rows[:0])

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor]) -> Self:
        # Deferred: as above.
        from sklearn.mixture import GaussianMixture

        weights, means, covariances, precisions = (arrays[k] for k in _ARRAYS)
        shape = (len(weights), means.shape[1])
        if means.shape != shape or {covariances.shape, precisions.shape} - {shape, (*shape, shape[1])}:
            raise ValueError("its arrays do not fit together")
        fit = GaussianMixture(len(weights), covariance_type="full" if covariances.ndim == 3 else "diag")
        for key in _ARRAYS:
            setattr(fit, key, arrays[key].cpu().numpy())
        return cls(fit, means[:0])

    def arrays(self) -> dict[str, Tensor]:
        return {key: torch.from_numpy(getattr(self.fit, key)) for key in _ARRAYS}

    def draw(self, n: int) -> Tensor:
        self.fit.random_state = int(torch.randint(1 << 31, ()))
        drawn, _ = self.fit.sample(n)
        return torch.from_numpy(drawn)[torch.randperm(n)].to(self.like)

    def log_density(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.fit.score_samples(rows.cpu().numpy())).to(rows)
