"""How well noise is removed, against what needs no training and against the best linear way."""

import math

import torch
from torch import Tensor

from aerun.dataset.base import Split
from aerun.errors import AerunError
from aerun.model.corruption.gaussian import Gaussian
from aerun.trained import Trained

_IMAGES = 1000


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """The first 1,000 test images with the noise of training, drawn once. se and psnr of the model, and NAME_se, NAME_psnr of
    noisy (nothing done), median (3 x 3), smooth (Gaussian, 0.8 pixels), wiener (5 x 5, adaptive, its noise estimated) and
    lmmse, the best linear estimate m + C (C + s^2 I)^-1 (y - m), m and C of the training split. All are clamped to the data's
    range.

    AerunError for a corruption that is not Gaussian noise, and for data that are not images.
    """
    model = trained.autoencoder
    if not isinstance(model.corruption, Gaussian) or model.facts.kind != "image":
        raise AerunError("measures: denoising: needs images and model/corruption=gaussian.")
    sigma, test = model.corruption.sigma, trained.data.test
    x = trained.samples(Split(test.x[:_IMAGES], None))
    noisy = x + sigma * torch.randn_like(x)
    ways = {"": model(noisy), "noisy_": noisy, "lmmse_": _lmmse(noisy, trained, sigma), **_filters(noisy)}
    low, high = model.facts.low, model.facts.high
    assert low is not None
    assert high is not None
    found = {}
    for name, x_hat in ways.items():
        se = float((x_hat.clamp(low, high) - x).double().square().flatten(1).sum(1).mean())
        found[f"{name}se"] = se
        found[f"{name}psnr"] = 10 * math.log10((high - low) ** 2 * model.facts.size / se)
    return found


def _lmmse(noisy: Tensor, trained: Trained, sigma: float) -> Tensor:
    total, scatter, count = torch.zeros(()), torch.zeros(()), 0
    for x in trained.batches(trained.data.train):
        flat = x.flatten(1).double()
        total, scatter, count = total.to(flat) + flat.sum(0), scatter.to(flat) + flat.t() @ flat, count + len(flat)
    mean = total / count
    covariance = scatter / count - torch.outer(mean, mean)
    eye = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    gain = torch.linalg.solve(covariance + sigma**2 * eye, covariance)  # (C + s^2 I)^-1 C, both symmetric and commuting
    return (mean + (noisy.flatten(1).double() - mean) @ gain).to(noisy.dtype).reshape(noisy.shape)


def _filters(noisy: Tensor) -> dict[str, Tensor]:
    import numpy as np
    from scipy.ndimage import gaussian_filter, median_filter
    from scipy.signal import wiener

    y = noisy.double().cpu().numpy()
    images = y.reshape(-1, *y.shape[2:])  # each channel by itself
    found = {
        "median_": median_filter(y, (1, 1, 3, 3)),
        "smooth_": gaussian_filter(y, (0, 0, 0.8, 0.8)),
        "wiener_": np.stack([wiener(image, 5) for image in images]).reshape(y.shape),
    }
    return {k: torch.from_numpy(v).to(noisy) for k, v in found.items()}
