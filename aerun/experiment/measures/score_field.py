"""Does a denoising autoencoder point where the density rises?"""

import math

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.mixture import Mixture
from aerun.model.corruption.gaussian import Gaussian
from aerun.trained import Trained

_FAR = (6.0, 8.0)  # distances from the origin where no training point was
_POINTS = 3000


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """(r(x) - x) / s^2 against the score of the density smoothed by the training noise s, at noisy test points: cosine, and
    error, the relative L2 distance; far: the error 6 to 8 from the origin, where nothing was learned.

    Vincent 2011, https://doi.org/10.1162/NECO_a_00142; Alain & Bengio 2014, https://jmlr.org/papers/v15/alain14a.html.
    AerunError for another data set than `mixture` or a corruption that is not Gaussian noise.
    """
    model, dataset = trained.autoencoder, trained.dataset
    if not isinstance(dataset, Mixture) or not isinstance(model.corruption, Gaussian):
        raise AerunError("measures: score_field: needs dataset=mixture model/corruption=gaussian.")
    sigma = model.corruption.sigma
    x = trained.samples(trained.data.test)
    near = x + sigma * torch.randn_like(x)
    angle, radius = 2 * math.pi * torch.rand(_POINTS), _FAR[0] + (_FAR[1] - _FAR[0]) * torch.rand(_POINTS)
    far = (radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)).to(x)

    def field(at: Tensor) -> tuple[Tensor, Tensor]:
        return (model(at) - at) / sigma**2, dataset.score(at, sigma)

    found, true = field(near)
    cosine = float((found * true).sum() / (found.norm() * true.norm()))
    return {"cosine": cosine, "error": _error(found, true), "far": _error(*field(far))}


def _error(found: Tensor, true: Tensor) -> float:
    return float((found - true).norm() / true.norm())
