"""How similar two images are in structure."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

WINDOW, _SIGMA, _K1, _K2 = 11, 1.5, 0.01, 0.03
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the sizes, from the largest on
_LEAST = 1e-4  # smallest factor: a power below 1 has no slope at 0


def ssim_applies(shape: tuple[int, ...]) -> bool:
    """Return whether images of this shape (C, H, W) are at least as large as the window."""
    return len(shape) == 3 and min(shape[1:]) >= WINDOW


def ssim(x: Tensor, y: Tensor, span: float) -> Tensor:
    """Return SSIM of images x and y (B, C, H, W), averaged over places and channels: (B,), float64.

    SSIM = (2 m_x m_y + c1) (2 s_xy + c2) / ((m_x^2 + m_y^2 + c1) (s_x^2 + s_y^2 + c2)): means, variances and covariance under a
    Gaussian window of 11 x 11, sigma 1.5, wherever it lies inside the image; c1 = (0.01 span)^2, c2 = (0.03 span)^2, span the
    range of the data. Wang, Bovik, Sheikh & Simoncelli 2004, https://doi.org/10.1109/TIP.2003.819861
    """
    a, b = (v.double().flatten(0, 1)[:, None] for v in (x, y))  # each channel by itself
    luminance, structure = _factors(a, b, span)
    return (luminance * structure).flatten(1).mean(1).view(x.shape[:2]).mean(1)


def ms_ssim(x: Tensor, y: Tensor, span: float) -> Tensor:
    """Return MS-SSIM of images x and y (B, C, H, W), the mean over channels: (B,), in the precision of x.

    It is prod_l c_l^w_l over sizes l < L, times s_L^w_L: c the contrast and structure of SSIM averaged over places, s the whole
    of it; each size is the mean of 2 x 2 pixels of the one before. L of the five sizes have a side of at least 11 pixels, and
    their weights are divided by their sum. Factors count as at least 1e-4.
    Wang, Simoncelli & Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216
    """
    a, b = (v.flatten(0, 1)[:, None] for v in (x, y))
    weights = _WEIGHTS[: ms_ssim_levels(x.shape)]
    log_total = torch.zeros(len(a), dtype=a.dtype, device=a.device)
    for level, weight in enumerate(weights):
        luminance, structure = _factors(a, b, span)
        similarity = luminance * structure if level == len(weights) - 1 else structure
        log_total = log_total + weight / sum(weights) * similarity.flatten(1).mean(1).clamp_min(_LEAST).log()
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return log_total.exp().view(x.shape[:2]).mean(1)


def ms_ssim_levels(shape: tuple[int, ...]) -> int:
    """Return how many of the five sizes images of this shape (..., H, W) have."""
    side = min(shape[-2:])
    return sum(side >> level >= WINDOW for level in range(len(_WEIGHTS)))


def _factors(a: Tensor, b: Tensor, span: float) -> tuple[Tensor, Tensor]:
    """Return the luminance, and the contrast times the structure, at each place of images (N, 1, H, W)."""
    mx, my, squares, product = _blur(torch.cat([a, b, a * a + b * b, a * b])).chunk(4)
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    means = mx * mx + my * my
    structure = (2 * (product - mx * my) + c2) / (squares - means + c2)
    return (2 * mx * my + c1) / (means + c1), structure


def _blur(v: Tensor) -> Tensor:
    """Map (N, 1, H, W) to (N, 1, H - 10, W - 10), one axis after the other."""
    at = torch.arange(WINDOW, dtype=v.dtype, device=v.device) - WINDOW // 2
    weights = torch.exp(-at.square() / (2 * _SIGMA**2))
    weights = (weights / weights.sum()).view(1, 1, -1, 1)
    return conv2d(conv2d(v, weights), weights.mT)
