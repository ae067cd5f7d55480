"""Does a denoising autoencoder point where the density rises?"""

import math

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.trained import Trained

_FAR = (6.0, 8.0)  # distances from the origin where no training point was
_POINTS = 3000


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return (r(x) - x) / s^2 against the score of the density smoothed by the training noise s, at noisy test points.

    cosine, and error, the relative L2 distance; far: the error 6 to 8 from the origin, where nothing was learned.

    Vincent 2011, https://doi.org/10.1162/NECO_a_00142; Alain & Bengio 2014, https://jmlr.org/papers/v15/alain14a.html.
    AerunError for data whose law is not known and for a corruption that is not Gaussian noise.
    """
    model, dataset = trained.autoencoder, trained.dataset
    sigma = model.corruption.white_noise
    if not sigma or dataset.score(torch.zeros(1, *model.facts.shape), sigma) is None:
        raise AerunError("measures: score_field: needs a known law and noise: dataset=mixture model/corruption=gaussian.")
    x = trained.samples(trained.data.test)
    near = x + sigma * torch.randn_like(x)
    angle, radius = 2 * math.pi * torch.rand(_POINTS), _FAR[0] + (_FAR[1] - _FAR[0]) * torch.rand(_POINTS)
    far = (radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)).to(x)

    def field(at: Tensor) -> tuple[Tensor, Tensor]:
        true = dataset.score(at, sigma)
        assert true is not None
        return (model(at) - at) / sigma**2, true

    learned, true = field(near)
    cosine = float((learned * true).sum() / (learned.norm() * true.norm()))
    return {"cosine": cosine, "error": _error(learned, true), "far": _error(*field(far))}


def _error(learned: Tensor, true: Tensor) -> float:
    return float((learned - true).norm() / true.norm())
