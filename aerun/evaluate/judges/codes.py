"""How far a code lies from those of training samples."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.evaluate.judges.base import Judge
from aerun.evaluate.samplers.mixture import Mixture
from aerun.evaluate.subset import subsample
from aerun.metrics.moments import WIDEST, Mahalanobis, moments
from aerun.metrics.neighbours import neighbour_distance
from aerun.trained import Trained

_NEIGHBOURS, _ROWS = 5, 20_000  # which of the nearest codes; of how many training samples


class CodeKnn(Judge):
    """Distance of a code to the fifth nearest of at most 20,000 training codes, both whitened by the training covariance.

    Whitened: y = L^-1 (z - m), L L^T the shrunk covariance, so that no unit counts for more because its numbers are larger. A
    training sample finds itself among them, at a distance of 0. After Ramaswamy et al. 2000,
    https://doi.org/10.1145/335191.335437.
    """

    def __init__(self, away: Mahalanobis, base: Tensor) -> None:
        self.away, self.base = away, base

    @staticmethod
    def unsupported_reason(model: Autoencoder) -> str:
        e = model.code_elements
        return f"codes of {e:,} numbers are too wide for a covariance; up to {WIDEST:,} are not" if e > WIDEST else ""

    @classmethod
    def fitted(cls, trained: Trained) -> Self:
        codes = _training_codes(trained)
        away = Mahalanobis(moments(lambda: iter([codes])))
        return cls(away, away.whitened(codes))

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor], model: Autoencoder) -> Self:
        mean, factor, base = (arrays[k].double() for k in ("mean", "factor", "base"))
        e = model.code_elements
        if mean.shape != (e,) or factor.shape != (e, e) or base.shape[1:] != (e,) or not len(base):
            raise ValueError("it is of another code")
        return cls(Mahalanobis.restored(mean, factor), base)

    def arrays(self) -> dict[str, Tensor]:
        return {"mean": self.away.mean, "factor": self.away.factor, "base": self.base}

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        z = _codes(model, stored)
        return neighbour_distance(self.away.whitened(z), self.base.to(z), _NEIGHBOURS)


class CodeMixture(Judge):
    """-log p(z) in nats of a code z, p ten Gaussians fitted to at most 20,000 training codes, see `samplers.mixture`."""

    def __init__(self, fit: Mixture) -> None:
        self.fit = fit

    @classmethod
    def fitted(cls, trained: Trained) -> Self:
        return cls(Mixture.fitted(_training_codes(trained), trained.seed))

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor], model: Autoencoder) -> Self:
        fit = Mixture.restored(arrays)
        if fit.like.shape[1] != model.code_elements:
            raise ValueError("it is of another code")
        return cls(fit)

    def arrays(self) -> dict[str, Tensor]:
        return self.fit.arrays()

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        return -self.fit.log_density(_codes(model, stored))


def _codes(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the deterministic codes of stored samples, flat, 64-bit (B, E)."""
    like = next(model.arch.parameters())
    return model.encode(model.units(stored).to(like.dtype), **model.beside(stored)).flatten(1).double()


def _training_codes(trained: Trained) -> Tensor:
    def computed() -> Tensor:
        split = subsample(trained.data.train, _ROWS, max(trained.autoencoder.code_elements, 400))
        return torch.cat([_codes(trained.exact, stored) for stored in trained.exact_batches(split)])

    return trained.kept("judged codes of training", computed)
